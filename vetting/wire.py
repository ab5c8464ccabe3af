"""Every message that agent, reporter, command line and orchestrator exchange, typed once for both sides.

JSON over TLS pinned to the certificate's fingerprint, under /api/. Errors have one shape, `ErrorReply`. An unknown
field is an error where `strict` is asked for (tests) and a warning in the field.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from vetting.domain.bmc import Bmc
from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity, MeasuredLimit
from vetting.domain.image import LiveImage
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Finding, Outcome
from vetting.domain.profiles import Profile
from vetting.domain.repair import Repair
from vetting.domain.thresholds import Threshold

PROTOCOL = 1
MAX_SAMPLES = 500  # in one batch
HEARTBEAT_S = 10.0

T = TypeVar("T")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages: immutable, JSON objects."""


class ErrorBody(Message, frozen=True, kw_only=True):
    code: str
    message: str
    detail: dict[str, Any] = {}


class ErrorReply(Message, frozen=True, kw_only=True):
    error: ErrorBody


# --- agent --------------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    """Before anything else, without a token: do we speak the same protocol?"""

    protocol: int
    agent_version: str
    boot_id: str


class HelloReply(Message, frozen=True, kw_only=True):
    protocol: int
    server_version: str
    message: str = ""


class Claim(Message, frozen=True, kw_only=True):
    """Bearer: the one-time boot ticket, or the run token when an agent starts again within the same boot."""

    protocol: int
    agent_version: str
    boot_id: str
    identity: Identity
    live_image: bool = False  # the image's marker file is there and no local file system is mounted
    image: LiveImage | None = None  # what it carries; None outside
    sel_record_id: int | None = None  # newest record of the BMC's event log; None: there is none to be read


class StagePlan(Message, frozen=True, kw_only=True):
    name: str
    owner: str  # agent | orchestrator
    planned_s: float
    deadline_s: float


class IperfTarget(Message, frozen=True, kw_only=True):
    host: str
    port: int


class ClaimReply(Message, frozen=True, kw_only=True):
    run_id: int
    host: str  # the record's name; a permit names it too
    token: str  # the run's token for this incarnation; keep it in memory and in a 0600 file of this boot only
    stages: tuple[StagePlan, ...]
    current_state: str
    current_stage: str  # the stage to run now; empty in a hold
    attempt: int
    holding: bool
    non_destructive: bool
    expected: ExpectedSpec
    expected_disks: tuple[ExpectedDisk, ...]
    profile: Profile
    thresholds: tuple[Threshold, ...]
    inventory: Inventory | None = None  # what this run found; an agent that lost it with a reboot needs it
    iperf: IperfTarget | None
    override_flags: tuple[str, ...] = ()
    permit: str = ""  # signed JSON for the surface engine; empty: nothing may be written
    permit_refused: str = ""  # why a stage that writes to disks gets none
    permit_key: str = ""  # hex of the Ed25519 public key that signed it
    failed_stage: str = ""  # in a hold: the attempt that what the last boot left behind belongs to
    failed_attempt: int = 0
    sel_record_id: int | None = None  # newest record of the BMC's event log that this run knows of
    heartbeat_s: float = HEARTBEAT_S
    now_s: float = 0.0  # the clock by which permits are dated, seconds since the epoch


class Progress(Message, frozen=True, kw_only=True):
    done: float = 0.0
    of: float = 0.0
    unit: str = ""
    note: str = ""


class Heartbeat(Message, frozen=True, kw_only=True):
    boot_id: str
    seq: int
    doing: str  # running | holding | idle | stopping
    stage: str = ""
    attempt: int = 0
    monotonic_s: float = 0.0
    progress: Progress = Progress()
    dropped_samples: int = 0


class Command(Message, frozen=True, kw_only=True):
    """What the agent shall do next; repeated in every heartbeat until the agent's own words show that it did."""

    cmd: str  # none | cancel_stage | retry_stage | shutdown | reboot | abort
    stage: str = ""
    attempt: int = 0
    override_flags: tuple[str, ...] = ()
    permit: str = ""
    permit_refused: str = ""
    reason: str = ""


class HeartbeatReply(Message, frozen=True, kw_only=True):
    state: str
    command: Command
    now_s: float = 0.0  # as in ClaimReply


class Result(Message, frozen=True, kw_only=True):
    """The conclusion of one attempt. Posting it again gets the same answer again."""

    boot_id: str
    stage: str
    attempt: int
    outcome: Outcome


class ResultReply(Message, frozen=True, kw_only=True):
    verdict: str  # as recorded, which is not always as posted
    state: str
    next_stage: str  # empty: hold, or finished
    next_attempt: int
    objections: tuple[str, ...] = ()  # why a PASS was not believed
    permit: str = ""  # for a next stage that writes to disks
    permit_refused: str = ""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """`at_ms` by the host's monotonic clock."""

    series: int  # index into the batch's `names`
    at_ms: int
    value: float


class SensorBatch(Message, frozen=True, kw_only=True):
    boot_id: str
    seq: int
    stage: str
    now_ms: int  # the host's monotonic clock at sending: the orchestrator dates samples by its own clock
    names: tuple[str, ...]
    units: tuple[str, ...]
    samples: tuple[Sample, ...]
    dropped: int = 0


class SensorReply(Message, frozen=True, kw_only=True):
    stored: int


class LogLine(Message, frozen=True, kw_only=True):
    at_ms: int  # the host's monotonic clock
    stage: str
    level: str  # debug | info | warning | error
    source: str  # agent | kernel | tool name
    text: str


class LogBatch(Message, frozen=True, kw_only=True):
    boot_id: str
    seq: int
    now_ms: int
    lines: tuple[LogLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    dropped: int = 0


class LogReply(Message, frozen=True, kw_only=True):
    stored: int


class Hold(Message, frozen=True, kw_only=True):
    boot_id: str
    addresses: tuple[str, ...]
    reason: str
    host_keys: tuple[str, ...] = ()  # public keys of its SSH server, "ssh-ed25519 AAAA…", so that nobody is in between
    trouble: str = ""  # why nobody can sign in, where the key was there and the door does not open


class HoldReply(Message, frozen=True, kw_only=True):
    authorized_key: str  # public half; the private half stays with the orchestrator
    message: str


class ArtifactReply(Message, frozen=True, kw_only=True):
    name: str
    sha256: str
    size_bytes: int


class Checkpoint(Message, frozen=True, kw_only=True):
    """Where the surface test of one disk stands, made durable on the host before: for the boot after a power cut."""

    boot_id: str
    stage: str
    attempt: int
    component: str  # as cells name it: disk:SERIAL
    seq: int  # grows over all sessions of one scan; an older one takes no newer one's place
    heads_sha256: str  # of the artifact with the disk's ends as they were before the first write
    text: str  # as the surface program wrote it, with a checksum of its own


class CheckpointKept(Message, frozen=True, kw_only=True):
    seq: int  # of the one that is kept now


class CheckpointGiven(Message, frozen=True, kw_only=True):
    """What an earlier boot handed over for one component; empty text: nothing that could be gone on from."""

    attempt: int = 0
    seq: int = 0
    heads_sha256: str = ""
    heads: str = ""  # name of the artifact
    text: str = ""
    why_not: str = ""


# --- reporter -----------------------------------------------------------------------------------------------------


class Register(Message, frozen=True, kw_only=True):
    """A one-time registration code for a reporter's token. Bearer: the code."""

    hostname: str
    macs: tuple[str, ...] = ()
    smbios_uuid: str = ""
    version: str = ""


class Registered(Message, frozen=True, kw_only=True):
    host: str  # the record's name; orders name it too
    token: str = ""  # the reporter's, shown this once
    order_key: str = ""  # hex of the Ed25519 public key that signs orders


class ReporterBeat(Message, frozen=True, kw_only=True):
    boot_id: str
    version: str
    hostname: str = ""
    uptime_s: float = 0.0
    allowed: bool = False  # the file that lets us reboot this host is there; only its own administrator can make it
    obstacles: tuple[str, ...] = ()  # what speaks against a reboot now: guests that run, Ceph, quorum, HA …
    ways: tuple[str, ...] = ()  # how it can boot from the network once: efi, ipmi


class ReporterReply(Message, frozen=True, kw_only=True):
    cmd: str = "none"  # none | reboot_for_vetting
    run_id: int = 0
    order: str = ""  # the command signed, for this host, once, for five minutes (`domain.order`)


class ReporterRefusal(Message, frozen=True, kw_only=True):
    """An order was looked at and is not carried out."""

    run_id: int
    reasons: tuple[str, ...]


# --- operator -----------------------------------------------------------------------------------------------------


class HostEdit(Message, frozen=True, kw_only=True):
    name: str
    macs: tuple[str, ...] = ()
    note: str = ""
    spec: ExpectedSpec = msgspec.field(default_factory=ExpectedSpec)
    bmc: Bmc | None = None
    bmc_password: str | None = None  # None: as it was; never told again

    def __repr__(self) -> str:
        return f"HostEdit(name={self.name!r}, …)"


class HostView(Message, frozen=True, kw_only=True):
    id: int
    name: str
    macs: tuple[str, ...]
    note: str
    spec: ExpectedSpec
    reporter_age_s: float | None
    bmc: Bmc | None
    reporter_allowed: bool
    reporter_obstacles: tuple[str, ...]
    reporter_ways: tuple[str, ...]
    state: str  # of its newest run, empty without one
    last_run_id: int | None
    last_verdict: str


class PinLine(Message, frozen=True, kw_only=True):
    """One floor or ceiling that would be pinned, and the worst of the parts that it was made of."""

    key: str
    name: str
    bounds: str  # at least | at most
    limit: MeasuredLimit
    worst: float
    parts: int


class PinTarget(Message, frozen=True, kw_only=True):
    host: str
    changes: tuple[str, ...]
    left_out: int  # floors and ceilings of parts that this host is not known to have


class PinOffer(Message, frozen=True, kw_only=True):
    """What would be, or was, pinned of a run's measurements, and in whose specs."""

    host: str
    run_id: int
    profile: str
    virtual: str
    lines: tuple[PinLine, ...]
    hottest_c: float
    max_temp_c: float  # 0: nothing to pin
    firmware: int  # versions that the run found
    targets: tuple[PinTarget, ...]


class PinMeasured(Message, frozen=True, kw_only=True):
    """To pin what a run measured. `margin`: a share; without it each kind of figure gets the room that it needs."""

    run_id: int | None = None  # None: the host's last good run
    margin: float | None = None
    class_name: str = ""  # empty: this host alone
    firmware: bool = False
    keys: tuple[str, ...] | None = None  # None: all of it
    reason: str = ""


class PowerView(Message, frozen=True, kw_only=True):
    """What a host's management controller says."""

    host: str
    kind: str  # ipmi | redfish
    address: str
    on: bool


class TokenShown(Message, frozen=True, kw_only=True):
    """A new secret, shown this once."""

    token: str


class PersonView(Message, frozen=True, kw_only=True):
    """Somebody who signs in to the console."""

    name: str
    role: str  # viewer | operator
    disabled: bool
    created_at: float
    last_seen_at: float | None
    sessions: int  # browsers that are signed in


class NewPerson(Message, frozen=True, kw_only=True):
    name: str
    role: str
    password: str

    def __repr__(self) -> str:
        return f"NewPerson(name={self.name!r}, role={self.role!r})"


class NewPassword(Message, frozen=True, kw_only=True):
    password: str

    def __repr__(self) -> str:
        return "NewPassword()"


class PersonChange(Message, frozen=True, kw_only=True):
    """One of the two."""

    role: str | None = None
    disabled: bool | None = None


class NewToken(Message, frozen=True, kw_only=True):
    name: str
    role: str


class TokenView(Message, frozen=True, kw_only=True):
    """A token of a person or program, without what would open anything."""

    name: str
    role: str  # viewer | operator
    created_at: float
    used_at: float | None  # to the minute
    issued_by: str


class StartRun(Message, frozen=True, kw_only=True):
    host: str
    profile: str
    non_destructive: bool = False
    start_by: str = "reporter"  # reporter | wol | power | manual
    confirm_serials: tuple[
        str, ...
    ] = ()  # what the person saw and confirmed; must equal the disks that would be written
    cut_power: bool = False  # start_by=power: a host that is on loses its power, whatever runs there
    repair: Repair | None = (
        None  # what was replaced: the run proves it, tests it harder, and repeats what failed before
    )


class UnknownHostView(Message, frozen=True, kw_only=True):
    """A machine that asked to boot and is in no host's record. Its own words, but for times and address."""

    mac: str
    address: str
    source: str  # dhcp | script
    what: str  # architecture, product: what it told
    first_seen_at: float
    last_seen_at: float
    times: int


class RegistrationCode(Message, frozen=True, kw_only=True):
    """For one host's reporter, once, until it expires."""

    host: str
    code: str
    valid_s: float
    command: str  # the line to run on the host


class HoldKey(Message, frozen=True, kw_only=True):
    """The way into a held host. The private half is for the operator who asked, and never for a host."""

    run_id: int
    host: str
    user: str
    addresses: tuple[str, ...]
    private_key: str
    host_keys: tuple[str, ...]

    def __repr__(self) -> str:
        return f"HoldKey(run_id={self.run_id}, host={self.host!r}, …)"


class RestoreHeads(Message, frozen=True, kw_only=True):
    """A person puts the saved ends of a disk of a held host back."""

    serial: str
    reason: str = ""
    over_data: bool = False  # also where the wipe probe finds data on it now


class RestorePermit(Message, frozen=True, kw_only=True):
    """For this one disk, for a quarter of an hour; `vetting surface restore-heads` on the host takes it."""

    run_id: int
    host: str
    permit: str
    permit_key: str
    valid_s: float
    now_s: float  # the clock by which it is dated


class AttemptView(Message, frozen=True, kw_only=True):
    stage: str
    attempt: int
    verdict: str  # empty while it runs
    reason: str
    started_at: float
    ended_at: float | None
    planned_s: float
    progress: Progress = Progress()


class RunView(Message, frozen=True, kw_only=True):
    id: int
    host: str
    profile: str
    non_destructive: bool
    state: str
    failed_stage: str
    verdict: str  # in words; empty while it runs
    qualifiers: tuple[str, ...]  # what must stand beside the verdict
    created_at: float
    ended_at: float | None
    heartbeat_age_s: float | None
    attempts: tuple[AttemptView, ...] = ()
    report: str = ""
    start_by: str = ""
    reason: str = ""  # why it failed or was held
    held_at: tuple[str, ...] = ()  # addresses of a held host
    image: str = ""  # version of the live image that it was claimed from; empty outside
    enterable: bool = False  # its door is open: `vetting run ssh`
    repair: tuple[
        str, ...
    ] = ()  # of a run after a repair, in words: what was replaced and proved, and how sure that is


class ArtifactView(Message, frozen=True, kw_only=True):
    """A file of a run. `name` is the host's own word for it."""

    id: int
    stage: str
    attempt: int
    name: str
    media_type: str
    sha256: str
    size_bytes: int
    created_at: float


class RunStarted(Message, frozen=True, kw_only=True):
    """Answer to StartRun. `ticket` only for start_by=manual: the one-time boot ticket is shown once."""

    run_id: int
    state: str
    ticket: str = ""
    notes: tuple[str, ...] = ()  # what whoever started it should know


class Because(Message, frozen=True, kw_only=True):
    """Who and why, for cancel, retry, override and release; overrides must give a reason."""

    reason: str = ""
    flags: tuple[str, ...] = ()


def encode(message: object) -> bytes:
    """Compact JSON bytes of a message. Not-a-number is refused: it would turn into null."""
    return _ENCODER.encode(message)


def decode(raw: bytes | bytearray | memoryview, kind: type[T], *, strict: bool = False) -> T:
    """A message from JSON bytes. Raises BadInput with the path of the mistake.

    `strict` refuses unknown fields; without it they are listed by `unknown_fields`.
    """
    try:
        message = _decoder(kind).decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is not a valid {kind.__name__}: {error}") from error
    if strict and (extra := unknown_fields(raw, message)):
        raise BadInput(f"the body has unknown fields: {', '.join(extra)}")
    return message


def unknown_fields(raw: bytes | bytearray | memoryview, message: object) -> list[str]:
    """Paths of the fields in `raw` that the decoded message did not take up."""
    return sorted(_extra(msgspec.json.decode(raw), msgspec.to_builtins(message), "$"))


def _extra(sent: object, taken: object, path: str) -> list[str]:
    if isinstance(sent, dict) and isinstance(taken, dict):
        found = [f"{path}.{key}" for key in sent if key not in taken]
        return found + [x for key in sent if key in taken for x in _extra(sent[key], taken[key], f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(taken, list | tuple):
        pairs = zip(sent, taken, strict=False)
        return [x for number, (a, b) in enumerate(pairs) for x in _extra(a, b, f"{path}[{number}]")]
    return []


_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(kind)
    return _DECODERS[kind]
