"""What every HTTP answer of ours has in common, for machines and for people: whose name we answer to, who may send us
requests through a browser, and the headers that keep an answer where it belongs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web

from vetting.domain.errors import BadInput, Forbidden, TooLarge
from vetting.domain.naming import is_one_of

BODY_LIMIT_S = 30.0
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # what is no page does nothing in a browser
}


def hosts_allowed(names: Sequence[str]) -> Callable[[web.Request], None]:
    """A check that refuses every Host header but ours, so that a rebound name reaches nothing."""
    allowed = {name.lower() for name in names}

    def check(request: web.Request) -> None:
        if not is_one_of(request.host or "", allowed):
            raise Forbidden("this Host header is not ours; add the name to server.allowed_hosts in vetting.yaml")

    return check


def refuse_foreign_origin(request: web.Request) -> None:
    """Browsers tell where a request comes from; machines do not. A foreign page may ask for nothing here."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site in ("cross-site", "same-site") or (origin is not None and origin.partition("://")[2] != request.host):
        raise Forbidden("this call came from a page of another origin")


async def read_within(request: web.Request, max_bytes: int, *, what: str) -> bytes:
    """The whole body, counted after decompression. `what` it is, for the refusals. Raises BadInput, TooLarge."""
    if request.content_length is not None and request.content_length > max_bytes:
        raise TooLarge(f"the {what} is over {max_bytes} bytes; nothing was done")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise TooLarge(f"the {what} is over {max_bytes} bytes; nothing was done")
    except TimeoutError as error:
        raise BadInput(f"the {what} did not arrive within {BODY_LIMIT_S:.0f} s; nothing was done") from error
    except web.RequestPayloadError as error:
        raise BadInput(f"the {what} could not be read: {error}; nothing was done") from error
    return bytes(body)
