"""What led to the verdict, and what to do next: for a person who reads this at three in the morning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vetting.domain.verdict import Word
from vetting.report.model import (
    BreachShown,
    Coverage,
    DifferenceShown,
    FindingShown,
    Mark,
    RunShown,
    StageShown,
    Weight,
)

REASONS = 8
HELD = "FailedHolding"


def why(
    word: str,
    stages: Iterable[StageShown],
    coverage: Iterable[Coverage],
    breaches: Iterable[BreachShown],
    findings: Iterable[FindingShown],
    differences: Iterable[DifferenceShown],
) -> tuple[str, ...]:
    """What speaks against the host or the test, the weightiest first; empty for a run that has nothing against it."""
    if word == Word.VETTED:
        return ()
    said, known = [], set[str]()
    for where, text in _against(stages, coverage, breaches, findings, differences):
        if text not in known:
            known.add(text)
            said.append(f"{where}: {text}")
    more = len(said) - REASONS
    return (*said[:REASONS], *([f"and {more} more, below"] if more > 0 else []))


def _against(
    stages: Iterable[StageShown],
    coverage: Iterable[Coverage],
    breaches: Iterable[BreachShown],
    findings: Iterable[FindingShown],
    differences: Iterable[DifferenceShown],
) -> Iterator[tuple[str, str]]:
    """Where, and what."""
    for wanted in (Mark.FAIL, Mark.ERROR):
        for row in coverage:
            if row.mark is wanted and row.reason:
                yield f"{row.stage}, {row.name}", row.reason
    for one in breaches:
        if one.severity is Weight.CRITICAL:
            yield one.stage, one.text
    for difference in differences:
        if difference.severity is Weight.CRITICAL:
            yield "SpecValidate", difference.text
    for finding in findings:
        if finding.severity is Weight.CRITICAL:
            yield f"{finding.stage}, {finding.component}", finding.text
    for finding in findings:
        if (
            finding.source == "netconsole" and finding.severity is Weight.WARNING
        ):  # told, not judged: the host died by itself
            yield f"{finding.stage}, {finding.component}", finding.text
    for stage in stages:
        if stage.verdict in (Mark.FAIL, Mark.ERROR) and stage.reason:
            yield stage.name, stage.reason


def next_steps(word: str, run: RunShown, host: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Sentences that say what to do, in order."""
    return tuple(_steps(word, run, host, tuple(addresses)))


def _steps(word: str, run: RunShown, host: str, addresses: tuple[str, ...]) -> Iterator[str]:
    held = run.state == HELD
    where = f" at {', '.join(addresses)}" if addresses else ""
    match word:
        case Word.VETTED:
            yield f"{host} may carry virtual machines again. Keep this file with its papers."
        case Word.PASSED:
            yield f"Treat {host} as not yet proved: the remarks above say what was not tested, or not fully."
            yield (
                "For a full vetting start a run that they do not apply to, of profile quick or longer, and destructive "
                f"where the disks may be wiped: `vetting run start {host} --profile quick`."
            )
        case Word.FAILED:
            yield f"Do not put {host} into service. The parts named above were measured and came up short."
            if held:
                yield (
                    f"It is held, powered on, at an SSH prompt{where}: enter it with `vetting run ssh {run.id}`, then override, "
                    f"cancel or release run {run.id}."
                )
            yield f"Replace or reseat the part, then start a new run: `vetting run start {host} --profile {run.profile}`."
        case Word.ERROR:
            yield f"{host} is not accused: something was not measured. Mend what is named above on our side."
            if held:
                yield (
                    f"It is held{where}: `vetting run ssh {run.id}` enters it, `vetting run retry {run.id}` tries the stage again, "
                    f"`vetting run cancel {run.id}` sends it to its own disk."
                )
            else:
                yield f"Then start a new run: `vetting run start {host} --profile {run.profile}`."
        case Word.LOST:
            yield f"{host} stopped answering. Look at its console, power and network, and at the BMC's event log."
            yield f"A host that dies under load has failed: find out why before `vetting run start {host}` again."
        case Word.CANCELLED:
            yield f"Nothing was proved. Start a new run when it suits: `vetting run start {host} --profile {run.profile}`."
        case _:
            yield f"The run is not over: `vetting run watch {run.id}` follows it. Do not judge {host} by this report."
