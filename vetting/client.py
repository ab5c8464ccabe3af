"""The machine's side of the API: one server known by its certificate's fingerprint, and patience.

A request ends in a typed answer, in the server's own refusal (the same exceptions that it raised there), or, when the
server cannot be reached, in `Unreachable`. `call` tries once; `insist` tries until there is an answer. Tokens are sent
in a header only, never written into a log line or an address.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from vetting import wire
from vetting.clock import Clock, SystemClock
from vetting.domain.errors import (
    BadInput,
    Conflict,
    Forbidden,
    IllegalMove,
    NotAllowed,
    NotFound,
    ProtocolMismatch,
    Refusal,
    StageMismatch,
    TooLarge,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 30.0
CALL_LIMIT_S = 20.0
ANSWER_BYTES = 4 * 1024 * 1024
JSON = {"Content-Type": "application/json"}
FINAL: tuple[type[Refusal], ...] = (
    BadInput,
    NotAllowed,
    Forbidden,
    NotFound,
    IllegalMove,
    StageMismatch,
    Conflict,
    TooLarge,
    ProtocolMismatch,
)


class Unreachable(Exception):
    """No answer, or one that says "later": the same request may be sent again."""


class WrongServer(Exception):
    """Whoever answers does not hold the pinned certificate; nothing was sent to it."""


def fingerprint_bytes(text: str) -> bytes:
    """The 32 bytes of a SHA-256 fingerprint in hex, colons allowed. Raises BadInput."""
    plain = text.strip().removeprefix("sha256:").replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise BadInput("the server's fingerprint must be the 64 hex digits of its certificate's SHA-256")
    return bytes.fromhex(plain)


def checked_url(url: str) -> str:
    """The server's address without a slash at its end. Raises BadInput unless it is https://host[:port]."""
    wrong = BadInput("the server's address must look like https://host:port, with nothing behind it")
    try:
        parts = urlsplit(url)
        fine = parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/") and parts.port != 0
    except ValueError:
        raise wrong from None
    if not fine or parts.query or parts.fragment or parts.username is not None:
        raise wrong
    return f"https://{parts.netloc}"


def waits(random_source: random.Random, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> Backoff:
    """A fresh row of waiting times."""
    return Backoff(random_source, first_s, longest_s)


class Backoff:
    """Waiting times that double from the first to the longest, each shortened by up to a third at random, so that many
    agents do not come back at the same moment."""

    def __init__(self, random_source: random.Random, first_s: float, longest_s: float) -> None:
        self._random = random_source
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        wait_s = self._next_s
        self._next_s = min(self._next_s * 2, self._longest_s)
        return wait_s * (1 - self._random.random() / 3)


class Client:
    """Speaks to one orchestrator. Use it as an async context manager; `token` may change between calls."""

    def __init__(
        self,
        url: str,
        fingerprint: str,
        *,
        token: str = "",
        clock: Clock | None = None,
        random_source: random.Random | None = None,
        on_trouble: Callable[[str], None] = lambda text: None,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._url = checked_url(url)
        self._pin = aiohttp.Fingerprint(fingerprint_bytes(fingerprint))
        self._clock = clock or SystemClock()
        self._random = random_source or random.SystemRandom()
        self._on_trouble = on_trouble
        self._first_wait_s, self._longest_wait_s = first_wait_s, longest_wait_s
        self._session: aiohttp.ClientSession | None = None
        self.token = token
        self.outwait_strangers = False  # once a run is ours, a false server in between is waited out like a dead one

    async def __aenter__(self) -> Self:
        # No proxies from the environment and no cookies: one server, one header.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._pin, limit=8),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, path: str, message: object, answer: type[T], *, limit_s: float = CALL_LIMIT_S) -> T:
        """Posts a message once. Raises a Refusal of FINAL, Unreachable or WrongServer."""
        return await self._send("POST", path, wire.encode(message), answer, JSON, limit_s=limit_s)

    async def get(self, path: str, answer: type[T], *, limit_s: float = CALL_LIMIT_S) -> T:
        """Reads once. Raises as `call` does."""
        return await self._send("GET", path, b"", answer, {}, limit_s=limit_s)

    async def fetch(self, path: str, *, limit_bytes: int, limit_s: float = 120.0) -> bytes:
        """A file, once, as it is. Raises as `call` does; Unreachable where it is larger."""
        status, raw = await self._exchange("GET", path, b"", {}, limit_s=limit_s, limit_bytes=limit_bytes)
        return raw if status == 200 else _answer(status, raw, bytes)

    async def change(self, method: str, path: str, message: object, answer: type[T]) -> T:
        """As `call`, with another method."""
        return await self._send(method, path, wire.encode(message), answer, JSON, limit_s=CALL_LIMIT_S)

    async def insist(self, path: str, message: object, answer: type[T], *, limit_s: float = CALL_LIMIT_S) -> T:
        """Posts until there is an answer, at most 30 s apart. Raises a Refusal of FINAL, and WrongServer."""
        body = wire.encode(message)
        return await self._until_answered(path, lambda: self._send("POST", path, body, answer, JSON, limit_s=limit_s))

    async def upload(
        self, path: str, data: bytes, *, media_type: str, query: Mapping[str, str], limit_s: float = 120.0
    ) -> wire.ArtifactReply:
        """Puts a file until it is taken; its checksum goes with it. Raises a Refusal of FINAL, and WrongServer."""
        described = {**query, "media_type": media_type, "sha256": hashlib.sha256(data).hexdigest()}
        headers = {"Content-Type": "application/octet-stream"}

        async def put() -> wire.ArtifactReply:
            return await self._send("PUT", path, data, wire.ArtifactReply, headers, limit_s=limit_s, query=described)

        return await self._until_answered(path, put)

    async def wait(self) -> None:
        """A moment, before something is tried again that must not be sent as it was."""
        await self._clock.sleep(self._first_wait_s)

    async def _until_answered(self, path: str, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        pause = waits(self._random, self._first_wait_s, self._longest_wait_s)
        while True:
            try:
                return await attempt()
            except (Unreachable, WrongServer) as why:
                if isinstance(why, WrongServer) and not self.outwait_strangers:
                    raise
                wait_s = pause.next_s()
                self._on_trouble(f"{path}: {why}; trying again in {wait_s:.0f} s")
                await self._clock.sleep(wait_s)

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes,
        answer: type[T],
        headers: Mapping[str, str],
        *,
        limit_s: float,
        query: Mapping[str, str] | None = None,
    ) -> T:
        status, raw = await self._exchange(method, path, body, headers, limit_s=limit_s, query=query)
        return _answer(status, raw, answer)

    async def _exchange(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        limit_s: float,
        query: Mapping[str, str] | None = None,
        limit_bytes: int = ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """(status, body) of whatever the server answers."""
        assert self._session is not None, "use the client as a context manager"
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=body or None,
                params=query,
                headers={**headers, **bearer},
                timeout=aiohttp.ClientTimeout(total=limit_s),
                allow_redirects=False,
            ) as response:
                return response.status, await _bounded(response, limit_bytes)
        except aiohttp.ServerFingerprintMismatch:
            raise WrongServer(
                "the server's certificate is not the pinned one; either its fingerprint changed, then start the run "
                "again, or somebody stands between"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"no answer from the orchestrator ({_short(error)})") from None


async def _bounded(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit_bytes:
            raise Unreachable(f"the orchestrator's answer is over {limit_bytes} bytes")
    return bytes(body)


def _answer(status: int, raw: bytes, answer: type[T]) -> T:
    """The typed answer of a response. Raises what the server said."""
    if status == 200:
        try:
            return wire.decode(raw, answer)
        except BadInput as error:
            raise Unreachable(f"the orchestrator's answer cannot be read: {error}") from None
    try:
        body = wire.decode(raw, wire.ErrorReply).error
    except BadInput:
        body = wire.ErrorBody(code="", message=f"the orchestrator answered {status}")
    if status >= 500 or status in (408, 425, 429) or status < 400:
        raise Unreachable(f"{body.message} ({status})")
    by_code = [kind for kind in FINAL if kind.code == body.code]
    by_status = [kind for kind in FINAL if kind.http_status == status]
    raise (by_code or by_status or [BadInput])[0](
        body.message, **{key: value for key, value in body.detail.items() if key != "message"}
    )


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
