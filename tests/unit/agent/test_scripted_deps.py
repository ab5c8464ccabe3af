"""The scripted world keeps its promises to those who test stages with it."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.scripted_deps import Says, ScriptedDeps, job
from vetting.domain.errors import ToolMissing


async def test_time_jumps_and_programs_side_by_side_take_the_longest() -> None:
    deps = ScriptedDeps(job(), [Says("fio", elapsed_s=3600), Says("iperf3 -c", elapsed_s=7200)])
    began = deps.monotonic()
    fio, iperf = await asyncio.gather(
        deps.run(["fio", "x"], limit_s=9000), deps.run(["iperf3", "-c", "h"], limit_s=9000)
    )
    assert deps.monotonic() - began == 7200
    assert (fio.elapsed_s, iperf.elapsed_s) == (3600, 7200)


async def test_a_program_that_the_script_does_not_name_is_not_installed() -> None:
    with pytest.raises(ToolMissing):
        await ScriptedDeps(job()).run(["fio"], limit_s=1)


async def test_a_named_program_with_other_words_is_a_mistake_of_the_test() -> None:
    with pytest.raises(AssertionError, match="no line for: smartctl -i /dev/sda"):
        await ScriptedDeps(job(), [Says("smartctl -x")]).run(["smartctl", "-i", "/dev/sda"], limit_s=1)


async def test_a_line_may_be_used_up() -> None:
    deps = ScriptedDeps(job(), [Says("smartctl", stdout="before", times=1), Says("smartctl", stdout="after")])
    said = [(await deps.run(["smartctl"], limit_s=1)).stdout for _ in range(3)]
    assert said == ["before", "after", "after"]


async def test_a_program_past_its_limit_is_killed_at_it() -> None:
    ended = await ScriptedDeps(job(), [Says("sleep", elapsed_s=100)]).run(["sleep"], limit_s=5)
    assert ended.timed_out
    assert ended.elapsed_s == 5
    assert ended.exit_code is None


def test_globs_find_files_and_their_folders_but_do_not_cross_slashes() -> None:
    deps = ScriptedDeps(job(), files={"/sys/class/hwmon/hwmon0/temp1_input": "1", "/sys/class/hwmon/hwmon10/name": "x"})
    assert deps.glob("/sys/class/hwmon/hwmon*") == ["/sys/class/hwmon/hwmon0", "/sys/class/hwmon/hwmon10"]
    assert deps.glob("/sys/class/hwmon/*/temp*_input") == ["/sys/class/hwmon/hwmon0/temp1_input"]
    assert deps.glob("/sys/*_input") == []


def test_files_may_change_fail_or_follow_the_time() -> None:
    deps = ScriptedDeps(job(), files={"/a": ["1", "2"], "/b": PermissionError(13, "no"), "/c": lambda now: f"{now}"})
    assert [deps.read("/a") for _ in range(3)] == ["1", "2", "2"]
    assert deps.read("/c") == "1000.0"
    with pytest.raises(OSError):
        deps.read("/b")
    with pytest.raises(OSError):
        deps.read("/none")
