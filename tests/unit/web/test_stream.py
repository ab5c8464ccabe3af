"""The stream of a real server, over TLS, to sockets that read, that read nothing, and that are gone."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.browser.scene import Guest, Scene, staged
from tests.unit.web.boards import Board
from tests.unit.web.raw import ask
from tests.unit.web.streams import open_stream
from vetting.domain.roles import Role
from vetting.web import live, routes, stream
from vetting.web.live import Hub

ON_SHELL = "/live?on=shell"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path) as scene:
        yield scene


@pytest.fixture
async def person(scene: Scene) -> Guest:
    return await scene.operator()


@pytest.fixture
def board(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A feed of ours among the console's."""
    board = Board(scene.server.bus)
    monkeypatch.setitem(routes.FEEDS, "board", lambda console, visit, argument: board)
    return board


@pytest.fixture
def hub(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Hub]:
    """The server's own, once a page was asked for."""
    met: list[Hub] = []
    now = Hub.now

    def meet(self: Hub) -> live.Mark:
        met.append(self)
        return now(self)

    monkeypatch.setattr(Hub, "now", meet)
    return lambda: met[-1]


async def until(true: Callable[[], bool], limit_s: float = 10.0) -> float:
    began = time.perf_counter()
    async with asyncio.timeout(limit_s):
        while not true():  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def test_what_changes_after_a_page_was_read_reaches_it(scene: Scene, person: Guest) -> None:
    page = await ask(scene, "GET", "/", guest=person)
    found = re.search(r'hx-sse:connect="([^"]+)"', page.text)
    assert found is not None
    scene.server.bus.publish("service", at=0.0, name="dnsmasq", health="down", why="it ended")
    async with open_stream(scene, html.unescape(found[1]), person) as one:
        assert one.status == 200
        assert one.headers["content-type"] == "text/event-stream"
        assert one.headers["cache-control"] == "no-store"
        assert one.headers["x-accel-buffering"] == "no"
        assert one.headers["x-content-type-options"] == "nosniff"
        said = await one.until(b'id="banner"')
        assert b"resync" not in said
        assert b'hx-swap-oob="outerMorph"' in said


async def test_who_comes_back_with_the_number_of_the_last_event_misses_nothing(
    scene: Scene, person: Guest, board: Board
) -> None:
    async with open_stream(scene, "/live?on=board", person) as one:
        await one.until(b"resync", b"board.c")
        board.log()
        said = await one.until(b"event: line")
    last = re.findall(rb"id: (\S+)", said)[-1].decode()
    board.log()
    board.change("a")
    async with open_stream(scene, "/live?on=board", person, Last_Event_ID=last) as again:
        said = await again.until(b"event: line", b'id="board.a">1<')
        assert (said.count(b"event: line"), b"resync" in said) == (1, False)
    async with open_stream(scene, f"/live?on=board&after={last}", person) as by_address:
        assert (await by_address.until(b'id="board.a">1<')).count(b"event: line") == 1


async def test_a_quiet_stream_says_that_it_lives(scene: Scene, person: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PING_S", 0.05)
    async with open_stream(scene, ON_SHELL, person) as one:
        await one.until(b": ping\n\n: ping\n\n")


@pytest.mark.parametrize("how", ["ended", "another role", "disabled"])
async def test_whoever_may_no_longer_look_is_told_and_sees_nothing_more(
    scene: Scene, person: Guest, board: Board, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.1)
    guest = await scene.viewer()
    async with (
        open_stream(scene, "/live?on=board", guest) as one,
        open_stream(scene, "/live?on=board", person) as other,
    ):
        await one.until(b"board.c")
        accounts = scene.server.accounts
        match how:
            case "ended":
                await accounts.end_sessions(guest.name, who="mira")
            case "another role":
                await accounts.change_role(guest.name, Role.OPERATOR, who="mira")
            case "disabled":
                await accounts.set_disabled(guest.name, True, who="mira")
        assert b"event: signed-out\n" in await one.end()
        board.log()
        await other.until(b"event: line")
        assert b"event: line" not in one.said


async def test_a_page_that_is_closed_is_noticed_at_once(scene: Scene, person: Guest, hub: Callable[[], Hub]) -> None:
    async with open_stream(scene, ON_SHELL, person) as one:
        await one.until(b"resync")
        assert len(hub()._viewers) == 1
        one.writer.close()
        assert await until(lambda: not hub()._viewers) < 3


async def test_a_connection_that_breaks_is_noticed_at_once(scene: Scene, person: Guest, hub: Callable[[], Hub]) -> None:
    async with open_stream(scene, ON_SHELL, person) as one:
        await one.until(b"resync")
        one.writer.transport.abort()
        assert await until(lambda: not hub()._viewers) < 3


async def test_a_machine_that_vanishes_is_given_up_by_the_kernel(
    scene: Scene, person: Guest, hub: Callable[[], Hub]
) -> None:
    """Without a word of goodbye nothing comes back for what we send: pings go out, and the kernel counts."""
    async with open_stream(scene, ON_SHELL, person) as one:
        await one.until(b"resync")
        (viewer,) = hub()._viewers
        ours: socket.socket = viewer.line.get_extra_info("socket")  # type: ignore[union-attr]
        limit_ms = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert limit_ms == stream.STALLED_S * 1000
        assert stream.PING_S < stream.STALLED_S


@pytest.mark.slow  # what the kernel keeps for somebody who reads nothing has to be filled first
async def test_who_reads_nothing_holds_up_nobody_and_is_let_go(
    scene: Scene, person: Guest, board: Board, hub: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_S", 2.0)
    board.padding = "x" * 600_000
    async with (
        open_stream(scene, "/live?on=board", person) as dead,
        open_stream(scene, "/live?on=board", person) as alive,
    ):
        await alive.until(b"board.c")
        slowest = 0.0
        for number in range(1, 20):
            board.change("a")
            board.log()
            await alive.until(f'board.a">{number}<'.encode())
            began = time.perf_counter()
            assert (await ask(scene, "GET", "/api/openapi.json")).status == 200
            slowest = max(slowest, time.perf_counter() - began)
        assert alive.said.count(b"resync") == 1
        assert alive.said.count(b"event: line") == 19
        await until(lambda: len(hub()._viewers) == 1)
        assert slowest < 2.0
        assert dead.said == b""


async def test_a_session_may_have_so_many_streams_and_is_told_so(
    scene: Scene, person: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OF_ONE", 3)
    async with contextlib.AsyncExitStack() as stack:
        first = [await stack.enter_async_context(open_stream(scene, ON_SHELL, person)) for _ in range(3)]
        one_more = await stack.enter_async_context(open_stream(scene, ON_SHELL, person))
        assert (one_more.status, one_more.headers["content-type"]) == (429, "text/plain; charset=utf-8")
        assert b"3 pages of this session are live already" in one_more.said
        first[0].writer.close()
        await asyncio.sleep(0.1)
        again = await stack.enter_async_context(open_stream(scene, ON_SHELL, person))
        assert again.status == 200


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ("nothing", 404, "told live"),
        ("", 404, "told live"),
        ("shell,shell,shell,shell,shell", 400, "at most 4"),
        ("shell/" + "x" * 500, 404, "told live"),
        ("<script>", 404, "told live"),
    ],
)
async def test_what_cannot_be_told_live_is_refused_in_words(
    scene: Scene, person: Guest, asked: str, status: int, words: str
) -> None:
    answer = await ask(scene, "GET", f"/live?on={asked}", guest=person)
    assert (answer.status, answer.header("Content-Type")) == (status, "text/plain; charset=utf-8")
    assert words in answer.text


@pytest.mark.slow  # the same
async def test_the_server_stops_at_once_whoever_is_still_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_OF_ONE", 100)
    async with contextlib.AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(tmp_path))
        person = await scene.operator()
        board = Board(scene.server.bus, padding="x" * 600_000)
        monkeypatch.setitem(routes.FEEDS, "board", lambda console, visit, argument: board)
        streams = [await stack.enter_async_context(open_stream(scene, ON_SHELL, person)) for _ in range(50)]
        dead = await stack.enter_async_context(open_stream(scene, "/live?on=board", person))
        for _ in range(20):
            board.change("a")
            await asyncio.sleep(0.3)
        assert dead.said == b""
        began = time.perf_counter()
        await scene.stop()
        took_s = time.perf_counter() - began
        await asyncio.gather(*(one.end() for one in streams))
        await scene.start()
    assert took_s < 2.0
