"""The bus: whoever tells is never held up, and whoever listens too slowly or comes back late learns that it missed something."""

from __future__ import annotations

import asyncio
import sys

import pytest

from vetting.orchestrator import bus as buses
from vetting.orchestrator.bus import Bus, Listener


def tell(bus: Bus, count: int, kind: str = "run.moved") -> None:
    for number in range(count):
        bus.publish(kind, at=float(number), run_id=7, number=number)


async def heard(listener: Listener, count: int) -> list[int]:
    """The ids of the next pieces of news."""
    ids: list[int] = []
    async with asyncio.timeout(5):
        async for news in listener:
            ids.append(news.id)
            if len(ids) == count:
                break
    return ids


async def nothing_more(listener: Listener) -> bool:
    """Whether the queue is empty: the listener waits instead of going on."""
    waiting = asyncio.ensure_future(anext(aiter(listener)))
    for _ in range(5):
        await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not done


async def test_every_listener_hears_everything_in_order_from_when_it_came() -> None:
    bus = Bus()
    tell(bus, 3)
    with bus.listen() as one, bus.listen() as other:
        tell(bus, 4)
        assert await heard(one, 4) == await heard(other, 4) == [4, 5, 6, 7]
        assert (one.missed, other.missed) == (0, 0)
        assert await nothing_more(one)


async def test_what_was_told_is_what_is_heard() -> None:
    bus = Bus()
    with bus.listen() as listener:
        told = bus.publish("run.moved", at=12.5, run_id=7, state="Burn")
        async for news in listener:
            assert news is told
            assert (news.kind, news.at, news.run_id, news.host_id) == ("run.moved", 12.5, 7, None)
            assert news.data == {"state": "Burn"}
            break


async def test_a_listener_that_waits_is_woken() -> None:
    bus = Bus()
    with bus.listen() as listener:
        waiting = asyncio.create_task(heard(listener, 2))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        tell(bus, 1)
        await asyncio.sleep(0)
        tell(bus, 1)
        assert await waiting == [1, 2]


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many() -> None:
    bus = Bus()
    with bus.listen(size=5) as slow, bus.listen() as quick:
        tell(bus, 12)
        assert slow.missed == 7
        assert await heard(slow, 5) == [8, 9, 10, 11, 12]
        assert quick.missed == 0
        assert await heard(quick, 12) == list(range(1, 13))
        tell(bus, 1)
        assert await heard(slow, 1) == [13]
        assert slow.missed == 7


async def test_a_listener_that_never_reads_keeps_a_bounded_queue() -> None:
    bus = Bus()
    with bus.listen() as deaf:
        tell(bus, buses.QUEUE * 20)
        assert len(deaf._queue) == buses.QUEUE
        assert deaf.missed == buses.QUEUE * 19
    assert len(bus._past) == buses.KEPT_FOR_CATCH_UP


async def test_who_comes_back_catches_up_by_id_and_goes_on_live() -> None:
    bus = Bus()
    tell(bus, 10)
    with bus.listen(after=6) as back:
        tell(bus, 2)
        assert await heard(back, 6) == [7, 8, 9, 10, 11, 12]
        assert back.missed == 0
        assert await nothing_more(back)


async def test_who_missed_nothing_catches_up_on_nothing() -> None:
    bus = Bus()
    tell(bus, 10)
    with bus.listen(after=10) as back:
        assert back.missed == 0
        assert await nothing_more(back)


async def test_what_is_kept_no_more_is_counted_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "KEPT_FOR_CATCH_UP", 4)
    bus = Bus()
    tell(bus, 10)
    with bus.listen(after=3) as back:
        assert back.missed == 3  # 4, 5 and 6
        assert await heard(back, 4) == [7, 8, 9, 10]


async def test_what_does_not_fit_into_the_queue_at_once_is_counted_as_missed() -> None:
    bus = Bus()
    tell(bus, 100)
    with bus.listen(after=10, size=30) as back:
        assert back.missed == 60
        assert await heard(back, 30) == list(range(71, 101))


async def test_an_id_of_the_process_before_us_gets_everything_kept_and_the_word_that_something_was_missed() -> None:
    bus = Bus()
    tell(bus, 3)
    with bus.listen(after=5000) as back:
        assert back.missed >= 1
        assert await heard(back, 3) == [1, 2, 3]


async def test_a_listener_that_left_is_told_no_more() -> None:
    bus = Bus()
    with pytest.raises(RuntimeError, match="the connection broke"), bus.listen() as gone:
        raise RuntimeError("the connection broke")
    tell(bus, 3)
    assert len(gone._queue) == 0
    assert bus._listeners == set()


async def test_streamed_news_reaches_who_listens_and_is_not_kept() -> None:
    bus = Bus()
    tell(bus, 1)
    with bus.listen() as live:
        for number in range(3):
            bus.stream("run.samples", at=1.0, run_id=7, samples=[number])
        tell(bus, 1)
        assert await heard(live, 4) == [2, 3, 4, 5]
    with bus.listen(after=1) as back:
        assert back.missed == 3  # it has to read the samples afresh
        assert await heard(back, 1) == [5]


async def test_streamed_news_that_nobody_heard_pushes_nothing_out_and_counts_as_missed() -> None:
    bus = Bus()
    tell(bus, 1)
    for _ in range(buses.KEPT_FOR_CATCH_UP * 2):
        bus.stream("run.samples", at=1.0, run_id=7, samples=[1.0])
    tell(bus, 1)
    with bus.listen(after=0) as back:
        assert back.missed == buses.KEPT_FOR_CATCH_UP * 2
        assert await heard(back, 2) == [1, buses.KEPT_FOR_CATCH_UP * 2 + 2]


async def test_news_is_not_held_by_the_bus_beyond_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "KEPT_FOR_CATCH_UP", 1)
    bus = Bus()
    payload = [object()]
    bus.publish("run.log", at=1.0, lines=payload)
    held = sys.getrefcount(payload)
    tell(bus, 1)
    assert sys.getrefcount(payload) == held - 1
