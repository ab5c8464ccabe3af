"""What the store hands out: frozen values, one class a table. Field names and units are those of `vetting.store.models`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from vetting import wire
from vetting.domain.bmc import Bmc
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.image import LiveImage
from vetting.domain.outcome import Outcome, Severity, Verdict, Work
from vetting.domain.profiles import Profile
from vetting.domain.repairorder import RepairOrder
from vetting.domain.repairproof import Proved
from vetting.domain.states import RunState
from vetting.domain.thresholds import Op

R = TypeVar("R")


def row(kind: type[R], record: object) -> R:
    """The frozen row of a table's record: fields are taken by name."""
    return kind(**{part.name: getattr(record, part.name) for part in fields(kind)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    id: int
    name: str
    macs: tuple[str, ...]
    note: str
    spec: ExpectedSpec
    identity: Identity | None  # None: not yet learned
    identity_source: str  # "", learned, pinned
    reporter_token_hash: str
    reporter_boot_id: str
    reporter_version: str
    reporter_seen_at: float | None
    reporter_allowed: bool  # its own administrator lets us reboot it
    reporter_obstacles: tuple[str, ...]  # what spoke against a reboot when it was last heard
    reporter_ways: tuple[str, ...]  # efi, ipmi
    bmc: Bmc | None
    bmc_password: str = field(repr=False)
    registered_at: float | None
    created_at: float
    removed_at: float  # 0: still with us


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run is created with: everything seeded, so that later edits of host or profile do not touch it."""

    host_id: int
    host_name: str
    profile: Profile
    non_destructive: bool
    start_by: str  # reporter | wol | power | manual
    requested_by: str
    spec: ExpectedSpec
    expected_disks: tuple[ExpectedDisk, ...]
    shortfalls: tuple[str, ...] = ()
    scaled: dict[str, Any] = field(default_factory=dict)
    cut_power: bool = False
    ticket_hash: str = ""
    ticket_expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    id: int
    host_id: int
    host_name: str
    profile_name: str
    profile: Profile
    non_destructive: bool
    start_by: str
    requested_by: str
    state: RunState
    stage: str  # current stage, empty before the claim
    failed_stage: str  # a stage's name, "dispatch", or "<got> (expected <expected>)"
    held_from: RunState | None
    reason: str  # why it failed or was held, in words
    verdict: str  # in words, empty while it runs
    verdict_detail: dict[str, Any]
    created_at: float
    started_at: float | None
    ended_at: float | None
    boot_id: str  # kernel boot that claimed
    token_hash: str
    token_incarnation: int
    ticket_hash: str
    ticket_expires_at: float | None
    ticket_used_at: float | None
    iperf_port: int
    heartbeat_at: float | None
    heartbeat: wire.Heartbeat | None
    command: wire.Command | None  # pending until the agent's own words show that it did it
    hold_addresses: tuple[str, ...]
    hold_public_key: str
    hold_private_key: str = field(repr=False)
    hold_host_keys: tuple[str, ...]  # public keys of the held host's SSH server
    peer: str  # the address that the claim came from
    image: LiveImage | None  # what the live image carries; None outside one
    sel_record_id: int | None  # newest record of the BMC's event log when it was last looked at
    cut_power: bool  # start_by=power may switch off a host that is on
    spec: ExpectedSpec
    expected_disks: tuple[ExpectedDisk, ...]
    shortfalls: tuple[str, ...]
    scaled: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRow:
    """`proved`: None until SpecValidate looked."""

    run_id: int
    ordered: RepairOrder
    proved: Proved | None


@dataclass(frozen=True, slots=True)
class PeerRow:
    """Whom an address belongs to."""

    run_id: int
    peer: str
    state: RunState
    stage: str
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRow:
    id: int
    run_id: int
    at: float
    from_state: RunState | None  # None: the run was created
    event: str
    to_state: RunState
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt at a stage. Its outcome is fetched by itself (`attempts.outcome_of`), for it can be large."""

    id: int
    run_id: int
    stage: str
    attempt: int
    verdict: Verdict | None  # None while it runs
    reason: str
    posted_verdict: Verdict | None  # what the agent said, where it was not believed
    objections: tuple[str, ...]
    flags: tuple[str, ...]  # override flags it was begun with
    boot_id: str
    started_at: float
    ended_at: float | None
    host_started_s: float | None
    host_ended_s: float | None
    planned_s: float
    deadline_s: float
    answer: wire.ResultReply | None  # what was answered; a repeated result gets it again
    posted_digest: str  # of the result that got this answer, hex SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class LateResultRow:
    id: int
    run_id: int
    at: float
    stage: str
    attempt: int
    boot_id: str
    why: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRow:
    run_id: int
    stage: str
    attempt: int
    component: str
    verdict: Verdict
    reason: str
    work: tuple[Work, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    number: int
    name: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStats:
    """One series in a window. `low`, `high` and `mean` leave out not-a-number; all are None where nothing else came."""

    name: str
    unit: str
    count: int  # samples, not-a-number included
    not_numbers: int
    low: float | None
    high: float | None
    mean: float | None
    first_ms: int
    last_ms: int
    longest_gap_ms: int  # between two samples in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A stretch of one series, [t0_ms, t1_ms). `low`, `high`, `mean` are None where every sample was not a number."""

    t0_ms: int
    t1_ms: int
    low: float | None
    high: float | None
    mean: float | None
    count: int
    not_numbers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRow:
    id: int
    run_id: int
    stage: str
    attempt: int
    series: str
    component: str
    value: float  # nan where it was not a number
    unit: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRow:
    """The last good run of a host, in one stage: what is compared -> part -> value."""

    host_id: int
    run_id: int
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    run_id: int
    stage: str
    component: str
    attempt: int
    seq: int
    boot_id: str
    heads_sha256: str
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    id: int
    run_id: int
    stage: str
    attempt: int
    name: str  # what the host called it: never a path
    media_type: str
    sha256: str
    size_bytes: int
    path: str  # made by us, relative to the data directory
    complete: bool
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    run_id: int
    attempt: int
    kind: str  # spec | firmware | last good run | repair
    severity: Severity
    component: str
    field: str
    expected: str
    found: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachRow:
    id: int
    run_id: int
    stage: str
    attempt: int
    series: str
    op: Op
    limit: float
    severity: Severity
    first_at: float
    last_at: float
    worst: float  # nan where it was not a number
    samples: int
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    id: int
    run_id: int
    stage: str
    attempt: int
    at: float
    severity: Severity
    component: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    id: int
    run_id: int
    stage: str
    at_ms: int
    level: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    id: int
    at: float
    who: str
    what: str
    target: str
    why: str
    run_id: int | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    id: int
    event: str
    run_id: int | None
    payload: dict[str, Any]
    channel: str
    state: str  # pending | sent | dead
    tries: int
    next_at: float
    created_at: float
    sent_at: float | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTokenRow:
    id: int
    name: str
    role: str  # viewer | operator
    created_at: float
    used_at: float | None
    issued_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    id: int
    name: str
    key: str
    role: str  # viewer | operator
    password: str = field(repr=False)
    disabled: bool
    created_at: float
    created_by: str
    last_seen_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    id: int
    user_id: int
    secret_hash: str = field(repr=False)
    peer: str
    created_at: float
    seen_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownHostRow:
    id: int
    mac: str
    address: str
    source: str  # dhcp | script
    what: str
    first_seen_at: float
    last_seen_at: float
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRow:
    id: int
    host_id: int
    code_hash: str
    issued_by: str
    created_at: float
    expires_at: float
    used_at: float | None
    used_from: str
