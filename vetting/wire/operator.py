"""What people's programs and the orchestrator say to each other: the command line and whoever uses the API."""

from __future__ import annotations

import msgspec

from vetting.domain.bmc import Bmc
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.repair import Repair
from vetting.wire.agent import Progress
from vetting.wire.message import Message


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
