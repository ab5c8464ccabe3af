"""Who needs attention, who is silent, how long it takes at least, how warm it is now, and in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import honest
from tests.fakes.clock import FakeClock
from vetting.domain.profiles import QUICK
from vetting.domain.states import RunState
from vetting.orchestrator.fleet import Fleet, Group, HostNow, Sort, counts, natural, ordered
from vetting.orchestrator.forecast import forecast
from vetting.orchestrator.latest import FRESH_S, MOST_RUNS, Latest
from vetting.stages import STAGES
from vetting.store import attempts, hosts, runs
from vetting.store.db import Store
from vetting.store.rows import NewRun

NEW = NewRun(
    host_id=0, host_name="", profile=QUICK, non_destructive=False, start_by="manual", requested_by="ada",
    spec=honest.SPEC, expected_disks=honest.SPEC.disks,
)  # fmt: skip


class Place:
    """A fleet over a store of its own, filled by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = Store.open(folder / "vetting.db")
        self.latest = Latest(self.clock)
        self.fleet = Fleet(store=self.store, clock=self.clock, latest=self.latest)

    def host(self, name: str, *, seen_s: float | None = None, macs: tuple[str, ...] = (), note: str = "") -> int:
        def act() -> int:
            made = hosts.create(name, now=1.0, macs=macs, note=note, spec=honest.SPEC)
            hosts.edit(made.id, reporter_seen_at=None if seen_s is None else self.clock.now() - seen_s)
            return made.id

        return self.store.write_now(act)

    def run(self, host_id: int, state: RunState, *, beat_s: float | None = None, **changes: object) -> int:
        beat_at = None if beat_s is None else self.clock.now() - beat_s

        def act() -> int:
            host = hosts.get(host_id)
            made = runs.create(replace(NEW, host_id=host.id, host_name=host.name), now=1.0)
            runs.move(made.id, RunState.QUEUED, state, heartbeat_at=beat_at, **changes)  # type: ignore[arg-type]
            return made.id

        return self.store.write_now(act)

    def working(self, host_id: int, stage: str, state: RunState, *, since_s: float = 0.0) -> int:
        run_id = self.run(host_id, state, beat_s=1.0, stage=stage)
        self.store.write_now(lambda: attempts.open_attempt(run_id, stage, now=self.clock.now() - since_s))
        return run_id

    async def now(self) -> dict[str, HostNow]:
        return {host.name: host for host in await self.fleet.hosts()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def groups(host: HostNow) -> set[Group]:
    return set(host.groups) - {Group.ALL}


async def test_hosts_are_grouped_by_what_they_need(place: Place) -> None:
    place.host("new")
    place.run(
        place.host("held", seen_s=900), RunState.FAILED_HOLDING, beat_s=2.0, stage="Storage", failed_stage="Storage"
    )
    place.run(place.host("lost"), RunState.FAILED, beat_s=900.0, stage="Burn", failed_stage="Burn")
    place.run(place.host("booting"), RunState.BOOTING)
    place.working(place.host("works"), "CPUStress", RunState.CPU_STRESS)
    place.run(place.host("done", seen_s=20), RunState.COMPLETED)
    found = await place.now()
    assert groups(found["new"]) == {Group.IDLE, Group.NEVER, Group.OFFLINE}
    assert groups(found["held"]) == {Group.ATTENTION, Group.NEVER}
    assert groups(found["lost"]) == {Group.ATTENTION, Group.OFFLINE}
    assert groups(found["booting"]) == {Group.RUNNING, Group.NEVER}
    assert groups(found["works"]) == {Group.RUNNING, Group.NEVER}
    assert groups(found["done"]) == {Group.IDLE}
    assert counts(found.values()) == {
        Group.ALL: 6, Group.ATTENTION: 2, Group.RUNNING: 2, Group.IDLE: 2, Group.NEVER: 4, Group.OFFLINE: 2,
    }  # fmt: skip
    names = [host.name for host in ordered(found.values(), Sort.ATTENTION)]
    assert names == ["held", "lost", "booting", "works", "done", "new"]


async def test_a_host_that_works_and_says_nothing_needs_attention(place: Place) -> None:
    place.working(place.host("h"), "Burn", RunState.BURN)
    place.clock.pass_s(58.0)
    assert Group.ATTENTION not in (await place.now())["h"].groups
    place.clock.pass_s(2.0)
    assert {Group.ATTENTION, Group.RUNNING, Group.OFFLINE} <= (await place.now())["h"].groups


async def test_the_sign_of_life_is_the_agents_while_a_run_has_the_host(place: Place) -> None:
    works, idle = place.host("works", seen_s=500), place.host("idle", seen_s=59)
    place.working(works, "Burn", RunState.BURN)
    place.run(idle, RunState.COMPLETED, beat_s=3000.0)
    found = await place.now()
    assert (found["works"].beat.who, found["works"].beat.silent) == ("agent", False)
    assert (found["idle"].beat.who, found["idle"].beat.silent) == ("reporter", False)
    place.clock.pass_s(1.0)
    assert (await place.now())["idle"].beat.silent


async def test_the_time_left_is_the_forecast_of_this_stage_and_of_those_to_come(place: Place) -> None:
    place.working(place.host("h"), "Burn", RunState.BURN, since_s=50.0)
    expected = forecast(QUICK, honest.SPEC, None, STAGES, non_destructive=False)
    seconds = {stage.name: stage.seconds for stage in expected.stages}
    to_come = seconds["GPU"] + seconds["PSU"] + seconds["Reporting"]
    assert to_come > QUICK.psu.seconds > 0
    left = (await place.now())["h"].left
    assert left is not None
    assert left.seconds == pytest.approx(seconds["Burn"] - 50.0 + to_come)
    assert left.least  # nobody knows how many of its cards have a link
    place.clock.pass_s(10_000.0)  # this stage takes longer than it should; what comes after it still takes its time
    late = (await place.now())["h"].left
    assert late is not None
    assert (late.seconds, late.least) == (to_come, True)


async def test_the_time_left_is_about_so_long_where_the_host_is_known(place: Place) -> None:
    run_id = place.working(place.host("h"), "Burn", RunState.BURN)

    def passed() -> None:
        attempts.open_attempt(run_id, "Inventory", now=1.0)
        outcome = honest.outcome("Inventory")
        attempts.close_attempt(run_id, "Inventory", 1, now=2.0, verdict=outcome.verdict, outcome=outcome)

    place.store.write_now(passed)
    left = (await place.now())["h"].left
    assert left is not None
    assert not left.least
    place.clock.pass_s(10_000.0)
    late = (await place.now())["h"].left
    assert late is not None
    assert late.least


async def test_the_time_left_is_not_known_before_a_stage_runs_or_when_it_is_held(place: Place) -> None:
    place.run(place.host("booting"), RunState.BOOTING)
    place.run(place.host("held"), RunState.FAILED_HOLDING, stage="Burn", failed_stage="Burn")
    assert [host.left for host in await place.fleet.hosts()] == [None, None]


@pytest.mark.parametrize(
    ("failed_stage", "step"),
    [("Storage", 6), ("Inventory (expected CPUStress)", 1), ("nonsense (expected CPUStress)", 5), ("dispatch", 5)],
)
async def test_a_held_run_stands_at_the_stage_that_failed(place: Place, failed_stage: str, step: int) -> None:
    place.run(place.host("h"), RunState.FAILED_HOLDING, stage="CPUStress", failed_stage=failed_stage)
    assert (await place.now())["h"].step == step


async def test_a_run_that_never_came_stands_at_no_stage(place: Place) -> None:
    place.run(place.host("h"), RunState.FAILED, failed_stage="dispatch")
    assert (await place.now())["h"].step == 0


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("pve",), {"pve-1", "pve-2"}),
        (("rack", "7"), {"pve-2"}),
        (("d1",), {"pve-1", "pve-2", "other"}),  # the serial of their disk
        (("52:54:00:aa",), {"pve-1"}),
        (("5254.00aa",), {"pve-1"}),
        (("52-54-00-aa-00-01",), {"pve-1"}),
        (("pve", "nothing"), set()),
    ],
)
async def test_hosts_are_found_by_name_note_address_and_serial(
    place: Place, words: tuple[str, ...], names: set[str]
) -> None:
    ids = {
        place.host("pve-1", macs=("52:54:00:aa:00:01",)): "pve-1",
        place.host("pve-2", note="Rack 7, new board"): "pve-2",
        place.host("other"): "other",
    }
    assert {ids[one] for one in await place.fleet.matching(words)} == names


async def test_orders_other_than_the_first(place: Place) -> None:
    cold = place.working(place.host("h10"), "Burn", RunState.BURN)
    hot = place.working(place.host("h9"), "SMART", RunState.SMART)
    place.run(place.host("old"), RunState.COMPLETED, ended_at=10.0)
    place.run(place.host("young"), RunState.COMPLETED, ended_at=20.0)
    place.latest.heard(cold, ("temp.cpu",), [(0, 0, 40.0)])
    place.latest.heard(hot, ("temp.cpu",), [(0, 0, 80.0)])
    every = await place.fleet.hosts()

    def names(sort: Sort) -> list[str]:
        return [host.name for host in ordered(every, sort)]

    assert names(Sort.NAME) == ["h9", "h10", "old", "young"]
    assert names(Sort.TEMPERATURE) == ["h9", "h10", "old", "young"]
    assert names(Sort.STATE) == ["h10", "h9", "old", "young"]  # the furthest first
    assert names(Sort.VERDICT) == ["h9", "h10", "old", "young"]


def test_names_with_numbers_stand_in_the_order_of_the_numbers() -> None:
    names = ["pve-10", "pve-2", "2b", "a", "pve-2-3"]
    assert sorted(names, key=natural) == ["2b", "a", "pve-2", "pve-2-3", "pve-10"]


def test_the_hottest_of_now_is_told_and_none_of_before() -> None:
    clock = FakeClock()
    latest = Latest(clock)
    latest.heard(7, ("temp.cpu", "temp.disk", "power.psu1"), [(0, 1, 90.0), (0, 2, 61.0), (1, 2, 45.0), (2, 2, 400.0)])
    hottest = latest.hottest(7)
    assert hottest is not None
    assert (hottest.series, hottest.celsius) == ("temp.cpu", 61.0)  # 90 was before
    clock.pass_s(20.0)
    latest.heard(7, ("temp.disk",), [(0, 3, 46.0)])
    clock.pass_s(FRESH_S - 15.0)
    hottest = latest.hottest(7)
    assert hottest is not None
    assert hottest.series == "temp.disk"  # the processor has not spoken for too long
    clock.pass_s(FRESH_S)
    assert latest.hottest(7) is None


def test_a_temperature_that_is_none_is_not_told_and_an_ended_run_is_forgotten() -> None:
    latest = Latest(FakeClock())
    latest.heard(7, ("temp.cpu",), [(0, 1, float("nan")), (0, 2, float("inf"))])
    assert latest.hottest(7) is None
    latest.heard(7, ("temp.cpu",), [(0, 3, 50.0)])
    latest.forget(7)
    assert latest.hottest(7) is None
    assert latest.hottest(8) is None


def test_what_is_kept_of_temperatures_is_bounded() -> None:
    clock = FakeClock()
    latest = Latest(clock)
    for run_id in range(MOST_RUNS + 5):
        latest.heard(run_id, ("temp.cpu",), [(0, 1, 50.0)])
    assert latest.hottest(4) is None
    assert latest.hottest(5) is not None
    clock.pass_s(FRESH_S + 1.0)
    latest.heard(9999, ("temp.cpu",), [(0, 1, 50.0)])
    assert len(latest._runs) == 1
