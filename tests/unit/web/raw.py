"""Requests byte by byte: what no well-behaved client would send."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tests.browser.scene import Guest, Scene
from vetting.web.who import COOKIE

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str:
        """Empty where it is not there. Fails where it is there twice."""
        found = [value for key, value in self.headers if key == name.lower()]
        assert len(found) <= 1, (name, found)
        return found[0] if found else ""

    @property
    def cookies(self) -> list[str]:
        return [value for key, value in self.headers if key == "set-cookie"]


def untrusting() -> ssl.SSLContext:
    """TLS without a look at the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(scene: Scene) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = urlsplit(scene.url).port
    return await asyncio.open_connection("127.0.0.1", port, ssl=untrusting())


async def ask(
    scene: Scene,
    method: str,
    path: str,
    *,
    guest: Guest | None = None,
    body: bytes = b"",
    more: Mapping[str, str] | None = None,
    **headers: str,
) -> Answer:
    """One request on a connection of its own. A header's `_` is a `-`; an empty value leaves out what is there by itself."""
    said = {"Host": urlsplit(scene.url).netloc, "Connection": "close"}
    if guest is not None:
        said["Cookie"] = f"{COOKIE}={guest.secret}"
    if body or method == "POST":
        said |= {"Content-Type": FORM, "Content-Length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in {**(more or {}), **headers}.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
    reader, writer = await connect(scene)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        async with asyncio.timeout(15):
            return await answer_of(reader, method)
    finally:
        writer.transport.abort()


async def answer_of(reader: asyncio.StreamReader, method: str = "GET") -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    found = tuple((name.lower(), value) for name, value in pairs)
    sizes = [int(value) for name, value in found if name == "content-length"]
    body = await reader.readexactly(sizes[0]) if sizes and method != "HEAD" else b""
    return Answer(int(head[0].split(" ")[1]), found, body)


async def post(
    scene: Scene,
    path: str,
    guest: Guest | None,
    form: Mapping[str, str] | None = None,
    *,
    more: Mapping[str, str] | None = None,
    **headers: str,
) -> Answer:
    """As a browser posts a form of ours, the token of the session in it unless the form says otherwise."""
    fields = {**({"csrf": guest.csrf} if guest is not None else {}), **(form or {})}
    said = {"Origin": scene.url, "Sec_Fetch_Site": "same-origin", **(more or {}), **headers}
    return await ask(scene, "POST", path, guest=guest, body=urlencode(fields).encode(), more=said)
