"""One host in words and signs, as its tile or its row in the table shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vetting.domain.states import BEFORE_CLAIM, IN_STAGE, RunState
from vetting.domain.verdict import Word
from vetting.orchestrator.fleet import STEPS, Group, HostNow
from vetting.store.fleet import Last, Newest
from vetting.web import marks
from vetting.web.looks import round_duration, said
from vetting.web.marks import Shown

IDLE = Shown("○", "Idle", "calm")
RUNNING = Shown("▶", "Running", "note")
NOT_STARTED = Shown("✗", "Did not start", "bad")
MOST_CHIPS = 3
WORTH_TELLING_S = 5.0
LONGEST = 40  # characters of a chip
LONGEST_REASON = 180


@dataclass(frozen=True, slots=True)
class Tile:
    """`beat_at` alone changes with every heartbeat; two tiles that differ in nothing else look the same."""

    id: int
    name: str
    note: str
    run_id: int | None  # of the run that has the host, where it leads to
    mark: Shown
    tone: str  # held | failed | running | waiting | idle
    where: str
    step: int
    left: str
    reason: str
    chips: tuple[str, ...]
    verdict: Shown | None
    verdict_at: float | None
    remarks: tuple[str, ...]
    remark_count: int
    remark_tone: str
    all_remarks: str
    who: str
    silent: bool
    beat_at: float | None
    warm: str
    groups: str

    @property
    def looks(self) -> Tile:
        """The tile without its heartbeat, to be compared with another."""
        return replace(self, beat_at=None)


def tile_of(host: HostNow) -> Tile:
    run, last = host.run, host.row.last
    before = last if last is not None and (run is None or last.run_id != run.run_id) else None
    qualifiers = before.qualifiers if before is not None else ()
    return Tile(
        id=host.row.host_id,
        name=host.name,
        note=host.row.note,
        run_id=run.run_id if run is not None else None,
        mark=_mark(run),
        tone=_tone(run),
        where=_where(run, host.step),
        step=host.step,
        left=_left(host),
        reason=said(run.reason, LONGEST_REASON) if run is not None and _tone(run) in ("held", "failed") else "",
        chips=_chips(run),
        verdict=_verdict(before) if before is not None or run is None else None,
        verdict_at=before.ended_at if before is not None else None,
        remarks=in_short(qualifiers),
        remark_count=len(qualifiers),
        remark_tone=tone_of_remarks(before.word) if before is not None else "",
        all_remarks="; ".join(qualifiers),
        who=host.beat.who if host.beat.at is not None or host.row.registered_at else "",
        silent=host.beat.silent,
        beat_at=host.beat.at,
        warm=f"{host.hottest.celsius:.0f}\u00a0°C" if host.hottest is not None else "",
        groups=" ".join(sorted(host.groups)),
    )


def _mark(run: Newest | None) -> Shown:
    if run is None:
        return IDLE
    return RUNNING if run.state in IN_STAGE else marks.of_state(run.state)


def _tone(run: Newest | None) -> str:
    if run is None:
        return "idle"
    if run.state is RunState.FAILED_HOLDING:
        return "held"
    if run.state is RunState.FAILED:
        return "failed"
    return "waiting" if run.state in BEFORE_CLAIM else "running"


def _where(run: Newest | None, step: int) -> str:
    if run is None:
        return ""
    if not step:
        return "before the first stage"
    stage = run.failed_stage.partition(" (")[0] if run.failed_stage else run.stage
    words = f"{stage or run.stage}, {step} of {STEPS}"
    return f"{words}, attempt {run.attempt}" if run.attempt > 1 else words


def _left(host: HostNow) -> str:
    left = host.left
    if left is None or left.seconds < WORTH_TELLING_S:
        return ""
    return f"{'at least' if left.least else 'about'} {round_duration(left.seconds)}"


def _chips(run: Newest | None) -> tuple[str, ...]:
    if run is None:
        return ()
    return (run.profile, "non-destructive") if run.non_destructive else (run.profile,)


def _verdict(last: Last | None) -> Shown:
    if last is None:
        return marks.NONE
    return marks.of_verdict(last.word) if last.word else NOT_STARTED


def in_short(qualifiers: Sequence[str]) -> tuple[str, ...]:
    """What stands beside a verdict, in a few words each: a green must not look greener than it is."""
    short = list(dict.fromkeys(_short(one) for one in qualifiers))
    more = len(short) - MOST_CHIPS
    return (*short[:MOST_CHIPS], f"and {more} more") if more > 0 else tuple(short)


def tone_of_remarks(word: str) -> str:
    """What a vetted host's remarks tell bars nothing."""
    return "calm" if word == Word.VETTED else "warn"


def _short(remark: str) -> str:
    """The words before the reason: "shortened", "Storage overridden by ada"."""
    return said(remark.partition(": ")[0].removesuffix(" because"), LONGEST)


def words_of_counts(counts: dict[Group, int]) -> Iterable[tuple[str, str, int]]:
    """(value, words, how many) of each group, in the order in which they are offered."""
    return [(str(group), _GROUPS[group], counts.get(group, 0)) for group in Group]


_GROUPS = {
    Group.ALL: "All",
    Group.ATTENTION: "Needs attention",
    Group.RUNNING: "Running",
    Group.IDLE: "Idle",
    Group.NEVER: "Never vetted",
    Group.OFFLINE: "Offline",
}
