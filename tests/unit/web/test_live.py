"""The hub: what is shown in the end is what there is, whatever happened to the connection in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.unit.web.boards import PIECES, Board, Browser, pump, settle
from vetting.domain.errors import NotFound, TooMany, Unavailable
from vetting.orchestrator.bus import Bus, News
from vetting.web import live, topic, viewer
from vetting.web.frames import frame_of, value_of
from vetting.web.live import Hub


@dataclass
class World:
    bus: Bus
    clock: FakeClock
    hub: Hub

    def board(self, key: str = "board") -> Board:
        return Board(self.bus, address=key, key=key)

    async def pass_s(self, seconds: float) -> None:
        """Time passes, and the hub looks around."""
        self.clock.pass_s(seconds)
        self.bus.publish("nothing", at=0.0)
        await settle()

    def page(self, *boards: Board) -> Browser:
        browser, mark = Browser(boards), self.hub.now()
        browser.read_page()
        browser.load(self.hub.open(boards, mark))
        return browser


@contextlib.asynccontextmanager
async def worlds() -> AsyncIterator[World]:
    bus, clock = Bus(), FakeClock()
    hub = Hub(bus=bus, clock=clock)
    running = asyncio.create_task(hub.run())
    try:
        yield World(bus, clock, hub)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with worlds() as world:
        yield world


# What can happen between a page's first byte and the last look at it.
STEPS = st.lists(
    st.one_of(
        st.sampled_from(
            ["mark", "load", "connect", "read", "read half", "cut", "vanish", "turn", "turns", "log", "away", "fail", "mend", "other"]
        ),
        st.sampled_from(PIECES),
        st.integers(2, 12),  # a burst of lines
    ),
    max_size=40,
)  # fmt: skip


@given(STEPS)
@example(
    ["load", "connect", "read", "cut", "away", "a", "log", "other", "connect"]
)  # a page of somebody else came first
@example(["load", "a", "turns", "connect", 12, "read half", "cut", "b", "connect", "read half", "cut"])
@example(["mark", "away", "a", "log", "load", "connect"])
@settings(max_examples=300, deadline=None)
def test_whatever_happens_in_between_the_page_is_right_in_the_end(steps: list[str | int]) -> None:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(topic, "KEPT_FRAMES", 5)
        small.setattr(viewer, "QUEUE_BYTES", 300)
        small.setattr(live, "RECENT", 6)
        small.setattr(live, "BEHIND", 8)
        asyncio.run(_live_through(steps))


async def _live_through(steps: list[str | int]) -> None:
    async with worlds() as world:
        boards = (world.board("one"), world.board("two"))
        board, browser, mark = boards[0], Browser(boards), world.hub.now()
        browser.read_page()
        browser.load(world.hub.open(boards, mark))
        stack, seen = contextlib.ExitStack(), None
        for step in steps:
            board = boards[1] if board is boards[0] else boards[0]
            match step:
                case int():
                    for _ in range(step):
                        boards[0].log()
                case "log":
                    boards[0].log()
                case "a" | "b" | "c":
                    board.change(step)
                case "mark":
                    mark = world.hub.now()
                case "load":
                    stack.close()
                    seen = None
                    browser.read_page()
                    browser.load(world.hub.open(boards, mark))
                    mark = world.hub.now()
                case "connect":
                    stack.close()
                    browser.cut()
                    seen = stack.enter_context(world.hub.viewing(boards, browser.cursor))
                case "read" | "read half" if seen is not None:
                    await _read(world.hub, browser, seen, half=step == "read half")
                case "cut" | "vanish":
                    stack.close()
                    seen = None
                    browser.cut()
                case "turn":
                    await asyncio.sleep(0)
                case "turns":
                    await settle()
                case "away":
                    await world.pass_s(200)
                case "fail":
                    board.broken = ValueError("on purpose")
                case "mend":
                    boards[0].broken = boards[1].broken = None
                case "other":  # somebody else opens the page
                    world.hub.open(boards)
        boards[0].broken = boards[1].broken = None
        stack.close()
        browser.cut()
        seen = stack.enter_context(world.hub.viewing(boards, browser.cursor))
        for _ in range(3):
            await pump(world.hub, seen, browser)
            await settle()
        await pump(world.hub, seen, browser)
        stack.close()
        browser.lines["one"] |= browser.lines.pop("two")  # every line goes to every log in this browser
        browser.lines["two"] = set()
        assert browser.right()


async def _read(hub: Hub, browser: Browser, seen: live.Viewer, *, half: bool) -> None:
    """One turn of the stream; of half of it the rest never comes, so the connection is gone."""
    if not (seen.lost or seen.waiting):
        return
    try:
        said = await (hub.afresh(seen) if seen.lost else seen.next())
    except Unavailable:
        return
    browser.take(said[: len(said) // 2] if half else said)
    if half:
        browser.cut()
        seen.end()  # nothing more is put, as after a connection that is gone


async def test_news_is_rendered_once_for_all_who_look(world: World) -> None:
    board = world.board()
    pages = [world.page(board) for _ in range(50)]
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(world.hub.viewing([board], page.cursor, session=str(number)))
            for number, page in enumerate(pages)
        ]
        for _ in range(5):  # within the time in which it is gathered
            board.change("a")
        board.change("b")
        await settle()
        assert board.rendered == [{"a", "b"}]
        frames = [await one.next() for one in viewers]
        assert all(frame is frames[0] for frame in frames)  # the very same bytes
        for page, frame in zip(pages, frames, strict=True):
            page.take(frame)
            assert page.right()
            assert page.resyncs == 0


async def test_what_happens_while_a_page_is_made_reaches_it(world: World) -> None:
    board, mark = world.board(), world.hub.now()
    page = Browser((board,))
    board.log()
    page.read_page()
    board.change("a")
    board.log()
    page.load(world.hub.open([board], mark))
    board.change("b")
    board.log()
    with world.hub.viewing([board], page.cursor) as seen:
        await settle()
        await pump(world.hub, seen, page)
        assert (page.right(), page.resyncs) == (True, 0)


async def test_a_page_that_took_too_long_to_make_begins_afresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RECENT", 3)
    hub = Hub(bus=world.bus, clock=world.clock)
    board, mark = world.board(), hub.now()
    page = Browser((board,))
    page.read_page()
    for _ in range(5):
        board.log()
    page.load(hub.open([board], mark))
    with hub.viewing([board], page.cursor) as seen:
        await pump(hub, seen, page)
        assert (page.right(), page.resyncs) == (True, 1)


async def test_who_comes_back_gets_what_was_missed_and_nothing_twice(world: World) -> None:
    board = world.board()
    page = world.page(board)
    with world.hub.viewing([board], page.cursor) as seen:
        board.log()
        await settle()
        await pump(world.hub, seen, page)
    board.log()
    board.change("c")
    await settle()
    with world.hub.viewing([board], page.cursor) as seen:
        await settle()
        said = await seen.next()
        assert said.count(b"event: line") == 1
        page.take(said)
        assert (page.right(), page.resyncs) == (True, 0)


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "0-0", "deadbeef-3", "{epoch}-99999", "{epoch}--1", "{epoch}-²", "{epoch}-" + "9" * 30]
)
async def test_who_tells_us_nothing_that_we_know_begins_afresh(world: World, cursor: str) -> None:
    board = world.board()
    page = world.page(board)
    board.change("a")
    page.shown.clear()
    epoch = page.cursor.partition("-")[0]
    with world.hub.viewing([board], cursor.replace("{epoch}", epoch)) as seen:
        await settle()
        await pump(world.hub, seen, page)
        assert (page.right(), page.resyncs) == (True, 1)


async def test_who_is_cut_off_while_it_is_told_everything_is_told_everything_again(world: World) -> None:
    board = world.board()
    page = world.page(board)
    board.change("a")
    await settle()
    with world.hub.viewing([board], "") as seen:
        whole = await world.hub.afresh(seen)
    for end in range(len(whole)):
        again = Browser((board,), cursor=page.cursor)
        again.read_log()
        again.take(whole[:end])
        assert again.cursor == page.cursor or again.right()


async def test_a_slow_viewer_begins_afresh_and_nobody_else_notices(world: World) -> None:
    board = world.board()
    board.padding = "x" * 20_000
    slow_page, page = world.page(board), world.page(board)
    with world.hub.viewing([board], slow_page.cursor) as slow, world.hub.viewing([board], page.cursor) as seen:
        for _ in range(60):
            board.change("a")
            board.log()
            await settle()
            await pump(world.hub, seen, page)
        rendered = len(board.rendered)
        assert slow.lost
        assert not slow.waiting
        await pump(world.hub, slow, slow_page)
        assert (slow_page.right(), slow_page.resyncs) == (True, 1)
        assert (page.right(), page.resyncs, seen.lost) == (True, 0, False)
        assert len(board.rendered) == rendered + 1
        assert not seen.waiting  # what the slow one needed was not sent to those who did not


async def test_many_who_need_everything_share_one_rendering(world: World) -> None:
    board = world.board()
    pages = [world.page(board) for _ in range(100)]
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(world.hub.viewing([board], "", session=str(number))) for number in range(len(pages))
        ]
        await asyncio.gather(*(pump(world.hub, seen, page) for seen, page in zip(viewers, pages, strict=True)))
        assert board.rendered == [set(PIECES)]
        assert all(page.right() for page in pages)


async def test_what_happens_after_everything_was_rendered_is_not_lost_on_those_who_share_it(world: World) -> None:
    board = world.board()
    page, late = world.page(board), world.page(board)
    with world.hub.viewing([board], "") as seen:
        await pump(world.hub, seen, page)
        board.change("a")
        board.log()
        await settle()
        await pump(world.hub, seen, page)
        with world.hub.viewing([board], "") as other:
            said = await world.hub.afresh(other)
            late.take(said)
            assert (late.right(), page.right(), b"event: line" in said) == (True, True, True)
    assert board.rendered == [set(PIECES), {"a"}]


async def test_when_we_fall_behind_the_bus_everybody_begins_afresh(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEHIND", 10)
    board = world.board()
    page = world.page(board)
    await world.pass_s(100)
    assert world.hub._listener is None
    page = world.page(board)
    with world.hub.viewing([board], page.cursor) as seen:
        for _ in range(30):
            board.log()
        await settle()
        assert seen.lost
        await pump(world.hub, seen, page)
        assert page.right()


async def test_a_rendering_that_fails_is_tried_again_and_written_down_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    board, sound = world.board("broken"), world.board("sound")
    page = world.page(board, sound)
    with world.hub.viewing([board, sound], page.cursor) as seen, caplog.at_level(logging.ERROR):
        began = world.clock.now()
        board.broken = ValueError("on purpose")
        board.change("a")
        sound.change("a")
        await settle()
        assert len(board.rendered) > 6
        assert len(caplog.records) <= 1 + (world.clock.now() - began) / topic.COMPLAIN_S
        await pump(world.hub, seen, page)
        assert page.shown["sound.a"] == 1
        board.broken = None
        await settle()
        await pump(world.hub, seen, page)
        assert page.right()


async def test_a_rendering_that_hangs_stops_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "RENDER_S", 0.05)

    class Hanging(Board):
        async def render(self, ids: Collection[str]) -> str:
            if self.broken is None:
                return await super().render(ids)
            await asyncio.Event().wait()
            return ""

    board, sound = Hanging(world.bus, key="hanging"), world.board("sound")
    page = world.page(board, sound)
    with world.hub.viewing([board, sound], page.cursor) as seen, world.hub.viewing([board], "") as lost:
        board.broken = ValueError()
        board.change("a")
        sound.change("a")
        await settle()
        await pump(world.hub, seen, page)
        assert page.shown["sound.a"] == 1
        with pytest.raises(Unavailable, match="cannot be rendered"):
            await world.hub.afresh(lost)
        board.broken = None
        await asyncio.sleep(0.1)
        await settle()
        await pump(world.hub, seen, page)
        assert page.right()


async def test_a_feed_that_cannot_tell_what_is_stale_renders_all(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Confused(Board):
        def touched(self, news: News) -> Collection[str]:
            raise KeyError(news.kind)

        def events(self, news: News) -> Iterable[tuple[str, Any]]:
            raise KeyError(news.kind)

    board = Confused(world.bus)
    page = world.page(board)
    with world.hub.viewing([board], page.cursor) as seen:
        for _ in range(100):
            board.change("b")
        await settle()
        await pump(world.hub, seen, page)
        assert page.right()
    assert len(caplog.records) == 1


async def test_what_is_gone_says_nothing(world: World) -> None:
    board = world.board()
    page = world.page(board)
    board.broken = NotFound("there is no run 7")
    with world.hub.viewing([board], page.cursor) as seen, world.hub.viewing([board], "") as lost:
        board.change("a")
        await settle()
        assert not seen.waiting
        assert b"resync" in await world.hub.afresh(lost)
        assert len(board.rendered) == 2


async def test_nobody_looks_and_nothing_is_rendered_nor_listened_to(world: World) -> None:
    board = world.board()
    assert not world.bus._listeners
    page = world.page(board)
    with world.hub.viewing([board], page.cursor):
        await world.pass_s(1000)
        assert world.bus._listeners
    board.change("a")
    await world.pass_s(1)
    assert board.rendered == []  # until somebody comes back
    with world.hub.viewing([board], page.cursor) as seen:
        await settle()
        await pump(world.hub, seen, page)
        assert (page.right(), page.resyncs) == (True, 0)
    await world.pass_s(live.LINGER_S + 1)
    assert not world.hub._topics
    assert not world.bus._listeners
    page = world.page(board)  # and it wakes again
    with world.hub.viewing([board], page.cursor) as seen:
        board.change("a")
        await settle()
        await pump(world.hub, seen, page)
        assert page.right()


async def test_a_hub_that_was_started_again_goes_on(world: World) -> None:
    board = world.board()
    page = world.page(board)
    again = asyncio.create_task(world.hub.run())
    with world.hub.viewing([board], page.cursor) as seen:
        await settle()
        again.cancel()
        await settle()
        board.change("a")
        await settle()
        await pump(world.hub, seen, page)
        assert page.right()


async def test_a_session_has_its_share_of_streams_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_VIEWERS", 30)
    board = world.board()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(world.hub.viewing([board], "", session="ann"))
        for _ in range(live.MOST_OF_ONE - 1):
            stack.enter_context(world.hub.viewing([board], "", session="ann"))
        with pytest.raises(TooMany, match="of this session"), world.hub.viewing([board], "", session="ann"):
            pass
        for number in range(10):
            stack.enter_context(world.hub.viewing([board], "", session=f"bob {number}"))
        with pytest.raises(TooMany, match="pages are live here"), world.hub.viewing([board], "", session="cleo"):
            pass
        first.end()
        with world.hub.viewing([board], "", session="ann"):
            pass
    with world.hub.viewing([board], "", session="ann"):
        pass


async def test_news_of_what_nobody_looks_at_asks_no_feed(world: World) -> None:
    class Counting(Board):
        asked = 0

        def touched(self, news: News) -> Collection[str]:
            self.asked += 1
            return super().touched(news)

    class OfRun(Counting):
        run_id = 7
        kinds = frozenset({"changed", "logged"})

    of_run, of_all = OfRun(world.bus, key="run/7"), Counting(world.bus, key="all")
    page = world.page(of_run, of_all)
    with world.hub.viewing([of_run, of_all], page.cursor):
        for run_id in (6, 7, 7, 8):
            world.bus.stream("logged", at=0.0, run_id=run_id, line=1, board="")
            world.bus.stream("run.samples", at=0.0, run_id=run_id)
        await settle()
        assert (of_run.asked, of_all.asked) == (2, 8)


async def test_at_the_end_everybody_is_let_go_and_who_reads_nothing_is_hung_up_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GOODBYE_S", 0.01)

    class Wire:
        aborted = False

        def is_closing(self) -> bool:
            return self.aborted

        def abort(self) -> None:
            self.aborted = True

    board, wire = world.board(), Wire()
    with world.hub.viewing([board], "", line=wire) as seen:
        assert seen.alive
        await world.hub.close()
        assert (seen.ended, seen.alive, wire.aborted) == (True, False, True)
        with world.hub.viewing([board], "") as late:
            assert late.ended


HOSTILE = "a\r\nb\rc\nd\u2028e\u2029f\x85g\x0bh\x0c i\0"


def test_a_text_with_every_kind_of_line_end_stays_one_event() -> None:
    frame = frame_of("", HOSTILE, "e-1")
    lines = frame.decode().split("\n")
    assert lines[0] == "id: e-1"
    assert lines[-2:] == ["", ""]
    assert "\n".join(line.removeprefix("data: ") for line in lines[1:-2]) == HOSTILE.replace("\r\n", "\n").replace(
        "\r", "\n"
    )
    assert b"event:" not in frame_of("", "\nevent: x\n\nid: 7").replace(b"data: event:", b"")


def test_half_a_character_breaks_no_stream() -> None:
    assert frame_of("x", "a\ud800b") == b"event: x\ndata: a?b\n\n"


def test_a_number_that_is_none_is_null_to_a_browser() -> None:
    value = {"a": [1.5, float("nan"), (float("inf"), "\u2028\ud800", None, True)]}
    assert value_of(value) == '{"a":[1.5,null,[null,"\\u2028\\ud800",null,true]]}'
