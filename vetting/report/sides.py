"""One side of a comparison: what of a report is held against the other's, each thing by a name that both have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vetting.report.model import Coverage, Fact, Mark, Report

SAYS_NOTHING = ("h",)  # hours of use grow whatever a host does
OPEN = ("incomplete",)


def cautions(before: Report, after: Report) -> Iterator[str]:
    """Why figures of these two may not compare, the weightiest first."""
    if before.host.name != after.host.name:
        yield f"these are two hosts, {before.host.name} and {after.host.name}: most of what differs is that"
    for which in (before, after):
        run = which.run
        if which.verdict.word in OPEN:
            yield f"run {run.id} is not over ({run.state}): what is missing may still come"
        elif which.verdict.word not in ("vetted", "passed, not vetted"):
            yield f"run {run.id} did not pass ({which.verdict.word}): its figures may be those of a fault"
    if before.run.profile != after.run.profile:
        yield f"different profiles, {before.run.profile} and {after.run.profile}: figures and durations do not compare"
    elif before.profile != after.profile:
        changed = ", ".join(sorted({label for label, _ in _knobs(before) ^ _knobs(after)}))
        yield f"the profile {after.run.profile} had other settings then ({changed}): figures may not compare"
    if before.run.non_destructive != after.run.non_destructive:
        which = before if before.run.non_destructive else after
        yield f"run {which.run.id} was non-destructive: no disk was written in it, so the figures of disks do not compare"
    for which in (before, after):
        if which.run.shortfalls:
            yield f"run {which.run.id} was shorter or less than quick: {'; '.join(which.run.shortfalls)}"


def _knobs(report: Report) -> set[tuple[str, str]]:
    return {(fact.label, fact.value) for fact in report.profile}


def figures(report: Report) -> dict[str, tuple[str, float | None]]:
    """Measurements of the newest attempt and the live series: name -> (unit, value)."""
    found: dict[str, tuple[str, float | None]] = {}
    curves = report.curves.series if report.curves else ()
    if hottest := [one.high for one in curves if one.name.startswith("temp.") and one.high is not None]:
        found["highest temperature of all"] = ("C", max(hottest))
    for one in sorted(report.measurements, key=lambda one: one.attempt):
        if one.unit not in SAYS_NOTHING:
            found[f"{one.series}, {one.stage}"] = (one.unit, one.value)
    for curve in curves:
        if curve.name.startswith("temp."):
            found[f"{curve.name}, highest"] = (curve.unit or "C", curve.high)
        else:
            found[f"{curve.name}, mean"] = (curve.unit, curve.mean)
    return found


def growth(report: Report) -> dict[str, float | None]:
    """By how much each counter grew in the whole run; None where a reading is missing, which is unknown."""
    found: dict[str, float | None] = {}
    for one in report.counters:
        name = f"{one.component} {one.name}"
        known = found.get(name, 0.0)
        found[name] = None if one.delta is None or known is None else known + float(one.delta)
    return found


def unreached(report: Report) -> set[str]:
    """Stages that this run never came to."""
    return {stage.name for stage in report.stages if stage.verdict is Mark.MISSING}


def least_share(row: Coverage) -> float:
    """The smallest share of its work that was done, in percent; 100 where there was no work to count."""
    return min((part.percent for part in row.work if part.percent is not None), default=100.0)


def facts(report: Report) -> dict[str, str]:
    """Identity and parts, and what tested them."""
    image = report.image
    tested_by = (
        Fact(label="Live image", value=image.version if image else "none"),
        Fact(label="Live image's kernel", value=(image.kernel or "not told") if image else "none"),
        *(Fact(label=f"Program {one.label}", value=one.value) for one in report.tools),
        *(Fact(label=f"Orchestrator's {one.label}", value=one.value) for one in report.versions),
    )
    return dict(_numbered((*report.host.identity, *report.host.parts, *tested_by)))


def firmware(report: Report) -> dict[str, str]:
    return dict(
        _numbered(Fact(label=f"{one.component} {one.identifier}".strip(), value=one.version) for one in report.firmware)
    )


def _numbered(told: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """Labels that stand there twice, as two GPUs' do, get a number."""
    seen: dict[str, int] = {}
    for fact in told:
        seen[fact.label] = count = seen.get(fact.label, 0) + 1
        yield (f"{fact.label} ({count})" if count > 1 else fact.label), fact.value


def durations(report: Report) -> dict[str, float]:
    """Seconds that the newest attempt at each stage took, and the whole run."""
    run, found = report.run, dict[str, float]()
    if run.started_at is not None and run.tested_until_at is not None:
        found["The whole run"] = run.tested_until_at - run.started_at
    for stage in report.stages:
        lasted = stage.attempts[-1].our_s if stage.attempts else None
        if lasted is not None:
            found[stage.name] = lasted
    return found
