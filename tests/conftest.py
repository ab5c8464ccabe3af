"""What every test may count on: the recordings' folder, and an event loop that nobody blocks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
os.environ["VETTING_TEST"] = "1"  # from here on no program of ours opens anything but a scratch disk for writing
LONGEST_CALLBACK_S = 1.0
"""Wall time one callback may hold the loop. Generous: two busy cores must not make a healthy test fail."""


def corpus_folder() -> Path:
    """Where the recordings of real servers lie: $VETTING_CORPUS, else ../shared/corpus from the repository's root."""
    return Path(os.environ.get("VETTING_CORPUS") or REPOSITORY.parent / "shared" / "corpus")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recordings; a test that needs it says so by skipping where it is absent."""
    folder = corpus_folder()
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder} (VETTING_CORPUS names another folder)")
    return folder


LAB_FIGURES = (
    REPOSITORY / "build" / "lab" / "figures.txt"
)  # of this session, whose racks may run in more than one process


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        LAB_FIGURES.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long hosts took from power-on to their claim, and how much of a run was not the tests themselves."""
    if LAB_FIGURES.exists():
        from tests.lab import figures
        from tests.lab.settings import IMAGE

        terminalreporter.section("the lab's figures")
        for line in (*LAB_FIGURES.read_text().splitlines(), figures.image_line(IMAGE)):
            terminalreporter.line(line)


FOLDERS = {"lab": "lab", "browser": "browser", "campaign": "campaign"} | {
    f"unit/{one}": "served" for one in ("api", "boot", "notify", "web")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs follows from where it lies, marked by its author or not."""
    for item in items:
        for folder, marker in FOLDERS.items():
            if REPOSITORY / "tests" / folder in item.path.parents:
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def _light_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign-ins cost next to nothing in tests; the real work of a hash is done in the tests of passwords alone."""
    if (passwords := sys.modules.get("vetting.orchestrator.passwords")) is not None:
        monkeypatch.setattr(passwords, "STRENGTH", passwords.Strength(n=2**4, r=1, p=1))


@pytest.fixture(autouse=True)
def _nobody_blocks_the_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which one callback held the event loop: in the field that is a missed heartbeat."""
    if request.node.get_closest_marker("allow_blocking"):
        yield
        return
    run = asyncio.Handle._run
    held: list[str] = []

    def timed(handle: asyncio.Handle) -> None:
        began = time.perf_counter()
        run(handle)
        if (took_s := time.perf_counter() - began) > LONGEST_CALLBACK_S:
            held.append(f"{took_s:.2f} s in {handle!r}")

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    yield
    if held:
        pytest.fail("the event loop was blocked: " + "; ".join(held), pytrace=False)
