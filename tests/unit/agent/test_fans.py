"""Fans by the kernel's monitors: one that stops under load is told; those that rest, never turned or turn again are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting.agent.fans import FanWatch
from vetting.domain.outcome import Outcome, Severity

STEM = "sys/class/hwmon/hwmon2"


def seen(root: Path, *turns: str) -> list[str]:
    """What is told of a fan that said this at each look."""
    fans = FanWatch(root, "CPUStress")
    (root / STEM).mkdir(parents=True)
    (root / STEM / "name").write_text("nct6779\n")
    (root / STEM / "fan2_label").write_text("CHA_FAN1\n")
    for text in turns:
        (root / STEM / "fan2_input").write_text(text + "\n")
        fans.look()
    findings = fans.judged(Outcome.ok()).findings
    assert all(one.severity is Severity.WARNING for one in findings)
    return [one.text for one in findings]


def test_a_fan_that_stops_under_load_is_told_by_its_name(tmp_path: Path) -> None:
    text = "the fan nct6779 CHA_FAN1 turned at 1200 RPM and stands still under load"
    assert seen(tmp_path, "1200", "1180", "0", "0", "0") == [text]


@pytest.mark.parametrize(
    "turns",
    [("1200",) * 5, ("0",) * 5, ("1200", "0", "0"), ("0", "0", "0", "900"), ("1200", "", "", "", ""), ()],
    ids=["turns", "never turned", "twice", "turns up", "unreadable", "never looked"],
)
def test_what_rests_or_cannot_be_read_is_not_told(tmp_path: Path, turns: tuple[str, ...]) -> None:
    assert seen(tmp_path, *turns) == []
