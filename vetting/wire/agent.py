"""What an agent and the orchestrator say to each other, under /api/agent/."""

from __future__ import annotations

import msgspec

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.image import LiveImage
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Finding, Outcome
from vetting.domain.profiles import Profile
from vetting.domain.thresholds import Threshold
from vetting.wire.message import HEARTBEAT_S, Message


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
