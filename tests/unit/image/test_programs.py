"""The list of programs that the image must hold follows the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.image import programs
from vetting.stages import STAGES


def test_what_a_stage_declares_is_wanted_in_the_image() -> None:
    declared = {tool for stage in STAGES.values() for tool in stage.tools}
    assert "stress-ng" in declared
    assert declared <= set(programs.wanted())


def test_what_try_installs_is_wanted_in_the_image(repository: Path) -> None:
    found = programs.of_build((repository / "build.sh").read_text())
    assert {"smartctl", "stressapptest", "badblocks"} <= found <= set(programs.wanted())


def test_what_the_agent_calls_to_let_somebody_in_and_to_power_off_is_wanted() -> None:
    assert {"systemctl", "/usr/sbin/sshd", "poweroff", "reboot"} <= set(programs.wanted())


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ('run(["efibootmgr", "-v"])', {"efibootmgr"}),
        ('run(["nvme", "id-ctrl", path])', {"nvme"}),
        ('ASK = ("ipmitool", "-N", "2", "sel")', {"ipmitool"}),
        ('SSHD = ("/usr/sbin/sshd",)', {"/usr/sbin/sshd"}),
        ('PLACES = ("/usr/lib/vetting", "/srv/vetting")', set()),
        ('class S:\n    tools: ClassVar[tuple[str, ...]] = ("memtester", "lsblk")', {"memtester", "lsblk"}),
        ('WAYS = ("to_server", "from_server")', set()),
        ('run([tool, "--version"])', set()),
        ('argv += ["-i", "1"]', set()),
    ],
)
def test_a_command_written_out_in_the_code_is_seen(source: str, named: set[str]) -> None:
    assert programs.of_source(source) == named


def test_a_build_script_without_its_list_is_told_and_not_taken_for_an_empty_one() -> None:
    with pytest.raises(SystemExit, match="try_needs"):
        programs.of_build("nothing=(\n)\n")
