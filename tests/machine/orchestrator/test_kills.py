"""The orchestrator is killed at fifty random moments: nothing that it acknowledged is lost, and nothing advances."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import sqlite3
import time
from collections import Counter
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes import honest
from tests.fakes.rig import ServeProcess, serving
from tests.machine.orchestrator.scripted_rack import WAITS, Ledger, Place
from vetting import wire
from vetting.client import Client
from vetting.domain.outcome import Verdict
from vetting.domain.states import CLOSED, IN_STAGE, MOVES, STAGE_OF, STAGE_ORDER, Event, Reenter, RunState
from vetting.store import artifacts, attempts, logs, runs, samples
from vetting.store.artifacts import Room
from vetting.store.db import reading
from vetting.store.rows import AttemptRow, RunRow, TransitionRow

pytestmark = pytest.mark.machine
KILLS = 50
PLACES = 4
BELIEVED = (Verdict.PASS, Verdict.SKIP)


@pytest.mark.timeout(300)
async def test_fifty_kills_lose_nothing_and_advance_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("VETTING_SEED") or random.SystemRandom().getrandbits(32))
    print(f"VETTING_SEED={seed}")  # pytest shows it when the test fails
    began, dice, ledger = time.monotonic(), random.Random(seed), Ledger()
    async with serving(tmp_path) as server, AsyncExitStack() as stack:
        over = asyncio.Event()
        async with asyncio.TaskGroup() as rack:
            for number in range(PLACES):
                place = await a_place(server, stack, number, ledger, dice.getrandbits(32))
                rack.create_task(place.live(over.is_set))
            caught = await kill_again_and_again(server, dice, tmp_path)
            over.set()
        await everything_is_answered_again(server, ledger)
        assert await server.stop() == 0
    the_iperf_ports_are_free(server)
    assert "Traceback" not in (said := server.log.read_text()), said[-4000:]
    found = look_at(server.data)
    nothing_is_lost(server.data, found, ledger)
    ends = Counter(str(run.state) for run, _, _ in found)
    with capsys.disabled():
        print(
            f"\n  {KILLS} kills (seed {seed}, {caught} while it started) in {time.monotonic() - began:.0f} s: "
            f"{len(ledger.started)} runs started, none lost ({', '.join(f'{n} {state}' for state, n in ends.items())}), "
            f"{len(ledger.results)} results acknowledged, {ledger.batches} batches with "
            f"{sum(map(len, ledger.values.values()))} samples and {sum(map(len, ledger.lines.values()))} lines, "
            f"{len(ledger.artifacts)} artifacts, {len(ledger.decided)} decisions; "
            f"{', '.join(f'{n} × {script}' for script, n in sorted(ledger.scripts.items()))}"
        )
    assert ends["Completed"] >= PLACES
    assert len(ledger.results) > KILLS


def the_iperf_ports_are_free(server: ServeProcess) -> None:
    """No iperf3 outlives the orchestrator that started it, however that ended."""
    for port in server.iperf:
        with socket.create_server(("127.0.0.1", port)):
            pass


async def a_place(server: ServeProcess, stack: AsyncExitStack, number: int, ledger: Ledger, seed: int) -> Place:
    name = f"host-{number}"
    operator = await stack.enter_async_context(server.operator(**WAITS))
    agent = Client(server.url, server.fingerprint, **WAITS)
    await operator.call("/api/hosts", wire.HostEdit(name=name, spec=honest.SPEC), wire.HostView)
    return Place(
        server=server, name=name, ledger=ledger, dice=random.Random(seed), operator=operator,
        agent=await stack.enter_async_context(agent),
    )  # fmt: skip


async def kill_again_and_again(server: ServeProcess, dice: random.Random, folder: Path) -> int:
    """Kills it at random moments, some of them while it starts. Returns how many of these."""
    starting = 0
    for number in range(1, KILLS + 1):
        if dice.random() < 0.2:
            await asyncio.sleep(dice.uniform(0.0, 1.0))
            assert server.process is not None
            starting += 1
        else:
            await server.ready()
            await asyncio.sleep(dice.uniform(0.0, 0.7))
        await server.kill()
        if number % 10 == 0:
            await asyncio.to_thread(the_files_are_sound, server.data, folder / f"copy-{number}")
        await server.spawn()
    await server.ready()
    return starting


def the_files_are_sound(data: Path, copy: Path) -> None:
    """What a killed orchestrator left, looked at in a copy: whoever opens a database mends it."""
    copy.mkdir()
    for part in data.glob("vetting.db*"):
        if part.is_file():
            shutil.copyfile(part, copy / part.name)
    integrity(copy)
    with reading(copy / "vetting.db"):
        for run in runs.listing(limit=10_000):
            moves_are_lawful(run, runs.transitions_of(run.id), attempts.attempts_of(run.id))
    shutil.rmtree(copy)


def integrity(data: Path) -> None:
    connection = sqlite3.connect(data / "vetting.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


async def everything_is_answered_again(server: ServeProcess, ledger: Ledger) -> None:
    """Every result that was acknowledged, posted again: the same answer, and nothing else happens."""
    async with server.operator(**WAITS) as operator:
        before = await operator.get("/api/runs", tuple[wire.RunView, ...])
        for said in ledger.results:
            operator.token = said.token
            assert await operator.insist("/api/agent/result", said.result, wire.ResultReply) == said.answer
    async with server.operator(**WAITS) as operator:
        assert [(run.id, run.state, run.ended_at) for run in before] == [
            (run.id, run.state, run.ended_at) for run in await operator.get("/api/runs", tuple[wire.RunView, ...])
        ]


Found = list[tuple[RunRow, list[TransitionRow], list[AttemptRow]]]


def look_at(data: Path) -> Found:
    integrity(data)
    with reading(data / "vetting.db"):
        return [(run, runs.transitions_of(run.id), attempts.attempts_of(run.id)) for run in runs.listing(limit=10_000)]


def moves_are_lawful(run: RunRow, moves: list[TransitionRow], tries: list[AttemptRow]) -> None:
    """From the table alone: no move that it does not know, none past a stage that was not passed in the same moment."""
    assert (moves[0].event, moves[0].to_state) == ("created", RunState.QUEUED)
    assert moves[-1].to_state is run.state, run
    for before, move in pairwise(moves):
        assert move.from_state is before.to_state, (run.id, move)
        assert move.from_state is not None
        target = MOVES[move.from_state, Event(move.event)]
        if isinstance(target, Reenter):
            assert move.to_state is next(
                one.to_state for one in reversed(moves) if one.id < move.id and one.to_state in IN_STAGE
            )
        else:
            assert move.to_state is target
        if move.event == Event.STAGE_PASSED:
            stage = STAGE_OF[move.from_state]
            passed = [one for one in tries if one.stage == stage and one.verdict in BELIEVED]
            assert [one.ended_at for one in passed] == [move.at], (run.id, stage, passed)
    for earlier, later in pairwise(tries):
        assert earlier.ended_at is not None, (run.id, earlier, "two attempts run")
        assert earlier.ended_at <= later.started_at, (run.id, earlier, later)
    if run.state in CLOSED:
        assert all(one.ended_at is not None for one in tries)


def nothing_is_lost(data: Path, found: Found, ledger: Ledger) -> None:
    known = {run.id: run for run, _, _ in found}
    assert set(ledger.started) <= set(known)
    assert len(ledger.started) == len(set(ledger.started))
    for run, moves, tries in found:
        moves_are_lawful(run, moves, tries)
        unheard = run.id not in ledger.started  # its Start was never acknowledged, and it was cancelled
        expected = "Cancelled" if unheard else ledger.ends[run.id].removesuffix(" from a hold")
        assert str(run.state) == expected, run
        if run.state is RunState.COMPLETED:
            assert {one.stage for one in tries if one.verdict in BELIEVED} == set(STAGE_ORDER)
            assert (data / "reports" / f"run-{run.id}" / "report.html").is_file()
        events = Counter(move.event for move in moves)
        assert not Counter(event for number, event in ledger.decided if number == run.id) - events
    verdicts = {(run.id, one.stage, one.attempt): one for run, _, tries in found for one in tries}
    for said in ledger.results:
        row = verdicts[said.run_id, said.result.stage, said.result.attempt]
        assert (str(row.verdict), row.answer) == (said.answer.verdict, said.answer)
    with reading(data / "vetting.db"):
        for (run_id, name), values in ledger.values.items():
            assert sorted(samples.read_series(run_id, name).values) == sorted(values)
        for run_id, texts in ledger.lines.items():
            told = [row.text for row in logs.lines(run_id, limit=100_000) if row.source != "orchestrator"]
            assert told == texts
        room = Room(data, quota_bytes=1)
        for run_id, stage, attempt, name, checksum in ledger.artifacts:
            kept = artifacts.find(run_id, stage, attempt, name)
            assert kept is not None
            assert (kept.sha256, room.objection(kept)) == (checksum, "")
