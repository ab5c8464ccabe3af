"""What a report says, piece by piece, and whether that is what should have been said: pure, on the report as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.campaign.fault import Caught

ACCUSING = ("warning", "critical")
CALM = ("PASS", "SKIP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One thing that was said of an attempt. `at`: seconds since the epoch, 0 where only the attempt's end is known."""

    stage: str
    attempt: int
    component: str
    text: str
    at: float = 0.0
    severity: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.component}: {self.text}" if self.component and self.component not in self.text else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    stage: str
    verdict: str
    words: str
    at: float  # seconds since the epoch
    began_at: float  # of the stage


def pieces(report: dict[str, Any]) -> Iterator[Piece]:
    """The most telling first: what names a component, then what a stage says of itself."""
    for one in report["findings"]:
        yield Piece(
            stage=one["stage"], attempt=one["attempt"], component=one["component"], text=one["text"], at=one["at"],
            severity=one["severity"],
        )  # fmt: skip
    for one in report["differences"]:
        yield Piece(
            stage="SpecValidate",
            attempt=one["attempt"],
            component=one["component"],
            text=one["text"],
            severity=one["severity"],
        )
    for one in report["breaches"]:
        yield Piece(
            stage=one["stage"], attempt=one["attempt"], component=one["series"], text=one["text"], at=one["first_at"],
            severity=one["severity"],
        )  # fmt: skip
    for one in report["coverage"]:
        if one["attempt"] and one["mark"] not in CALM and one["reason"]:
            yield Piece(stage=one["stage"], attempt=one["attempt"], component=one["component"], text=one["reason"])
    for stage in report["stages"]:
        for attempt in stage["attempts"]:
            for objection in attempt["objections"]:
                yield Piece(stage=stage["name"], attempt=attempt["attempt"], component="", text=objection)
            if attempt["reason"]:
                yield Piece(stage=stage["name"], attempt=attempt["attempt"], component="", text=attempt["reason"])
    run = report["run"]
    if run["failed_stage"] and run["reason"]:
        yield Piece(stage=run["failed_stage"], attempt=0, component="", text=run["reason"])


def caught(report: dict[str, Any], expect: Caught) -> Catch | None:
    """The catch as it should be; None where the right words were not said by the right stage with the right verdict."""
    stages = (expect.stage, *expect.or_stages)
    for stage, attempt in attempts(report):
        if stage not in stages or attempt["mark"] not in expect.verdicts:
            continue
        for piece in pieces(report):
            if piece.stage != stage or piece.attempt not in (0, attempt["attempt"]):
                continue
            if _says(expect, piece.sentence):
                return Catch(
                    stage=stage, verdict=attempt["mark"], words=piece.sentence, at=piece.at or attempt["ended_at"] or 0.0,
                    began_at=attempt["started_at"],
                )  # fmt: skip
    return None


def _says(expect: Caught, sentence: str) -> bool:
    return all(re.search(wanted, sentence, re.IGNORECASE | re.DOTALL) for wanted in (expect.component, expect.words))


def attempts(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for stage in report["stages"]:
        for attempt in stage["attempts"]:
            yield stage["name"], attempt


def said_instead(report: dict[str, Any], *, most: int = 8) -> tuple[str, ...]:
    """For a miss: how the run ended, and everything that was said."""
    run = report["run"]
    ended = f"the run is {run['state']} {run['failed_stage']}".strip()
    verdicts = ", ".join(f"{stage} {attempt['mark']}" for stage, attempt in attempts(report))
    said = dict.fromkeys(f"{piece.stage}: {piece.sentence}" for piece in pieces(report))
    return (ended, verdicts, *list(said)[:most])


def false_alarms(report: dict[str, Any], true_warnings: Sequence[str]) -> tuple[str, ...]:
    """Whatever accuses a healthy host: an attempt that did not pass, or a warning that is not true of it."""
    alarms = [
        f"{stage} {attempt['mark']}: {attempt['reason'] or '; '.join(attempt['objections'])}"
        for stage, attempt in attempts(report)
        if attempt["mark"] not in CALM
    ]
    alarms += [
        f"{piece.stage}: {piece.sentence}"
        for piece in pieces(report)
        if piece.severity in ACCUSING and not _is_true(true_warnings, piece.sentence)
    ]
    if report["run"]["state"] != "Completed":
        alarms.append(f"the run is {report['run']['state']} instead of Completed: {report['run']['reason']}")
    return tuple(dict.fromkeys(alarms))


def unmeasured(report: dict[str, Any]) -> bool:
    """Whether all that went wrong is that something could not be measured: that accuses the machine that all this runs on."""
    bad = {attempt["mark"] for _, attempt in attempts(report)} - set(CALM)
    return bool(bad) and bad <= {"ERROR", "INTERRUPTED", "MISSING"}


def _is_true(known: Sequence[str], sentence: str) -> bool:
    return any(re.search(one, sentence, re.IGNORECASE) for one in known)


def versions(reports: Iterable[dict[str, Any]], wanted: Sequence[str]) -> dict[str, str]:
    """Of the programs that ran in the guests, and their kernel."""
    found: dict[str, str] = {}
    for report in reports:
        image = report.get("image") or {}
        if image.get("kernel"):
            found |= {"Linux": image["kernel"], "live image": image.get("version", "")}
        packages = {fact["label"]: fact["value"] for fact in image.get("packages", ())}
        found |= {name: packages[name] for name in wanted if name in packages}
    return found
