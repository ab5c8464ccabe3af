"""Every host at a glance: the right runs, nothing that is gone, and as many queries for one host as for many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vetting import wire
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.states import RunState
from vetting.store import attempts, fleet, hosts, runs
from vetting.store.db import Store
from vetting.store.fleet import FleetRow
from vetting.store.models import Host
from vetting.store.rows import HostRow, NewRun, RunRow


def look(store: Store) -> dict[str, FleetRow]:
    return {row.name: row for row in store.read_now(fleet.look)}


def ended(run_id: int, state: RunState, word: str, *qualifiers: str, at: float = 300.0) -> None:
    detail = {"word": word, "qualifiers": list(qualifiers), "report": "/x", "of another version": [1]}
    runs.move(run_id, RunState.QUEUED, state, verdict="in words", verdict_detail=detail, ended_at=at)


def test_a_host_without_a_run_has_none(store: Store, host: HostRow) -> None:
    row = look(store)["pve1"]
    assert (row.newest, row.last, row.macs) == (None, None, ("aa:bb:cc:00:11:22",))


def test_the_newest_run_is_shown_beside_the_last_one_that_is_over(store: Store, run: RunRow, new_run: NewRun) -> None:
    store.write_now(lambda: ended(run.id, RunState.COMPLETED, "passed, not vetted", "shortened: by hand"))
    second = store.write_now(lambda: runs.create(replace(new_run, non_destructive=True), now=400.0))
    row = look(store)["pve1"]
    assert row.newest is not None
    assert (row.newest.run_id, row.newest.state, row.newest.non_destructive) == (second.id, RunState.QUEUED, True)
    assert row.last is not None
    assert (row.last.run_id, row.last.word, row.last.qualifiers) == (
        run.id,
        "passed, not vetted",
        ("shortened: by hand",),
    )
    assert row.last.ended_at == 300.0


def test_a_held_run_is_not_over(store: Store, run: RunRow) -> None:
    store.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.FAILED_HOLDING, failed_stage="SMART"))
    row = look(store)["pve1"]
    assert row.newest is not None
    assert (row.newest.failed_stage, row.last) == ("SMART", None)


def test_of_runs_that_are_over_the_last_one_counts_whatever_came_of_it(
    store: Store, run: RunRow, new_run: NewRun
) -> None:
    def act() -> int:
        ended(run.id, RunState.COMPLETED, "vetted")
        second = runs.create(new_run, now=400.0)
        runs.move(second.id, RunState.QUEUED, RunState.FAILED, failed_stage="dispatch", reason="nobody came")
        return second.id

    second = store.write_now(act)
    last = look(store)["pve1"].last
    assert last is not None
    assert (last.run_id, last.state, last.word) == (second, RunState.FAILED, "")


@pytest.mark.parametrize(("stage", "number", "done"), [("Storage", 1, 40.0), ("SMART", 1, 0.0), ("Storage", 2, 0.0)])
def test_progress_is_of_the_attempt_that_runs_or_of_none(
    store: Store, run: RunRow, stage: str, number: int, done: float
) -> None:
    beat = wire.Heartbeat(
        boot_id="b", seq=1, doing="running", stage=stage, attempt=number, progress=wire.Progress(done=40, of=100)
    )

    def act() -> None:
        runs.move(run.id, RunState.QUEUED, RunState.STORAGE, stage="Storage", heartbeat_at=5.0, heartbeat=beat)
        attempts.open_attempt(run.id, "Storage", now=210.0)

    store.write_now(act)
    newest = look(store)["pve1"].newest
    assert newest is not None
    assert (newest.attempt, newest.attempt_at, newest.heartbeat_at) == (1, 210.0, 5.0)
    assert newest.progress.done == done


def test_a_removed_host_is_not_shown_and_its_addresses_are_free(store: Store, run: RunRow) -> None:
    assert store.read_now(fleet.addresses) == {"aa:bb:cc:00:11:22"}
    store.write_now(lambda: hosts.remove(run.host_id, now=500.0))
    assert look(store) == {}
    assert store.read_now(fleet.addresses) == frozenset()


def test_some_are_found_by_their_number_or_by_any_of_their_runs(store: Store, run: RunRow, new_run: NewRun) -> None:
    second = store.write_now(lambda: hosts.create("pve2", now=1.0))
    third = store.write_now(lambda: hosts.create("pve3", now=1.0))
    store.write_now(lambda: runs.create(new_run, now=400.0))  # pve1's newest; its older run leads to it as well

    def some() -> list[str]:
        return [row.name for row in fleet.look(hosts={second.id}, runs={run.id, 999})]

    assert store.read_now(some) == ["pve1", "pve2"]
    assert store.read_now(lambda: [row.name for row in fleet.look(hosts=set(), runs={999})]) == []
    assert [row.host_id for row in store.read_now(lambda: fleet.look(hosts=[third.id]))] == [third.id]


def test_every_serial_number_of_a_host_is_known(store: Store, host: HostRow) -> None:
    spec = ExpectedSpec(system_serial="S-1", disks=(ExpectedDisk(serial="D-1"),))
    identity = Identity(board_serial="B-1", disk_serials=("D-2",))
    store.write_now(lambda: hosts.edit(host.id, spec=spec, identity=identity))
    assert {one for one in store.read_now(fleet.serials)[host.id] if one} == {"S-1", "D-1", "B-1", "D-2"}


def test_many_hosts_take_as_many_queries_as_one(store: Store, run: RunRow, new_run: NewRun) -> None:
    def asked() -> list[str]:
        said: list[str] = []
        connection = Host._meta.database.connection()
        connection.set_trace_callback(said.append)
        try:
            fleet.look()
        finally:
            connection.set_trace_callback(None)
        return [text for text in said if text.startswith("SELECT")]

    few = store.read_now(asked)

    def add() -> None:
        for number in range(30):
            made = hosts.create(f"more-{number}", now=1.0)
            runs.create(replace(new_run, host_id=made.id, host_name=made.name), now=1.0)

    store.write_now(add)
    many = store.read_now(asked)
    assert len(store.read_now(fleet.look)) == 31
    assert len(few) == len(many) == 2
    assert not any(column in many[0] for column in ('"profile"', '"spec"', '"expected_disks"', '"identity"'))
