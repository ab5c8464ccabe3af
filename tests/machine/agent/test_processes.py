"""Real agents, real programs: what is started is stopped, and what eats the memory dies alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fakes.orchestrator import TICKET, ScriptedOrchestrator, orchestrating, over
from vetting import wire
from vetting.agent import cgroup
from vetting.agent.kept import Shelf
from vetting.agent.leftovers import MARK, ours, processes, sweep
from vetting.domain.outcome import Verdict

pytestmark = pytest.mark.machine
MIB = 1024 * 1024


@asynccontextmanager
async def real_agent(
    server: ScriptedOrchestrator, folder: Path, **told: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent in a process of its own; killed at the end if it still lives."""
    path = folder / "agent-settings.json"
    path.write_text(
        json.dumps(
            {
                "url": server.url,
                "fingerprint": server.fingerprint,
                "ticket": TICKET,
                "state_dir": str(folder / "state"),
                **told,
            }
        )
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.real_agent", str(path), cwd=REPOSITORY,
        stdout=asyncio.subprocess.DEVNULL, stderr=(folder / "agent.log").open("ab"),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await clean(folder / "state")


async def clean(state_dir: Path) -> None:
    """Whatever a killed agent left behind, also when the test failed."""
    if not (state_dir / "agent.json").exists():
        return
    kept = json.loads((state_dir / "agent.json").read_text())
    for group in kept["groups"]:
        await cgroup.clear(Path(group))
    await sweep(kept["mark"], Shelf(state_dir).sessions)


def sleepers() -> dict[int, str]:
    """Our families' members that live: process id -> how long they would sleep."""
    found = {}
    for process in processes():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[0].endswith(b"sleep") and words[1] in (b"1000", b"1001", b"1002", b"1003"):
            found[process.pid] = words[1].decode()
    return found


async def until(what: Callable[[], bool], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not what():  # noqa: ASYNC110 - the kernel tells nobody that a process has ended
            await asyncio.sleep(0.02)


def may_lower_scores() -> bool:
    """Only CAP_SYS_RESOURCE (bit 24) may; a container's root often lacks it."""
    (line,) = (text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> 24 & 1)


@pytest.fixture(params=["with a cgroup", "without one"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """Both ways to keep the processes together; the first needs a machine that lets us make control groups."""
    if request.param == "without one":
        return {"groups_root": str(tmp_path)}
    home, why = cgroup.find_home(Path("/"))
    if home is None:
        pytest.skip(f"no control group can be made here: {why}")
    return {}


async def test_cancel_takes_the_whole_family_with_it(tmp_path: Path, told: dict[str, object]) -> None:
    before = set(Path("/sys/fs/cgroup").glob(f"*/{cgroup.PREFIX}*-burn-*"))
    async with orchestrating(tmp_path / "server") as server:
        server.claims_again(current_stage="Burn")
        server.answers = {("Burn", 1): over("Cancelled", "CANCELLED")}
        async with real_agent(server, tmp_path, **told) as agent:
            await until(lambda: sorted(sleepers().values()) == ["1000", "1001", "1002", "1003"])
            server.command = wire.Command(cmd="cancel_stage", reason="by the operator")
            await server.until(lambda: server.results, 60)
            assert not sleepers()
            server.command = wire.Command(cmd="shutdown")
            assert await asyncio.wait_for(agent.wait(), 30) == 0
        outcome = server.results[0].outcome
    assert outcome.verdict is Verdict.CANCELLED
    assert ("no cgroup" in outcome.data["cgroup"]) == bool(told)
    ours = set(Path("/sys/fs/cgroup").glob(f"*/{cgroup.PREFIX}*-burn-*")) - before  # another agent may run here
    assert not ours


async def test_sigterm_stops_the_family_and_leaves_the_stage_to_a_successor(tmp_path: Path) -> None:
    async with orchestrating(tmp_path / "server") as server:
        server.claims_again(current_stage="Burn")
        async with real_agent(server, tmp_path) as agent:
            await until(lambda: len(sleepers()) == 4)
            agent.terminate()
            assert await asyncio.wait_for(agent.wait(), 30) == 0
            assert not sleepers()
        assert not server.results


async def test_a_killed_agents_load_is_cleared_away_before_its_successor_goes_on(
    tmp_path: Path, told: dict[str, object]
) -> None:
    async with orchestrating(tmp_path / "server") as server:
        server.claims_again(current_stage="Burn")
        async with real_agent(server, tmp_path, **told) as first:
            await until(lambda: len(sleepers()) == 4)
            first.send_signal(signal.SIGKILL)
            await first.wait()
            old = sleepers()
            assert len(old) == 4  # the load goes on without its agent
            claimed_with = []
            server.claims_again(attempt=2)
            take = server._claim

            async def claim(request: object, bearer: str) -> wire.ClaimReply:
                claimed_with.append(set(sleepers()) & set(old))
                return await take(request, bearer)  # type: ignore[arg-type]

            server._claim = claim  # type: ignore[method-assign]
            async with real_agent(server, tmp_path, **told):
                await until(lambda: len(set(sleepers()) - set(old)) == 4)
                await server.until(lambda: server.beats and server.beats[-1].attempt == 2)
        assert claimed_with == [set()]
    said = (tmp_path / "agent.log").read_text()
    assert "processes of an earlier agent were still running and were killed" in said
    assert "the agent was restarted: going on with run 7 at Burn, attempt 2" in said


async def test_a_load_past_its_memory_limit_dies_and_the_agent_beats_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, why = cgroup.find_home(Path("/"))
    if home is None:
        pytest.skip(f"no control group can be made here: {why}")
    async with orchestrating(tmp_path / "server") as server:
        server.claims_again(current_stage="CPUStress")
        server.answers = {("CPUStress", 1): over("FailedHolding", "ERROR")}
        async with real_agent(server, tmp_path, limit_bytes=64 * MIB) as agent:
            await server.until(lambda: server.holds, 60)
            beats = len(server.beats)
            await server.until(lambda: len(server.beats) > beats + 5)
            assert agent.returncode is None
        outcome = server.results[0].outcome
        run_beats = [beat for beat in server.beats if beat.doing == "running"]
    kills = next(counter for counter in outcome.counters if (counter.component, counter.name) == ("load", "oom_kill"))
    assert "was killed by signal 9" in outcome.tools[0].excerpt or outcome.tools[0].signal == 9
    assert kills.after is not None
    assert kills.after >= 1
    assert outcome.verdict is Verdict.ERROR  # the stage said PASS
    assert len(run_beats) > 3
    gaps = [b.monotonic_s - a.monotonic_s for a, b in pairwise(run_beats)]
    with capsys.disabled():
        print(
            f"\n  a load of 512 MiB in a group of 64 MiB: {kills.after:.0f} OOM kill, the agent lives; "
            f"{len(run_beats)} heartbeats meanwhile, at most {max(gaps):.2f} s apart"
        )


async def test_the_load_is_the_first_to_go_and_nothing_else_is_touched(tmp_path: Path) -> None:
    async with orchestrating(tmp_path / "server") as server:
        server.claims_again(current_stage="CPUStress")
        server.answers = {("CPUStress", 1): over("FailedHolding")}
        async with real_agent(server, tmp_path, limit_bytes=1024 * MIB, protect=True) as agent:
            await server.until(lambda: server.claims)
            score = int(Path(f"/proc/{agent.pid}/oom_score_adj").read_text())
            await server.until(lambda: server.results, 60)
        if may_lower_scores():
            assert score == -900
        else:
            assert "does not let us spare ourselves from OOM kills" in (tmp_path / "agent.log").read_text()
        assert server.artifacts["CPUStress", 1, "heavy.txt"] == b"500\n"
        assert server.artifacts["CPUStress", 1, "light.txt"] == b"0\n"
        outcome = server.results[0].outcome
    assert outcome.verdict is Verdict.PASS
    assert outcome.tools[0].version.startswith("vetting")


async def test_a_session_number_that_came_again_is_left_alone(tmp_path: Path) -> None:
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    stranger = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        (sessions / str(stranger.pid)).write_text("1.0")  # a session of this number began right after the boot
        assert ours("no-such-mark", sessions) == []
        up = Path("/proc/uptime").read_text().split()[0]
        (sessions / str(stranger.pid)).write_text(up)
        assert ours("no-such-mark", sessions) == [stranger.pid]
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_marked_process_is_ours_wherever_it_went(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    child = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        "setsid sleep 60 & sleep 0.3; exit 0",
        env={**os.environ, MARK: "of-this-test"},
        start_new_session=True,
    )
    try:
        await asyncio.wait_for(child.wait(), 10)  # its grandchild lives on, in a session of its own
        assert await sweep("of-this-test", tmp_path / "sessions") == 1
        assert not ours("of-this-test", tmp_path / "sessions")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
