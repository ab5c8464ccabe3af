"""Everything that a report shows, as frozen values of its own.

Times are seconds since the Unix epoch (`*_at`) or durations in seconds (`*_s`). A number that was not a number, or was
infinite, is None, and the text or flag beside it says so: no report ever carries NaN. Texts have been through
`vetting.report.text.cleaned`: bounded, with control and direction characters made visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FORMAT = 1  # of report.json; grows when a field changes its meaning or goes


class Mark(StrEnum):
    """How a stage, an attempt or a part of the host ended; MISSING: never reported, RUNNING: has not ended."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"
    SKIP = "SKIP"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"
    MISSING = "MISSING"
    RUNNING = "RUNNING"


class Weight(StrEnum):
    """Severity of a difference, breach or finding."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictShown:
    word: str  # vetted | passed, not vetted | failed | error | cancelled | incomplete | lost
    sentence: str
    qualifiers: tuple[str, ...]  # everything that must stand beside the word
    why: tuple[str, ...]  # what led to it, the weightiest first
    next_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A labelled line: identity, versions, settings."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostShown:
    name: str
    note: str
    identity: tuple[Fact, ...]  # as the host told it at Inventory
    parts: tuple[Fact, ...]  # what it consists of
    hold_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShown:
    id: int
    profile: str
    shortfalls: tuple[str, ...]  # in which ways the profile is less than quick
    non_destructive: bool
    start_by: str
    requested_by: str
    state: str
    failed_stage: str
    reason: str
    created_at: float
    started_at: float | None  # the agent claimed it
    tested_until_at: float | None  # the last stage before Reporting was over, or the run was
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkShown:
    """Work done of work present; `percent` is rounded down to a tenth, so that 100 means all of it."""

    what: str
    done: float | None
    of: float | None
    unit: str
    percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One part of the host in one stage. `tested`: work was carried out on it, whatever came of it."""

    stage: str
    component: str
    name: str  # what a person would call it
    mark: Mark
    tested: bool
    attempt: int  # 0: none
    work: tuple[WorkShown, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolShown:
    """One program that was run. Times are seconds of the host's monotonic clock."""

    argv: tuple[str, ...]
    command: str  # argv quoted as a shell would take it
    version: str
    ended: str  # how, in words
    exit_code: int | None
    signal: int | None
    timed_out: bool
    started_s: float | None
    elapsed_s: float | None
    excerpt: str  # last lines of the output
    output: str  # artifact name of the whole output, empty where there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterShown:
    """A counter before and after an attempt; None could not be read, which is unknown and never zero."""

    stage: str
    attempt: int
    component: str
    name: str
    before: float | None
    after: float | None
    delta: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptShown:
    attempt: int
    mark: Mark
    posted: Mark | None  # what the agent said, where it was not believed
    reason: str
    objections: tuple[str, ...]
    flags: tuple[str, ...]  # override flags it was begun with
    boot_id: str
    started_at: float
    ended_at: float | None
    our_s: float | None  # how long it lasted by the orchestrator's clock
    host_s: float | None  # and by the host's
    planned_s: float
    tools: tuple[ToolShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageShown:
    """A stage and all attempts at it; `verdict` and `reason` are those of the newest attempt."""

    name: str
    verdict: Mark
    reason: str
    attempts: tuple[AttemptShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateShown:
    """A result that nobody waited for: kept, never counted."""

    at: float
    stage: str
    attempt: int
    mark: Mark
    boot_id: str
    why: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdShown:
    series: str  # a glob over series names
    op: str
    limit: float | None
    severity: Weight
    hold_samples: int
    stages: tuple[str, ...]  # empty: every stage
    required: bool
    heard: int  # series that it covers and that arrived
    breaches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachShown:
    stage: str
    attempt: int
    series: str
    op: str
    limit: float | None
    severity: Weight
    first_at: float
    last_at: float
    worst: float | None  # None: it was not a number
    samples: int
    open: bool  # it was still going on when the records end
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingShown:
    stage: str
    attempt: int
    at: float
    severity: Weight
    component: str
    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceShown:
    attempt: int  # at SpecValidate
    kind: str  # spec | firmware | last good run | repair
    severity: Weight
    component: str
    field: str
    expected: str
    found: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareShown:
    component: str
    identifier: str
    version: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementShown:
    stage: str
    attempt: int
    series: str
    component: str
    value: float | None  # None: it was not a number
    unit: str
    kind: str


Point = tuple[int, float | None, float | None, float | None]
"""Start of a stretch in ms after the curves' begin, then low, high and mean of it; None: every sample was no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One live series over the whole run: lowest, highest and mean of each stretch, so that no peak is lost."""

    name: str
    unit: str
    samples: int
    not_numbers: int
    low: float | None
    high: float | None
    mean: float | None
    first_at: float
    last_at: float
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """All series on one axis of time."""

    begin_at: float
    end_at: float
    stretch_s: float
    series: tuple[Curve, ...]

    @property
    def samples(self) -> int:
        return sum(curve.samples for curve in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactShown:
    stage: str
    attempt: int
    name: str
    media_type: str
    sha256: str
    size_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionShown:
    at: float
    from_state: str  # empty: the run was created
    event: str
    to_state: str
    who: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideShown:
    """A person's decision to go on, printed on every report of the run."""

    at: float
    stage: str
    who: str
    why: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditShown:
    at: float
    who: str
    what: str
    target: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageShown:
    """The live image that the host was tested in."""

    version: str
    kernel: str
    packages: tuple[Fact, ...]  # name and version of every one


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWordsShown:
    """What the host's kernel sent by UDP before it died, oldest first. Nobody signed it: told, and not judged."""

    stage: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedShown:
    """A part that a person named as replaced. `proof`: proved | not replaced | cannot be proved | could not be read | not looked
    at yet."""

    kind: str
    name: str
    slot: str
    old: str
    new: str
    note: str
    proof: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideShown:
    """Something else that changed, moved, or that the repair explains."""

    severity: Weight
    component: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedShown:
    knob: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedShown:
    """The test that failed before the repair, and how often it has passed since. Confidences from 0 to 1."""

    stage: str
    run_id: int  # of the newest failure
    reason: str
    failures: int
    attempts: int
    load_s: float  # of all those attempts together
    asked: float
    passes: int
    clean_s: float  # under load without a failure since the repair
    reached: float
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairShown:
    """A run after a repair. `words`: how sure it is, and why, in sentences."""

    parts: tuple[ReplacedShown, ...]
    compared: str  # with which run
    beside: tuple[BesideShown, ...]
    raised: tuple[RaisedShown, ...]
    repeated: RepeatedShown | None  # None: nothing had failed
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run. `records_as_of_at`: nothing younger than this is in it."""

    format: int
    records_as_of_at: float
    verdict: VerdictShown
    host: HostShown
    run: RunShown
    coverage: tuple[Coverage, ...]
    stages: tuple[StageShown, ...]
    late: tuple[LateShown, ...]
    thresholds: tuple[ThresholdShown, ...]
    breaches: tuple[BreachShown, ...]
    findings: tuple[FindingShown, ...]
    last_words: tuple[LastWordsShown, ...]
    differences: tuple[DifferenceShown, ...]
    firmware: tuple[FirmwareShown, ...]
    counters: tuple[CounterShown, ...]
    measurements: tuple[MeasurementShown, ...]
    curves: Curves | None  # None: no series ever arrived
    artifacts: tuple[ArtifactShown, ...]
    transitions: tuple[TransitionShown, ...]
    overrides: tuple[OverrideShown, ...]
    audit: tuple[AuditShown, ...]
    profile: tuple[Fact, ...]  # the knobs as they were seeded at the start
    image: ImageShown | None  # None: the agent ran outside the live image
    tools: tuple[Fact, ...]  # every program that a stage ran, with its version
    versions: tuple[Fact, ...]
    repair: RepairShown | None = None  # None: nobody said that anything was replaced
