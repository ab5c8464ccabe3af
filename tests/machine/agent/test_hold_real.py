"""A hold from end to end: real orchestrator, real agent process, real sshd, and `vetting run ssh` as a person types it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes import honest
from tests.fakes.door_agent import SSHD
from tests.fakes.rig import free_ports, until
from vetting import serve, wire
from vetting.agent.door import AUTHORIZED
from vetting.config import Config
from vetting.domain.errors import Conflict
from vetting.domain.states import RunState
from vetting.store import audit, runs
from vetting.store.rows import RunRow

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]
STEP_S = 60.0


@dataclass
class Hold:
    """A run whose host fails on cue, and the person who enters it."""

    server: serve.Server
    folder: Path
    token: str
    run_id: int = 0
    ticket: str = ""
    port: int = 0
    agent: asyncio.subprocess.Process | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def did(self) -> str:
        path = self.folder / "did"
        return path.read_text() if path.exists() else ""

    def said(self) -> str:
        return (self.folder / "agent.log").read_text()[-3000:]

    def boots(self, name: str) -> None:
        """A fresh kernel with nothing in memory; its name is its boot id."""
        for old in ("state", "etc", "root"):
            if (self.root / old).exists():
                (self.root / old).rename(self.folder / f"before-{name}-{old}")
        path = self.root / "proc/sys/kernel/random/boot_id"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")

    async def start_agent(self, **told: object) -> None:
        path = self.folder / "agent.json"
        told = {"url": self.server.url, "fingerprint": self.server.certificate.fingerprint, "ticket": self.ticket,
                "root": str(self.root), "port": self.port, **told}  # fmt: skip
        path.write_text(json.dumps(told))
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fakes.door_agent", str(path), cwd=REPOSITORY,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def run(self) -> RunRow:
        return await self.server.store.read(lambda: runs.get(self.run_id))

    async def until(self, state: RunState, *, open_door: bool = False) -> RunRow:
        async def there() -> RunRow | None:
            run = await self.run()
            fits = run.state is state and (not open_door or (run.hold_host_keys and (self.root / AUTHORIZED).exists()))
            return run if fits else None

        try:
            found = await until(there, STEP_S, said=f"{state}")
        except AssertionError as vain:
            raise AssertionError(
                f"{vain}: the run is {(await self.run()).state}; the agent said {self.said()}"
            ) from None
        assert found is not None
        return found

    async def fails(self) -> RunRow:
        (self.folder / "fail").touch()
        return await self.until(RunState.FAILED_HOLDING, open_door=True)

    async def ssh(self, *command: str, **env: str) -> asyncio.subprocess.Process:
        """`vetting run ssh`, with the test's sshd for port 22."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vetting", "run", "ssh", str(self.run_id), "--url", self.server.url, "--fingerprint",
            self.server.certificate.fingerprint, "--port", str(self.port), *command, cwd=REPOSITORY,
            env={**os.environ, "VETTING_TOKEN": self.token, "XDG_RUNTIME_DIR": str(self.keys), **env},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    @property
    def keys(self) -> Path:
        """Where keys lie while they are used."""
        path = self.folder / "runtime"
        path.mkdir(exist_ok=True)
        return path

    async def types(self, *command: str) -> tuple[int | None, str, str]:
        process = await self.ssh(*command)
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def hold(tmp_path: Path) -> AsyncIterator[Hold]:
    os.makedirs("/run/sshd", exist_ok=True)  # sshd wants its empty folder
    plain = Config()
    config = replace(
        plain,
        server=replace(plain.server, listen="127.0.0.1", port=0, data_dir=str(tmp_path / "data")),
        boot=replace(plain.boot, http_port=free_ports(1)[0], address="127.0.0.1"),
        netconsole=replace(plain.netconsole, port=0),
        iperf=replace(plain.iperf, bind="127.0.0.1", host="127.0.0.1", ports=range(0)),
        heartbeat=replace(plain.heartbeat, interval_s=0.3),
        profiles={**plain.profiles, "sprint": honest.SPRINT},
    )
    async with serve.running(config, strict=True) as server:
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


async def clear(one: Hold) -> None:
    if one.agent is not None and one.agent.returncode is None:
        one.agent.kill()
        await one.agent.wait()
    for path in one.folder.rglob("vetting-sshd.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)


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
