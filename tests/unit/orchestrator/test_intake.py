"""What agents send all the time: stored once, judged as it comes, bounded, and acknowledged only when it is committed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.errors import BadInput, Conflict, TooLarge, Unavailable
from vetting.domain.outcome import Finding, Severity
from vetting.domain.thresholds import Op, Threshold
from vetting.orchestrator import intake as intakes
from vetting.orchestrator.intake import Intake
from vetting.orchestrator.witness import Witnesses
from vetting.store import artifacts, findings, logs, runs, samples, thresholds
from vetting.store.rows import BreachRow

T = TypeVar("T")
HOT = Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0, severity=Severity.CRITICAL, hold_samples=3)
EARLY = Threshold(
    series="temp.*", op=Op.AT_MOST, limit=50.0, severity=Severity.WARNING, hold_samples=1, stages=("Inventory",)
)


class Host:
    """A run's host that sends batches, each with the next number."""

    def __init__(self, world: World, run_id: int) -> None:
        self.world = world
        self.run_id = run_id
        self.intake = world.intake
        self.seq = 0
        self.now_ms = 1_000_000

    async def send(self, *values: float, series: str = "temp.cpu", **changes: Any) -> int:
        """A second passes with each sample. Returns how many were stored."""
        first_ms = self.now_ms
        self.now_ms += 1000 * len(values)
        self.world.clock.pass_s(len(values))
        self.seq += 1
        said = {
            "boot_id": self.world.boot_id, "seq": self.seq, "stage": "", "now_ms": self.now_ms, "names": (series,),
            "units": ("C",),
            "samples": tuple(wire.Sample(0, first_ms + 1000 * (at + 1), one) for at, one in enumerate(values)),
        }  # fmt: skip
        return await self.intake.samples(self.run_id, wire.SensorBatch(**{**said, **changes}))

    async def tell(self, *texts: str, found: tuple[Finding, ...] = (), **changes: Any) -> int:
        self.seq += 1
        lines = tuple(
            wire.LogLine(at_ms=self.now_ms, stage="Inventory", level="info", source="agent", text=text)
            for text in texts
        )
        said = {
            "boot_id": self.world.boot_id,
            "seq": self.seq,
            "now_ms": self.now_ms,
            "lines": lines,
            "findings": found,
        }
        return await self.intake.lines(self.run_id, wire.LogBatch(**{**said, **changes}))

    async def breaches(self) -> list[BreachRow]:
        return await self.world.store.read(lambda: thresholds.breaches_of(self.run_id))

    async def values(self, series: str = "temp.cpu") -> list[float]:
        return list((await self.world.store.read(lambda: samples.read_series(self.run_id, series))).values)

    def restart(self) -> None:
        """The orchestrator is another process now: what it kept in memory is gone."""
        room = artifacts.Room(self.world.store.path.parent, quota_bytes=10**9)
        self.intake = Intake(
            store=self.world.store, bus=self.world.bus, clock=self.world.clock, witnesses=Witnesses(self.world.clock),
            room=room,
        )  # fmt: skip


@pytest.fixture
async def host(world: World) -> Host:
    return Host(world, await with_limits(world, HOT))


async def with_limits(world: World, *rows: Threshold) -> int:
    run_id = await world.begun()
    await world.store.write(lambda: thresholds.seed(run_id, rows))
    return run_id


# --- breaches -----------------------------------------------------------------------------------------------------


async def test_a_breach_opens_after_so_many_bad_samples_and_closes_after_as_many_good_ones(host: Host) -> None:
    began = host.world.clock.now()
    await host.send(90.0, 96.0)
    await host.send(99.0)
    assert await host.breaches() == []
    await host.send(97.0)
    (breach,) = await host.breaches()
    assert (breach.series, breach.op, breach.limit, breach.severity) == ("temp.cpu", Op.AT_MOST, 95.0, HOT.severity)
    assert (breach.worst, breach.samples, breach.open) == (99.0, 3, True)
    assert (breach.stage, breach.attempt) == ("Inventory", 1)
    assert (breach.first_at, breach.last_at) == (began + 2, began + 4)  # of the first bad one, by our clock
    await host.send(94.0, 94.0)
    assert (await host.breaches())[0].open
    await host.send(94.0)
    (breach,) = await host.breaches()
    assert not breach.open


@pytest.mark.parametrize("values", [(96.0, 96.0, 90.0) * 4, (95.0,) * 9], ids=["never three in a row", "at the limit"])
async def test_what_does_not_stay_over_the_limit_is_no_breach(host: Host, values: tuple[float, ...]) -> None:
    for value in values:
        await host.send(value)
    assert await host.breaches() == []


async def test_a_good_sample_in_between_does_not_close_a_breach(host: Host) -> None:
    await host.send(96.0, 96.0, 96.0, 90.0, 90.0, 97.0, 90.0, 90.0)
    (breach,) = await host.breaches()
    assert (breach.open, breach.worst) == (True, 97.0)


async def test_a_breach_that_gets_worse_is_the_same_breach_and_says_how_bad(host: Host) -> None:
    await host.send(96.0, 96.0, 96.0)
    await host.send(104.0)
    (breach,) = await host.breaches()
    assert (breach.worst, breach.samples) == (104.0, 4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
async def test_what_is_no_number_counts_as_bad(host: Host, value: float) -> None:
    await host.send(value, value, value)
    (breach,) = await host.breaches()
    assert breach.open
    assert not math.isfinite(breach.worst)
    witness = host.world.means.witnesses.of(host.run_id, "Inventory", 1)
    assert (witness.series, witness.not_numbers) == (Counter({"temp.cpu": 3}), Counter({"temp.cpu": 3}))


async def test_two_series_under_one_threshold_are_judged_each_by_itself(host: Host) -> None:
    for _ in range(2):
        await host.send(99.0, series="temp.one")
        await host.send(99.0, series="temp.two")
    assert await host.breaches() == []
    await host.send(99.0, series="temp.two")
    assert [breach.series for breach in await host.breaches()] == ["temp.two"]


async def test_a_restarted_intake_goes_on_with_an_open_breach(host: Host) -> None:
    await host.send(96.0, 96.0, 96.0)
    host.restart()
    await host.send(99.0)
    (breach,) = await host.breaches()
    assert (breach.open, breach.worst, breach.samples) == (True, 99.0, 4)
    host.restart()
    await host.send(90.0, 90.0, 90.0)
    (breach,) = await host.breaches()
    assert (breach.open, breach.worst) == (False, 99.0)


async def test_a_restarted_intake_goes_on_with_a_breach_of_no_number(host: Host) -> None:
    await host.send(math.nan, math.nan, math.nan)
    host.restart()
    await host.send(90.0, 90.0, 90.0)
    (breach,) = await host.breaches()
    assert not breach.open
    assert math.isnan(breach.worst)


async def test_a_stage_change_closes_what_is_in_force_no_more_and_tags_what_comes(world: World) -> None:
    host = Host(world, await with_limits(world, HOT, EARLY))
    await host.send(60.0)
    (breach,) = await host.breaches()
    assert (breach.open, breach.limit) == (True, 50.0)
    await world.post(host.run_id, "Inventory")
    await host.send(60.0, 96.0, 96.0, 96.0)
    before, after = await host.breaches()
    assert (before.open, before.stage) == (False, "Inventory")
    assert (after.open, after.limit, after.stage, after.attempt) == (True, 95.0, "Firmware", 1)
    counted = await world.store.read(lambda: samples.stats(host.run_id, stage="Firmware"))
    assert counted["temp.cpu"].count == 4


async def test_a_breach_left_open_by_a_stage_that_ended_while_we_were_down_is_closed(world: World) -> None:
    host = Host(world, await with_limits(world, EARLY))
    await host.send(60.0)
    await world.store.write(lambda: runs.change(host.run_id, stage="Firmware"))
    host.restart()
    await host.send(60.0)
    (breach,) = await host.breaches()
    assert not breach.open


async def test_a_breach_whose_commit_failed_is_found_when_the_batch_comes_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = host.world.store.write

    async def full(work: Callable[[], T]) -> T:
        def fails() -> T:
            work()
            raise Unavailable("the disk is full")

        return await write(fails)

    await host.send(96.0, 96.0)
    monkeypatch.setattr(host.world.store, "write", full)
    with pytest.raises(Unavailable):
        await host.send(96.0, 96.0, 96.0)
    assert await host.values() == [96.0, 96.0]  # not acknowledged, not there
    monkeypatch.setattr(host.world.store, "write", write)
    host.seq -= 1
    await host.send(96.0, 96.0, 96.0)
    (breach,) = await host.breaches()
    assert breach.open
    assert await host.values() == [96.0] * 5


async def test_a_breach_is_told_once_when_it_opens(host: Host) -> None:
    with host.world.bus.listen() as listener:
        await host.send(96.0, 96.0, 96.0, 96.0)
        told = [news for news in listener._queue if news.kind == "run.breach"]
    assert [(news.data["change"], news.data["text"]) for news in told] == [
        ("opened", "temp.cpu reached 96, limit <= 95")
    ]
    assert told[0].data["series"] == "temp.cpu" and told[0].data["first_at"] < told[0].data["last_at"]


# --- batches ------------------------------------------------------------------------------------------------------


async def test_a_batch_that_comes_again_is_neither_stored_nor_judged_twice(host: Host) -> None:
    await host.send(96.0)
    for _ in range(5):
        host.seq -= 1
        assert await host.send(96.0) == 0
    assert await host.values() == [96.0]
    assert await host.breaches() == []
    assert host.world.means.witnesses.of(host.run_id, "Inventory", 1).series == Counter({"temp.cpu": 1})


async def test_an_old_number_is_known_gaps_are_fine_and_another_boot_counts_anew(host: Host) -> None:
    assert await host.send(1.0, seq=5) == 1
    assert await host.send(2.0, seq=3) == 0
    assert await host.send(3.0, seq=9) == 1
    assert await host.send(4.0, seq=1, boot_id="boot-two") == 1
    assert await host.values() == [1.0, 3.0, 4.0]


async def test_a_restarted_orchestrator_still_knows_what_was_taken(host: Host) -> None:
    await host.send(1.0)
    host.restart()
    host.seq -= 1
    assert await host.send(1.0) == 0


async def test_samples_are_dated_by_our_clock_and_never_in_the_future(host: Host) -> None:
    now = host.world.clock.now()
    ages_ms = (5000, 0, -3_600_000)
    sent = tuple(wire.Sample(0, host.now_ms - age_ms, 1.0) for age_ms in ages_ms)
    await host.send(samples=sent, now_ms=host.now_ms)
    points = await host.world.store.read(lambda: samples.read_series(host.run_id, "temp.cpu"))
    assert list(points.at_ms) == [int(now * 1000) - 5000, int(now * 1000), int(now * 1000)]


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": (wire.Sample(0, 0, 1.0),) * (wire.MAX_SAMPLES + 1)},
        {"names": ("a",) * (wire.MAX_SAMPLES + 1), "units": ("C",) * (wire.MAX_SAMPLES + 1)},
        {"units": ()},
        {"samples": (wire.Sample(1, 0, 1.0),)},
        {"samples": (wire.Sample(-1, 0, 1.0),)},
    ],
    ids=["too many samples", "too many names", "a name without unit", "beyond the names", "before the names"],
)
async def test_an_impossible_batch_is_refused_and_its_number_is_not_used_up(
    host: Host, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadInput):
        await host.send(1.0, **changes)
    host.seq -= 1
    assert await host.send(2.0) == 1


async def test_a_run_that_is_over_takes_no_samples(host: Host) -> None:
    await host.send(1.0)
    await host.world.progress.cancel(host.run_id, who="ann", because=wire.Because())
    with pytest.raises(Conflict, match="is over"):
        await host.send(2.0)
    assert await host.values() == [1.0]
    assert host.intake._watched == {}


async def test_what_is_kept_of_ended_runs_is_dropped_though_their_agents_are_silent(host: Host) -> None:
    await host.send(1.0)
    await host.world.progress.cancel(host.run_id, who="ann", because=wire.Because())
    assert list(host.intake._watched) == [host.run_id]
    other = Host(host.world, await host.world.begun())
    await other.send(1.0)
    assert list(host.intake._watched) == [other.run_id]


# --- lines and findings -------------------------------------------------------------------------------------------


def finding(text: str, component: str = "dimm:A1") -> Finding:
    return Finding(severity=Severity.WARNING, component=component, text=text, source="kernel log")


async def test_lines_are_stored_once_in_their_order_and_dated_by_our_clock(host: Host) -> None:
    assert await host.tell("one", "two", "three") == 3
    host.seq -= 1
    assert await host.tell("one", "two", "three") == 0
    stored = await host.world.store.read(lambda: logs.lines(host.run_id))
    assert [line.text for line in stored] == ["one", "two", "three"]
    assert {line.at_ms for line in stored} == {int(host.world.clock.now() * 1000)}


async def test_samples_and_lines_count_their_batches_apart(host: Host) -> None:
    await host.send(1.0, seq=7)
    assert await host.tell("line", seq=7) == 1


async def test_findings_belong_to_the_stage_and_attempt_that_run_now(host: Host) -> None:
    await host.world.post(host.run_id, "Inventory")
    await host.world.claim(host.world.token)  # restarted: Firmware runs again as attempt 2
    with host.world.bus.listen() as listener:
        await host.tell("a line", found=(finding("corrected error"),))
        kinds = [news.kind for news in listener._queue]
    (kept,) = await host.world.store.read(lambda: findings.findings_of(host.run_id))
    assert (kept.stage, kept.attempt, kept.component, kept.text) == ("Firmware", 2, "dimm:A1", "corrected error")
    assert kinds == ["run.log", "run.finding"]


async def test_hostile_text_is_cut_to_its_bounds_and_otherwise_kept(host: Host) -> None:
    evil = "<script>'; DROP TABLE runs; --\x00\x1b[2J\n../../etc/passwd \U0001f4a3"
    huge = evil + "x" * 100_000
    line = wire.LogLine(at_ms=0, stage=huge, level=huge, source=huge, text=huge)
    await host.tell(lines=(line,), found=(finding(huge, component=huge),))
    (kept,) = await host.world.store.read(lambda: logs.lines(host.run_id))
    assert (len(kept.stage), len(kept.level), len(kept.source), len(kept.text)) == (40, 10, 40, intakes.MAX_TEXT)
    assert kept.text.startswith(evil)
    (found,) = await host.world.store.read(lambda: findings.findings_of(host.run_id))
    assert (len(found.component), len(found.text)) == (intakes.MAX_NAME, intakes.MAX_TEXT)


async def test_a_long_series_name_is_cut_and_stays_one_series(host: Host) -> None:
    name = "temp." + "x" * 100_000
    await host.send(96.0, 96.0, series=name, units=("C" * 5000,))
    await host.send(96.0, series=name)
    (row,) = await host.world.store.read(lambda: samples.series_of(host.run_id))
    assert (len(row.name), len(row.unit)) == (intakes.MAX_NAME, intakes.MAX_UNIT)
    assert await host.values(row.name) == [96.0] * 3
    assert [breach.series for breach in await host.breaches()] == [row.name]


async def test_a_host_that_makes_up_names_without_end_is_stopped(host: Host) -> None:
    with pytest.raises(BadInput, match="series"):
        for batch in range(samples.SERIES_OF_A_RUN // wire.MAX_SAMPLES + 1):
            names = tuple(f"temp.{batch}-{place}" for place in range(wire.MAX_SAMPLES))
            await host.send(
                names=names, units=("C",) * len(names),
                samples=tuple(wire.Sample(place, 0, 1.0) for place in range(len(names))),
            )  # fmt: skip
    assert len(await host.world.store.read(lambda: samples.series_of(host.run_id))) <= samples.SERIES_OF_A_RUN


# --- artifacts ----------------------------------------------------------------------------------------------------


async def upload(host: Host, room: artifacts.Room, data: bytes, name: str = "out.txt", **changes: Any) -> str:
    """Sent in small pieces. Returns the name it got."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]

    host.intake._room = room
    said = {
        "stage": "Inventory", "attempt": 1, "name": name, "sha256": hashlib.sha256(data).hexdigest(),
        "media_type": "text/plain", "body": pieces(), "max_bytes": 10_000,
    }  # fmt: skip
    return (await host.intake.artifact(host.run_id, **{**said, **changes})).name


async def test_a_run_has_its_quota_of_artifacts_and_not_a_byte_more(host: Host, tmp_path: Path) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=1000)
    await upload(host, room, b"a" * 600, "one")
    with pytest.raises(TooLarge, match="400 bytes left"):
        await upload(host, room, b"b" * 401, "two")
    await upload(host, room, b"c" * 400, "three")
    with pytest.raises(TooLarge, match="has used"):
        await upload(host, room, b"d", "four")
    kept = await host.world.store.read(lambda: artifacts.artifacts_of(host.run_id))
    assert [(row.name, row.size_bytes) for row in kept] == [("one", 600), ("three", 400)]
    files = list((tmp_path / "artifacts" / str(host.run_id)).iterdir())
    assert sorted(file.name for file in files) == sorted(row.sha256 for row in kept)  # nothing half is left behind


async def test_the_quota_is_each_runs_own(host: Host, tmp_path: Path) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=1000)
    await upload(host, room, b"a" * 1000)
    await host.world.progress.cancel(host.run_id, who="ann", because=wire.Because())
    other = Host(host.world, await host.world.begun())
    assert await upload(other, room, b"a" * 1000) == "out.txt"


async def test_one_artifact_over_its_own_limit_leaves_nothing(host: Host, tmp_path: Path) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=10**6)
    with pytest.raises(TooLarge, match="at most 50 bytes"):
        await upload(host, room, b"x" * 51, max_bytes=50)
    assert list((tmp_path / "artifacts" / str(host.run_id)).iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "damaged"),
        ({"attempt": 9}, "no attempt 9"),
        ({"stage": "Burn"}, "no attempt 1 at Burn"),
        ({"stage": "../" * 1000}, "no attempt"),
    ],
    ids=["another checksum", "an attempt to come", "a stage to come", "a path"],
)
async def test_an_artifact_that_is_not_what_it_says_is_refused(
    host: Host, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=10**6)
    with pytest.raises(BadInput, match=says):
        await upload(host, room, b"evidence", **changes)
    assert await host.world.store.read(lambda: artifacts.artifacts_of(host.run_id)) == []


async def test_an_artifact_sent_again_is_the_same_and_another_of_its_name_is_refused(
    host: Host, tmp_path: Path
) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=10**6)
    await upload(host, room, b"evidence")
    await upload(host, room, b"evidence")
    with pytest.raises(Conflict, match="another artifact"):
        await upload(host, room, b"other evidence")
    assert len(await host.world.store.read(lambda: artifacts.artifacts_of(host.run_id))) == 1


async def test_the_name_of_an_artifact_is_only_text(host: Host, tmp_path: Path) -> None:
    room = artifacts.Room(tmp_path, quota_bytes=10**6)
    name = await upload(host, room, b"evidence", "../../../" + "x" * 5000)
    assert len(name) == intakes.MAX_NAME
    (file,) = (tmp_path / "artifacts" / str(host.run_id)).iterdir()
    assert file.name == hashlib.sha256(b"evidence").hexdigest()
