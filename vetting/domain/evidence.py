"""What a pass must prove before the orchestrator believes it.

The host says PASS; the orchestrator holds that against its own clock, heartbeats, boot id, series, artifacts and the
ledger of what was promised. Each disagreement is an objection that says whose fault it is: one of the host's makes the
stage FAIL, otherwise ours makes it ERROR. Nothing here can turn anything into a PASS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from vetting.domain.ambient import LIMITS_OF, judge_counters
from vetting.domain.coverage import SLACK_S, covered, tools_shown
from vetting.domain.ledger import missing
from vetting.domain.limits import applies, covers, unheard
from vetting.domain.outcome import ArtifactRef, Finding, Outcome, Severity, Verdict
from vetting.domain.profiles import Unobserved
from vetting.domain.promise import Plan, cell_skip_refused, skip_refused

__all__ = ["Objection", "Plan", "Witness", "believe", "declared", "objections"]

LISTEN_S = 15.0  # thermals come every 5 s and are sent every 2 s: in a shorter stretch silence means nothing
SENSOR_S = 5.0
LEAST_HEARD = 0.5  # of the samples that a sensor should have sent in the time that we listened
LOADED = frozenset({"CPUStress", "Burn", "GPU"})  # stages whose heat must be seen
ORCHESTRATOR_FASTER_S = 5.0  # an attempt is opened here before the host begins: its clock cannot have run longer
CLOCK_DRIFT = 0.01

Fault = Literal["host", "us"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why a pass is not believed. `fault`: "host" asks for FAIL, "us" for ERROR."""

    fault: Fault
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What the orchestrator itself saw of the attempt. Times are seconds of one clock of its own that does not step."""

    opened_at: float
    received_at: float
    claimed_boot_id: str
    posting_boot_id: str
    longest_silence_s: float  # between heartbeats, from the opening to the result; our own absences taken out
    silence_limit_s: float
    listened_s: float | None = None  # how long we were there to hear series; None: the whole attempt
    series: Mapping[str, int] = field(default_factory=dict)  # samples heard in the attempt, by series
    artifacts: Mapping[str, ArtifactRef] = field(default_factory=dict)  # received and stored, by name
    breaches: tuple[str, ...] = ()  # critical ones of the attempt, open or closed, in words
    findings: tuple[Finding, ...] = ()  # of the attempt, from the kernel log and the watchdog

    @property
    def elapsed_s(self) -> float:
        return self.received_at - self.opened_at


def objections(outcome: Outcome, plan: Plan, witness: Witness) -> tuple[Objection, ...]:
    """Everything that speaks against a PASS or SKIP; empty for one that is believed, and for what claims neither."""
    if not outcome.passed:
        return ()
    found = [
        *_boot(witness),
        *_artifacts(outcome, witness),
        *_accusations(outcome, plan, witness),
        *_cells(outcome, plan),
    ]
    if outcome.verdict is Verdict.SKIP:
        found += _us([f"{plan.stage} may not be skipped: {why}"] if (why := skip_refused(plan)) else [])
        return tuple(found)
    found += _time(outcome, plan, witness)
    found += _us(_series(plan, witness))
    found += _us(f"no result for {name}: promised and missing" for name in missing(outcome.cells, plan.components))
    parts = covered(plan.stage, outcome.cells, profile=plan.profile, inventory=plan.inventory, disks=plan.disks)
    found += _us(parts)
    if not (plan.stage == "Storage" and plan.non_destructive):
        found += _us(tools_shown(plan.stage, outcome, plan.profile, plan.inventory))
    return tuple(found)


def believe(outcome: Outcome, plan: Plan, witness: Witness) -> tuple[Outcome, tuple[Objection, ...]]:
    """The outcome as it is to be recorded, and why it is not as posted."""
    against = objections(outcome, plan, witness)
    if not against:
        return outcome, ()
    accused = [one.text for one in against if one.fault == "host"]
    verdict = Verdict.FAIL if accused else Verdict.ERROR
    reason = "; ".join(accused or [one.text for one in against])
    return outcome.but(verdict=verdict, reason=f"{outcome.verdict} not believed: {reason}"), against


def declared(plan: Plan, witness: Witness) -> tuple[str, ...]:
    """What this attempt could not observe and its profile only asks to be told: to print beside the verdict."""
    return tuple(_unobserved(plan, witness)) if plan.profile.unobserved is Unobserved.DECLARE else ()


def _us(texts: Iterable[str]) -> list[Objection]:
    return [Objection(fault="us", text=text) for text in texts]


def _host(texts: Iterable[str]) -> list[Objection]:
    return [Objection(fault="host", text=text) for text in texts]


def _boot(witness: Witness) -> list[Objection]:
    if not witness.claimed_boot_id or not witness.posting_boot_id:
        return _us(["the boot of the host is not known"])
    if witness.claimed_boot_id != witness.posting_boot_id:
        return _host(["the result comes from another boot than the claim: the host rebooted in between"])
    return []


def _time(outcome: Outcome, plan: Plan, witness: Witness) -> list[Objection]:
    least_s = plan.planned_s - SLACK_S
    texts: list[str] = []
    for whose, elapsed_s in (("the host's clock", outcome.elapsed_s), ("our clock", witness.elapsed_s)):
        if not (isfinite(elapsed_s) and elapsed_s >= max(least_s, 0.0)):
            texts.append(f"it lasted {elapsed_s:.1f} s by {whose}, planned were {plan.planned_s:.0f} s")
    allowed_s = witness.elapsed_s * (1 + CLOCK_DRIFT) + ORCHESTRATOR_FASTER_S
    if not outcome.elapsed_s <= allowed_s:
        texts.append(f"the host counted {outcome.elapsed_s:.0f} s while {witness.elapsed_s:.0f} s went by here")
    if not witness.longest_silence_s <= witness.silence_limit_s:
        limit = witness.silence_limit_s
        texts.append(f"heartbeats stopped for {witness.longest_silence_s:.0f} s, the limit is {limit:.0f} s")
    return _us(texts)


def _artifacts(outcome: Outcome, witness: Witness) -> list[Objection]:
    texts: list[str] = []
    for promised in outcome.artifacts:
        got = witness.artifacts.get(promised.name)
        if got is None:
            texts.append(f"the artifact {promised.name} was promised and never came")
        elif not promised.sha256 or (got.sha256, got.size_bytes) != (promised.sha256, promised.size_bytes):
            texts.append(f"the artifact {promised.name} that came is not the one that was promised")
    names = {promised.name for promised in outcome.artifacts}
    texts += [
        f"the output of {tool.argv[0] if tool.argv else 'a program'} ({tool.output}) is not among the artifacts"
        for tool in outcome.tools
        if tool.output and tool.output not in names and tool.output not in witness.artifacts
    ]
    return _us(texts)


def _accusations(outcome: Outcome, plan: Plan, witness: Witness) -> list[Objection]:
    """What was seen beside the stage's own judgement: breaches, critical findings, counters that grew."""
    findings = dict.fromkeys(
        f"{one.component}: {one.text}"
        for one in (*witness.findings, *outcome.findings)
        if one.severity is Severity.CRITICAL
    )
    judged = judge_counters(outcome.counters, limits=LIMITS_OF.get(plan.stage), inventory=plan.inventory)
    found = _host(f"limit broken: {text}" for text in witness.breaches) + _host(findings)
    if judged.verdict is Verdict.FAIL:
        found += _host([judged.reason])
    elif judged.verdict is Verdict.ERROR:
        found += _us([judged.reason])
    return found


def _cells(outcome: Outcome, plan: Plan) -> list[Objection]:
    found: list[Objection] = []
    for cell in outcome.cells:
        if cell.verdict is Verdict.FAIL:
            found += _host([f"{cell.component} failed: {cell.reason}"])
        elif cell.verdict is Verdict.SKIP:
            if why := cell_skip_refused(cell, plan):
                found += _us([f"{cell.component} may not be skipped: {why}"])
        elif cell.verdict is not Verdict.PASS:
            found += _us([f"{cell.component} is {cell.verdict}: {cell.reason or 'no reason given'}"])
    return found


def _series(plan: Plan, witness: Witness) -> list[str]:
    return (
        list(_unobserved(plan, witness))
        if plan.profile.unobserved is not Unobserved.DECLARE
        else _silent(plan, witness)
    )


def _listened_s(witness: Witness) -> float:
    return witness.elapsed_s if witness.listened_s is None else witness.listened_s


def _silent(plan: Plan, witness: Witness) -> list[str]:
    """Temperature sensors that this host's kernel shows and that did not speak. No profile excuses them."""
    listened_s = _listened_s(witness)
    if plan.inventory is None or listened_s < LISTEN_S:
        return []
    # The agent's thermals come from hwmon; the BMC is asked by the PSU stage alone, for asking it is slow.
    known = [one.series for one in plan.inventory.sensors if one.series.startswith("temp.") and one.source != "bmc"]
    least = listened_s / SENSOR_S * LEAST_HEARD
    mute = [name for name in known if not witness.series.get(name, 0) > 0]
    texts = [f"the sensor {name} did not speak during the stage" for name in mute]
    if known and not mute and not max(witness.series.get(name, 0) for name in known) >= least:
        texts.append(f"thermals stopped: fewer than {least:.0f} samples of each sensor in {listened_s:.0f} s")
    return texts


def _unobserved(plan: Plan, witness: Witness) -> Iterator[str]:
    """As _silent, with what this host cannot tell at all: no sensor, no series for a required threshold."""
    yield from _silent(plan, witness)
    if _listened_s(witness) < LISTEN_S:
        return
    heard = [name for name, count in witness.series.items() if count > 0]
    no_heat = plan.stage in LOADED and not any(name.startswith("temp.") for name in heard)
    if no_heat:
        yield "no temperature was observed during the load"
    for row in unheard((one for one in plan.thresholds if applies(one, plan.stage)), heard):
        if not (no_heat and covers(row, "temp.any")):
            yield f"no series arrived for the threshold {row.series} {row.op} {row.limit:g}"
