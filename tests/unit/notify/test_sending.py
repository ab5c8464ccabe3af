"""A message really goes out, over loopback, and what becomes of it is told in words and without the channel's secret."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from vetting.notify import send


@dataclass
class Receiver:
    """A web hook: keeps what it is sent, and answers as it is told to."""

    status: int = 200
    wait_s: float = 0.0
    got: list[Any] = field(default_factory=list)
    port: int = 0

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(json.loads(await request.read()))
        await asyncio.sleep(self.wait_s)
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    here = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", here.take)
    async with TestServer(app, host="127.0.0.1") as server:
        here.port = server.port or 0
        yield here


async def test_a_message_reaches_a_web_hook(receiver: Receiver) -> None:
    sent = await send(f"json://127.0.0.1:{receiver.port}/hook", "a title", "a body\nof two lines")
    assert (sent.delivered, sent.words) == (True, "it was taken")
    (got,) = receiver.got
    assert (got["title"], got["message"]) == ("a title", "a body\nof two lines")


async def test_a_refusal_is_told_with_its_status(receiver: Receiver) -> None:
    receiver.status = 503
    sent = await send(f"json://u:hunter2@127.0.0.1:{receiver.port}/secret-path", "t", "b")
    assert not sent.delivered
    assert "503" in sent.words
    assert "hunter2" not in sent.words
    assert "secret-path" not in sent.words


async def test_a_channel_that_says_nothing_is_not_waited_for(receiver: Receiver) -> None:
    receiver.wait_s = 1.5
    sent = await send(f"json://127.0.0.1:{receiver.port}/hook", "t", "b", limit_s=0.5)
    assert (sent.delivered, sent.words) == (False, "nothing came of it within 0 s")
    assert sent.took_s < 1.5


async def test_nobody_there_is_told_as_that_and_without_the_address() -> None:
    sent = await send("json://u:hunter2@127.0.0.1:9/secret-path", "t", "b")
    assert not sent.delivered
    assert "Connection refused" in sent.words
    assert "hunter2" not in sent.words
    assert "secret-path" not in sent.words


@pytest.mark.parametrize("url", ["slack://hunter2", "mailtos://hunter2", "what://hunter2", "hunter2", ""])
async def test_an_address_that_is_none_is_said_to_be_none(url: str) -> None:
    sent = await send(url, "t", "b")
    assert not sent.delivered
    assert sent.words.startswith("the address is not")
    assert "hunter2" not in sent.words


async def test_a_letter_reaches_a_mail_server() -> None:
    got: list[str] = []

    async def mail_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of SMTP (RFC 5321) as one letter takes."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                letter = await reader.readuntil(b"\r\n.\r\n")
                got.append(letter.decode())
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 good\r\n")
            if word == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(mail_server, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sent = await send(f"mailto://127.0.0.1:{port}?from=vetting@example.org&to=ops@example.org", "a title", "a body")
    assert (sent.delivered, sent.words) == (True, "it was taken")
    (letter,) = got
    assert "Subject: a title" in letter
    assert "To: ops@example.org" in letter


def test_who_sends_nothing_pays_nothing() -> None:
    code = "import sys, vetting.orchestrator.telling; print('apprise' in sys.modules, 'requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


async def test_our_own_log_hears_nothing_of_addresses() -> None:
    heard: list[str] = []

    class Ours(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ours, root = Ours(), logging.getLogger()
    root.addHandler(ours)
    try:
        await send("json://u:hunter2@127.0.0.1:9/secret-path", "t", "b")
    finally:
        root.removeHandler(ours)
    assert not [line for line in heard if "secret-path" in line or "hunter2" in line]
