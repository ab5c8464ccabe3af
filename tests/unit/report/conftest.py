"""An open store of its own, and the report of a story told in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.records import Story
from vetting.orchestrator import gathering
from vetting.report.model import Report
from vetting.store import Store

Gather = Callable[..., Report]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data" / "vetting.db")
    yield opened
    opened.close()


@pytest.fixture
def gather(store: Store) -> Gather:
    def gathered(story: Story, *, closing: bool = False) -> Report:
        return store.read_now(lambda: gathering.gather(story.run_id, closing=closing))

    return gathered
