"""Faults that must be caught and healthy hosts that must not be accused, each time: two guests at a time, beside one orchestrator."""

from __future__ import annotations

import pytest

from tests.campaign.matrix import for_a_terminal
from tests.campaign.result import GOOD, Came, Result
from tests.campaign.settings import EACH_TIME

pytestmark = [
    pytest.mark.timeout(1600),
    pytest.mark.allow_blocking("guests run in another process; this one only waits"),
]


@pytest.mark.parametrize("name", EACH_TIME)
def test_the_fault_is_caught_and_the_healthy_host_is_not_accused(came: dict[str, Result], name: str) -> None:
    row = came[name]
    assert row.came in GOOD and row.came is not Came.NOT_TRIED, for_a_terminal([row])
