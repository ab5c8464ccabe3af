"""The door of a held host: which steps it takes, which second ways it has, and what it does not install."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.agent.test_parts import Programs
from vetting.agent.door import AUTHORIZED, HOST_KEY, Door
from vetting.domain.outcome import ToolRun

KEY = "ssh-ed25519 AAAA vetting-run-7"


def a_door(root: Path, programs: Programs, said: list[str] | None = None) -> Door:
    heard = said if said is not None else []
    return Door(lambda text, level: heard.append(f"{level}: {text}"), root=root, run=programs)


async def test_the_key_comes_with_the_hold_and_goes_with_it(tmp_path: Path) -> None:
    programs = Programs()
    door = a_door(tmp_path, programs)
    assert await door.open(f"{KEY}\n") == ""
    installed = tmp_path / AUTHORIZED
    assert installed.read_text() == f"restrict,pty {KEY}\n"
    assert installed.stat().st_mode & 0o777 == 0o600
    assert await door.open(KEY) == ""  # an agent that starts again in the hold opens it once more
    await door.close()
    assert not installed.exists()
    assert programs.called == [*["systemctl start ssh.service"] * 2, "systemctl stop ssh.service"]


async def test_a_door_that_is_shut_is_not_shut_again(tmp_path: Path) -> None:
    programs = Programs()
    await a_door(tmp_path, programs).close()
    assert programs.called == []


@pytest.mark.parametrize("key", ["", "no key", "ssh-ed25519 A\ncommand=x"])
async def test_a_key_that_is_none_is_not_installed(tmp_path: Path, key: str) -> None:
    assert await a_door(tmp_path, Programs()).open(key) == "the orchestrator gave no usable key"
    assert not (tmp_path / "root").exists()


async def test_without_systemd_the_server_is_started_directly(tmp_path: Path) -> None:
    programs, said = Programs(missing=["systemctl"]), list[str]()
    assert await a_door(tmp_path, programs, said).open(KEY) == ""
    assert programs.called == [f"/usr/sbin/sshd -o PidFile={tmp_path}/run/vetting-sshd.pid"]
    assert "does not start by systemd" in said[0]


async def test_a_server_that_does_not_start_at_all_leaves_no_key_and_says_why(tmp_path: Path) -> None:
    programs = Programs(missing=["/usr/sbin/sshd"], failing=["systemctl"])
    why = await a_door(tmp_path, programs).open(KEY)
    assert "systemctl start ssh.service exited 1" in why
    assert "'/usr/sbin/sshd' is not installed" in why
    assert not (tmp_path / AUTHORIZED).exists()


async def test_a_pid_file_that_names_a_stranger_ends_nobody(tmp_path: Path) -> None:
    door = a_door(tmp_path, Programs(failing=["systemctl"]))
    await door.open(KEY)
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run/vetting-sshd.pid").write_text(str(os.getpid()))
    await door.close()  # we are still here
    assert not (tmp_path / "run/vetting-sshd.pid").exists()


async def test_the_host_key_is_made_once_and_told(tmp_path: Path) -> None:
    made = []

    async def run(argv: list[str]) -> ToolRun:
        made.append(argv)
        Path(argv[-1]).write_text("private")
        Path(f"{argv[-1]}.pub").write_text("ssh-ed25519 BBBB vetting-live\n")
        return await Programs()(argv)

    door = Door(lambda text, level: None, root=tmp_path, run=run)
    assert await door.host_keys() == (("ssh-ed25519 BBBB vetting-live",), "")
    assert await door.host_keys() == (("ssh-ed25519 BBBB vetting-live",), "")
    assert [argv[0] for argv in made] == ["ssh-keygen"]
    assert str(tmp_path / HOST_KEY) == made[0][-1]


async def test_a_host_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    keys, why = await a_door(tmp_path, Programs(missing=["ssh-keygen"])).host_keys()
    assert keys == ()
    assert "no host key could be made: the program 'ssh-keygen' is not installed" in why
