"""One message to one channel, with what became of it in words. Apprise does it: it knows over a hundred kinds of channels.

Apprise costs half a second and some 16 MB where it is first used, so it is imported there, in the thread that sends.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from time import monotonic
from typing import Any

log = logging.getLogger(__name__)

LIMIT_S = 20.0
BEYOND_S = 10.0  # past the limit that Apprise itself keeps: for its first import on a busy machine
LONGEST = 300  # characters of what went wrong
# What a connection failed of. The rest of such a line may hold the channel's address, and with it its secret.
CAUSE = re.compile(
    r"\[Errno -?\d+\] [A-Za-z][A-Za-z ,/-]*|certificate verify failed[^('\"]*|timed out|Name or service not known"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """`words`: what became of it, without the channel's address."""

    delivered: bool
    words: str
    took_s: float


async def send(url: str, title: str, body: str, *, limit_s: float = LIMIT_S) -> Sent:
    """Sends plain text to an Apprise address. Never raises for what a channel does."""
    began = monotonic()
    try:
        async with asyncio.timeout(limit_s + BEYOND_S):
            delivered, words = await asyncio.to_thread(_send, url, title, body, limit_s)
    except TimeoutError:  # the thread is left to end by itself: its own sockets have limits
        delivered, words = False, f"nothing came of it within {limit_s:.0f} s"
    return Sent(delivered, words, monotonic() - began)


def _send(url: str, title: str, body: str, limit_s: float) -> tuple[bool, str]:
    import apprise
    from apprise.result import AppriseResultStatus

    _hear()
    # In memory: a channel's state (a Matrix session, say) is not worth files outside of our data directory.
    asset = apprise.AppriseAsset(app_id="vetting", app_desc="vetting", storage_mode="memory", async_mode=False)
    try:
        channel = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
    except Exception as error:  # noqa: BLE001 - a hundred plugins, each with its own way of refusing an address
        return False, f"the address is not usable: {_bounded(error)}"
    if channel is None:
        return False, "the address is not one that Apprise knows; look at its beginning, the part before ://"
    one = apprise.Apprise(asset=asset)
    one.add(channel)
    try:
        result = one.notify(
            body=body, title=title, notify_type="info", body_format="text", timeout=limit_s, log_level=logging.DEBUG
        )
    except Exception as error:  # as above; our own log has it whole
        log.warning("a notification channel failed", exc_info=True)
        return False, f"the channel failed: {_bounded(type(error).__name__)}"
    if result.status == AppriseResultStatus.SUCCESS:
        return True, "it was taken"
    if result.status == AppriseResultStatus.TIMEOUT:
        return False, f"nothing came of it within {limit_s:.0f} s"
    return False, _why([*result.logs()])


def _hear() -> None:
    """Apprise says why something failed at its lowest level alone, beside addresses and messages: the results shall have
    it, and our log shall not."""
    speaks = logging.getLogger("apprise")
    if speaks.propagate:
        speaks.setLevel(logging.DEBUG)
        speaks.propagate = False


def _why(entries: list[Any]) -> str:
    """What Apprise complained of, and the system's word for it."""
    said = [entry.message for entry in entries if entry.level in ("WARNING", "ERROR", "CRITICAL")]
    causes = [found.group().strip() for entry in entries if (found := CAUSE.search(entry.message))]
    words = _bounded("; ".join(dict.fromkeys(said))) or "it was refused, and nobody said why"
    return f"{words} ({causes[0]})" if causes and causes[0] not in words else words


def _bounded(said: object) -> str:
    text = " ".join(str(said).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
