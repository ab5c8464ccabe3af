"""A run keeps its iperf3 server from the claim to its end, through every hold and every restart of the orchestrator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.clock import SystemClock
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.states import RunState
from vetting.orchestrator.iperf import IperfPool
from vetting.orchestrator.supervise import Health


class Pool(IperfPool):
    """Keeps a real pool's books; its servers are `sleep`, which serves nobody."""

    def __init__(self, folder: Path) -> None:
        program = folder / "iperf3-that-waits"
        program.write_text("#!/bin/sh\nexec sleep 600\n")
        program.chmod(0o755)
        super().__init__(ports=range(5201, 5204), bind="127.0.0.1", clock=SystemClock(), program=str(program))

    def serving(self) -> dict[int, int]:
        return {run: port for run, (port, server) in self._servers.items() if server.status.health is Health.UP}


@pytest.fixture
async def pool(world: World, tmp_path: Path) -> AsyncIterator[Pool]:
    made = Pool(tmp_path)
    world.progress._iperf = made
    yield made
    await made.close()


def failed(stage: str) -> Outcome:
    return honest.outcome(stage, verdict=Verdict.ERROR, reason="not measured")


async def test_a_held_run_keeps_its_server_for_the_stage_that_is_tried_again(world: World, pool: Pool) -> None:
    run_id = await world.begun()
    assert world.claimed is not None and world.claimed.iperf is not None
    told = world.claimed.iperf.port
    await world.reach(run_id, "SMART")
    await world.post(run_id, "SMART", outcome=failed("SMART"))
    assert pool.serving() == {run_id: told}
    await world.progress.retry(run_id, who="tester", because=wire.Because())
    assert pool.serving() == {run_id: told}


async def test_a_run_that_is_over_gives_its_server_back(world: World, pool: Pool) -> None:
    run_id = await world.begun()
    await world.post(run_id, "Inventory", outcome=failed("Inventory"))
    await world.progress.release(run_id, who="tester", because=wire.Because())
    assert pool.serving() == {}
    other = await world.begun()
    assert list(pool.serving()) == [other]


async def test_an_agent_that_claims_again_in_a_hold_is_told_of_the_server(world: World, pool: Pool) -> None:
    run_id = await world.begun()
    assert world.claimed is not None and world.claimed.iperf is not None
    told = world.claimed.iperf.port
    await world.post(run_id, "Inventory", outcome=failed("Inventory"))
    again = await world.claim(world.token)
    assert again.holding and again.iperf is not None
    assert again.iperf.port == told


async def test_after_a_restart_the_same_port_serves_the_same_run(world: World, pool: Pool, tmp_path: Path) -> None:
    await pool.lease(99)  # the first port is taken, and free again after the restart
    run_id = await world.begun()
    assert pool.serving()[run_id] == 5202
    await pool.close()
    fresh = Pool(tmp_path)
    world.progress._iperf = fresh
    await world.progress.resume()
    assert fresh.serving() == {run_id: 5202}
    await fresh.close()


async def test_a_lost_run_gives_its_port_back_and_gets_one_when_it_is_tried_again(world: World, pool: Pool) -> None:
    run_id = await world.begun()
    world.clock.pass_s(61.0)
    await world.progress.lost(run_id, 61.0)
    assert await world.state(run_id) is RunState.FAILED
    assert pool.serving() == {}
    await world.beat(run_id, "running", stage="Inventory", attempt=1)
    await world.progress.retry(run_id, who="tester", because=wire.Because())
    assert list(pool.serving()) == [run_id]
