"""A hold from end to end: real orchestrator, real agent process, real sshd, and `vetting run ssh` as a person types it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.door_agent import SSHD
from tests.fakes.rig import free_ports, until
from tests.machine.agent.holding import STEP_S, Hold, clear, config_in
from vetting import serve, wire
from vetting.agent.door import AUTHORIZED
from vetting.domain.errors import Conflict
from vetting.domain.states import RunState
from vetting.store import audit, runs
from vetting.store.rows import RunRow

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]


@pytest.fixture
async def hold(tmp_path: Path) -> AsyncIterator[Hold]:
    os.makedirs("/run/sshd", exist_ok=True)  # sshd wants its empty folder
    async with serve.running(config_in(tmp_path), strict=True) as server:
        token = (tmp_path / "data" / serve.LOCAL_TOKEN).read_text()
        one = Hold(server, tmp_path, token, port=free_ports(1)[0])
        await server.desk.people.add_host(wire.HostEdit(name="bench"), who="tester")
        request = wire.StartRun(host="bench", profile="sprint", start_by="manual", non_destructive=True)
        started = await server.desk.progress.start(request, who="tester")
        one.run_id, one.ticket = started.run_id, started.ticket
        one.boots("boot-one")
        try:
            await one.start_agent()
            yield one
        finally:
            await clear(one)


@asynccontextmanager
async def a_session(one: Hold) -> AsyncIterator[asyncio.subprocess.Process]:
    """Somebody who is signed in and leaves something running."""
    process = await one.ssh("--", "nohup sleep 4711 >/dev/null 2>&1 & echo here; cat")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"here\n", await process.communicate()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def sleepers() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes() == b"sleep\x004711\x00":
                found.append(int(folder.name))
    return found


async def test_an_operator_enters_a_held_host_and_the_door_shuts_when_the_stage_is_tried_again(hold: Hold) -> None:
    first = await hold.fails()
    status, out, err = await hold.types("--", "echo", "$SSH_CONNECTION;", "exit", "7")
    assert (status, out.split()[:1]) == (7, ["127.0.0.1"]), (status, out, err)
    assert list(hold.keys.iterdir()) == []  # the key is gone with the session
    async with a_session(hold) as session:
        assert list(hold.keys.glob("vetting-*/key"))
        await hold.server.desk.progress.retry(hold.run_id, who="tester", because=wire.Because())
        await hold.until(RunState.INVENTORY)
        assert await asyncio.wait_for(session.wait(), STEP_S) != 0

        async def gone() -> bool:
            return not sleepers()

        await until(gone, STEP_S, said="the end of what somebody left running")
        assert not (hold.root / AUTHORIZED).exists()
    run = await hold.run()
    assert (run.hold_private_key, run.hold_host_keys, run.hold_addresses) == ("", (), ())
    with pytest.raises(Conflict, match="only a held host can be entered"):
        await hold.server.desk.doors.key(hold.run_id, who="tester")
    second = await hold.fails()
    assert second.hold_public_key != first.hold_public_key
    assert (await hold.types("--", "true"))[0] == 0
    asked = await hold.server.store.read(lambda: [one.what for one in audit.entries(run_id=hold.run_id)])
    assert asked.count("run.hold_key") == 3


async def test_without_the_key_there_is_no_way_in(hold: Hold) -> None:
    await hold.fails()
    for key in ("none", "foreign"):
        path = hold.folder / key
        if key == "foreign":
            made = await asyncio.create_subprocess_exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
            await made.wait()
        ssh = await asyncio.create_subprocess_exec(
            "ssh", "-F", "none", "-i", str(path), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", str(hold.port), "root@127.0.0.1",
            "true", stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await ssh.communicate()
        assert ssh.returncode == 255
        assert b"Permission denied (publickey)" in err


async def test_another_machine_at_the_address_is_not_entered(hold: Hold) -> None:
    run = await hold.fails()
    other = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxHxH",)
    await hold.server.store.write(lambda: runs.change(run.id, hold_host_keys=other))
    status, _, err = await hold.types("--", "true")
    assert status == 1
    assert "127.0.0.1: another machine answers there" in err
    assert list(hold.keys.iterdir()) == []


async def test_an_agent_that_starts_again_in_the_hold_leaves_everybody_in(hold: Hold) -> None:
    first = await hold.fails()
    async with a_session(hold) as session:
        assert hold.agent is not None
        hold.agent.terminate()  # as systemd does before it starts it anew
        assert await hold.agent.wait() == 0
        assert (hold.root / AUTHORIZED).exists()
        hold.agent = None
        await hold.start_agent()

        async def again() -> bool:
            return hold.said().count("held at 127.0.0.99 or 127.0.0.1") == 2

        await until(again, STEP_S, said="the second agent in the hold")
        assert (await hold.run()).hold_public_key == first.hold_public_key
        assert session.stdin is not None and session.stdout is not None
        session.stdin.write(b"still here\n")
        await session.stdin.drain()
        assert await session.stdout.readline() == b"still here\n"


async def test_an_agent_that_died_in_a_hold_shuts_the_door_when_the_hold_ended_meanwhile(hold: Hold) -> None:
    await hold.fails()
    assert hold.agent is not None
    hold.agent.kill()
    await hold.agent.wait()
    await hold.server.desk.progress.retry(hold.run_id, who="tester", because=wire.Because())
    assert (hold.root / AUTHORIZED).exists()
    await hold.start_agent()

    async def shut() -> bool:
        return not (hold.root / AUTHORIZED).exists()

    await until(shut, STEP_S, said="the door")


async def test_a_held_host_that_boots_again_is_still_held_with_keys_of_its_own(hold: Hold) -> None:
    first = await hold.fails()
    assert hold.agent is not None
    hold.agent.kill()  # the machine was reset
    await hold.agent.wait()
    await clear(hold)
    hold.boots("boot-two")
    hold.port = free_ports(1)[0]
    hold.ticket = await hold.server.desk.progress.boot_requested((await hold.run()).host_id)
    await hold.start_agent()

    async def anew() -> RunRow | None:
        run = await hold.run()
        told = run.hold_host_keys and run.hold_public_key != first.hold_public_key
        return run if told and (hold.root / AUTHORIZED).exists() else None  # keys are told before the door opens

    second = await until(anew, STEP_S, said=f"the hold of the second boot; {hold.said()}")
    assert second is not None
    assert (second.state, second.boot_id, second.failed_stage) == (RunState.FAILED_HOLDING, "boot-two", "Inventory")
    assert second.hold_host_keys != first.hold_host_keys
    assert (await hold.types("--", "true"))[0] == 0


@pytest.mark.parametrize(
    ("decision", "state", "power"),
    [("cancel", RunState.CANCELLED, "reboot"), ("release", RunState.RELEASED, "poweroff")],
)
async def test_a_hold_that_a_person_ends_shuts_the_door_and_lets_the_machine_go(
    hold: Hold, decision: str, state: RunState, power: str
) -> None:
    await hold.fails()
    act = getattr(hold.server.desk.progress, decision)
    await act(hold.run_id, who="tester", because=wire.Because(reason="by the test"))
    assert hold.agent is not None
    assert await asyncio.wait_for(hold.agent.wait(), STEP_S) == 0, hold.said()
    run = await hold.run()
    assert (run.state, hold.did, run.hold_private_key) == (state, power, "")
    assert not (hold.root / AUTHORIZED).exists()


async def test_an_override_goes_on_with_the_stage_and_without_the_door(hold: Hold) -> None:
    await hold.fails()
    because = wire.Because(reason="known trouble")
    await hold.server.desk.progress.override(hold.run_id, who="tester", because=because)
    await hold.until(RunState.INVENTORY)

    async def shut() -> bool:
        return not (hold.root / AUTHORIZED).exists()

    await until(shut, STEP_S, said="the door")


async def test_who_is_told_to_end_leaves_no_key_behind(hold: Hold) -> None:
    await hold.fails()
    async with a_session(hold) as session:
        assert list(hold.keys.glob("vetting-*/key"))
        session.terminate()
        await asyncio.wait_for(session.wait(), STEP_S)
    assert list(hold.keys.iterdir()) == []


async def test_print_shows_the_command_and_fetches_no_key(hold: Hold) -> None:
    await hold.fails()
    status, out, _ = await hold.types("--print", "--", "uptime")
    assert status == 0
    assert "ssh -i FOLDER/key" in out
    assert "StrictHostKeyChecking=yes" in out
    assert "root@127.0.0.1 uptime" in out
    asked = await hold.server.store.read(lambda: [one.what for one in audit.entries(run_id=hold.run_id)])
    assert "run.hold_key" not in asked


async def test_a_door_that_does_not_open_is_said_in_the_reason(hold: Hold) -> None:
    assert hold.agent is not None
    hold.agent.kill()
    await hold.agent.wait()
    await hold.start_agent(sshd="/nonexistent/sshd")
    (hold.folder / "fail").touch()

    async def told() -> bool:
        return "nobody can sign in over SSH" in (await hold.run()).reason

    await until(told, STEP_S, said="the trouble")
    assert "'/nonexistent/sshd' is not installed" in (await hold.run()).reason
    status, _, err = await hold.types("--", "true")
    assert status == 2
    assert "its host has no door open" in err
    assert Path(SSHD).exists()
