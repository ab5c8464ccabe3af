"""From run to run: one figure a run of what is worth following, and a mark on what got worse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import records
from vetting.domain.outcome import Measurement
from vetting.store import Store, attempts, measurements
from vetting.web.pages.trends import Figure, Group, Trend, TrendReader, grouped

DISK = "disk:S1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "vetting.db")
    yield store
    store.close()


def figure(group: Group, value: float, name: str = "x", unit: str = "") -> Figure:
    return Figure(group=group, name=name, unit=unit, value=value)


def only(*runs: tuple[Figure, ...]) -> Trend:
    (group,) = grouped(dict(enumerate(runs, 1)))
    (trend,) = group.trends
    return trend


@pytest.mark.parametrize(
    ("group", "was", "now", "says"),
    [
        (Group.DRIVES, 0, 3, "grown by 3"),
        (Group.DRIVES, 3, 3, ""),
        (Group.DRIVES, 5, 3, ""),
        (Group.HEAT, 70, 76, "6 °C hotter"),
        (Group.HEAT, 70, 74, ""),
        (Group.NETWORK, 9400, 4700, "50% slower"),
        (Group.NETWORK, 9400, 9300, ""),
        (Group.REQUESTS, 1000, 2000, ""),
        (Group.DISKS, 0, 0, ""),
        (Group.POWER, 200, 260, "30% more"),
    ],
)
def test_what_got_worse_since_the_run_before_is_marked(group: Group, was: float, now: float, says: str) -> None:
    assert only((figure(group, was),), (figure(group, now),)).worse == says


def test_nothing_is_said_against_a_run_that_did_not_measure_it() -> None:
    other = figure(Group.HEAT, 50)
    groups = grouped({1: (figure(Group.DRIVES, 0), other), 2: (figure(Group.DRIVES, 9), other), 3: (other,)})
    assert [trend.worse for group in groups for trend in group.trends] == ["", ""]


def test_counters_that_stand_at_zero_are_counted_and_not_listed() -> None:
    zero = tuple(figure(Group.DRIVES, 0, f"disk {n}") for n in range(5))
    (group,) = grouped({1: (*zero, figure(Group.DRIVES, 1, "bad")), 2: zero})
    assert (len(group.trends), group.quiet, group.worse) == (1, 5, 0)


def test_the_line_stays_in_its_box_and_one_run_is_a_point() -> None:
    line = only(*((figure(Group.HEAT, value),) for value in (60, 61, 90, 60))).line
    assert list(line) == [(4, 20.0), (34.7, 19.5), (65.3, 4.0), (96, 20.0)]
    assert list(only((figure(Group.HEAT, 60),)).line) == [(4, 12.0)]


def test_figures_come_from_what_was_measured_and_a_finished_run_is_read_once(store: Store) -> None:
    for worse in (0.0, 1.0):
        story = records.vetted(store)
        told = (
            Measurement(series="disk.s1.reallocated_sectors", value=8 * worse, unit="events", component=DISK),
            Measurement(series="disk.s1.fio.iops", value=1000 - 200 * worse, unit="/s", component=DISK),
            Measurement(series="disk.s1.surface.verify.1.mean", value=180, unit="MiB/s", component=DISK),
            Measurement(series="net.eno1.to_server", value=9400, unit="Mb/s", component="nic:aa"),
            Measurement(series="net.eno1.link", value=10000, unit="Mb/s", component="nic:aa"),
            Measurement(series="psu.power.psu1.max", value=400, unit="W", component="psu"),
            Measurement(series="disk.s1.fio.p99", value=float("nan"), unit="ms", component=DISK),
        )
        store.write_now(lambda told=told, story=story: measurements.put(story.run_id, "Storage", 1, told))  # type: ignore[misc]
        records.completed(story)
    reader = TrendReader()
    host_id = 1
    groups = {one.group: one for one in store.read_now(lambda: reader.of(host_id))}
    assert list(groups) == list(Group)
    assert [one.worse for one in groups[Group.DRIVES].trends] == ["grown by 8"]
    assert [one.worse for one in groups[Group.REQUESTS].trends] == ["20% slower"]
    assert [one.name for one in groups[Group.NETWORK].trends] == ["eno1 to server"]
    hot = {one.name: one.last.value for one in groups[Group.HEAT].trends}
    assert hot["coretemp, highest"] == pytest.approx(74, abs=3)
    assert hot["nvme, highest"] < 60
    store.write_now(lambda: measurements.put(1, "Storage", 1, ()))
    again = store.read_now(lambda: reader.of(host_id))
    assert again == tuple(groups.values())


def test_a_run_that_goes_on_is_not_compared(store: Store) -> None:
    story = records.up_to_cpu(records.Story(store))
    assert store.read_now(lambda: attempts.running(story.run_id)) is not None
    assert store.read_now(lambda: TrendReader().of(1)) == ()
