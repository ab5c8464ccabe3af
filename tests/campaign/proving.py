"""Runs the tests that a row names, and takes what came of them from pytest's own file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.campaign.fault import Proved
from tests.campaign.result import Came, Result
from tests.conftest import REPOSITORY
from tests.lab.programs import Program
from tests.lab.waiting import InVain

LIMIT_S = 1500.0


@dataclass(frozen=True, slots=True)
class Ran:
    passed: int
    failed: int
    skipped: int
    seconds: float
    words: tuple[str, ...]  # of what did not pass


def read(junit: Path) -> Ran:
    """Raises OSError and ElementTree.ParseError where pytest left no file."""
    passed = failed = skipped = 0
    seconds, words = 0.0, []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        seconds += float(case.get("time", "0"))
        bad = [child for child in case if child.tag in ("failure", "error")]
        idle = [child for child in case if child.tag == "skipped"]
        passed += not bad and not idle
        failed += bool(bad)
        skipped += bool(idle) and not bad
        words += [f"{case.get('name')}: {child.get('message', '')[:200]}" for child in (*bad, *idle)]
    return Ran(passed, failed, skipped, seconds, tuple(words))


def judged(proof: Proved, ran: Ran) -> Result:
    """Caught only where something ran and nothing failed; what was skipped is said."""
    came = Came.MISSED if ran.failed else Came.CAUGHT if ran.passed else Came.NOT_TRIED
    said = f"{proof.says} ({ran.passed} tests)"
    return Result(
        name=proof.name, row=proof.row, title=proof.title, came=came, stage=proof.stage, profile="tests", seconds=round(ran.seconds, 1),
        words=said if came is Came.CAUGHT else "; ".join(ran.words)[:600] or "no test ran",
        notes=(f"{ran.skipped} skipped: {'; '.join(ran.words)[:200]}",) if ran.skipped and came is Came.CAUGHT else (),
        instead=ran.words if ran.failed else (),
    )  # fmt: skip


async def proved(proof: Proved, room: Path) -> Result:
    began = time.monotonic()
    junit, log = room / f"{proof.name}.xml", room / f"{proof.name}.log"
    junit.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={junit}", *proof.nodes]
    running = await Program.started(words, log=log, dies_by="TERM")
    try:
        await running.ended(LIMIT_S)
        result = judged(proof, read(junit))
    except (InVain, OSError, ElementTree.ParseError) as why:
        last = running.tail(3)
        result = Result(
            name=proof.name,
            row=proof.row,
            title=proof.title,
            came=Came.SPOILED,
            profile="tests",
            words=f"{why}"[:200] + f" {last}"[-300:],
        )
    finally:
        await running.stop()
    return result.but(wall_s=round(time.monotonic() - began, 1))


def exists(node: str) -> bool:
    """A test that was renamed proves nothing any more."""
    path, _, name = node.partition("::")
    file = REPOSITORY / path
    return file.is_file() and (not name or f"def {name}(" in file.read_text())
