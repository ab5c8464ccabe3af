"""Datagrams of the kernel's netconsole, extended (as /dev/kmsg has them) or plain (as a console has them).

Extended: `[release,]level,number,microseconds,flags[,ncfrag=from/of];text`, then lines of keys that begin with a blank. A
long message comes in several, each with its place in the whole. Plain: `[    5.140900] text`, without a level.

Whoever can send a datagram can say anything: nothing here raises, every text is bounded, and what does not print is
written as its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

LINE_CHARS = 1000
DATAGRAM_BYTES = 2048  # the kernel sends at most 1000 and a header
LINES = 40  # of one plain datagram
OPEN = 8  # messages whose other parts are waited for
WHOLE_BYTES = 8192  # of one message

EXTENDED = re.compile(
    rb"(?:\d[\w.+~-]{1,64},)?(\d{1,4}),(\d{1,20}),(\d{1,20}),[^,;]{0,4}((?:,[a-z]{1,12}=[^,;]{1,40}){0,4});", re.ASCII
)
PART = re.compile(rb",ncfrag=(\d{1,6})/(\d{1,6})")
STAMP = re.compile(r"\[\s{0,12}(\d{1,9}\.\d{1,9})(?:,[^\]]{0,40})?\]\s?(?:\[[^\]]{1,20}\] )?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`level`: 0 (the system is unusable) to 7 (debug); None: not told."""

    text: str
    level: int | None = None
    number: int | None = None  # grows by one with every message of a boot
    seconds: float | None = None  # since boot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A datagram taken apart; `begin` and `whole` in bytes, where it is one of several."""

    head: Line
    body: bytes
    begin: int = 0
    whole: int = 0


def parse(datagram: bytes) -> tuple[Line, ...]:
    """The lines of one datagram by itself."""
    piece = _piece(datagram)
    return _lines(piece) if piece is not None else _plain(datagram)


def join(datagrams: Iterable[bytes]) -> Iterator[Line]:
    """The lines of many datagrams of one sender in their order, with messages that came in parts put together.

    A message of which a part was lost is told as far as it came.
    """
    waiting: dict[int, _Piece] = {}
    for datagram in datagrams:
        piece = _piece(datagram)
        if piece is None:
            yield from _plain(datagram)
            continue
        number = piece.head.number or 0
        if (begun := waiting.pop(number, None)) is not None:
            if piece.whole == begun.whole and piece.begin == len(begun.body):
                piece = replace(begun, body=begun.body + piece.body)
            else:  # a part is missing, or it is another boot's message of that number
                yield from _lines(begun)
        if len(piece.body) < min(piece.whole, WHOLE_BYTES):
            waiting[number] = piece
            if len(waiting) > OPEN:
                yield from _lines(waiting.pop(next(iter(waiting))))
        else:
            yield from _lines(piece)
    for piece in waiting.values():
        yield from _lines(piece)


def _piece(datagram: bytes) -> _Piece | None:
    raw = datagram[:DATAGRAM_BYTES]
    match = EXTENDED.match(raw)
    if match is None:
        return None
    head = Line(text="", level=int(match[1]) & 7, number=int(match[2]), seconds=int(match[3]) / 1e6)
    part = PART.search(match[4])
    begin, whole = (int(part[1]), int(part[2])) if part else (0, 0)
    return _Piece(head=head, body=raw[match.end() :], begin=begin, whole=whole)


def _lines(piece: _Piece) -> tuple[Line, ...]:
    """The message without its keys. Its own newlines came escaped, so that everything behind the first line is keys."""
    said = piece.body.partition(b"\n")[0].rstrip()
    return (replace(piece.head, text=printable(said)),) if said else ()


def _plain(datagram: bytes) -> tuple[Line, ...]:
    said = [part for part in datagram[:DATAGRAM_BYTES].split(b"\n") if part.strip()]
    return tuple(_stamped(printable(part)) for part in said[:LINES])


def _stamped(said: str) -> Line:
    if match := STAMP.match(said):
        return Line(text=match[2], seconds=float(match[1]))
    return Line(text=said)


def printable(raw: bytes) -> str:
    """One bounded line in which every byte shows."""
    text = raw[: LINE_CHARS * 4].decode("utf-8", "backslashreplace")
    shown = "".join(letter if letter.isprintable() else _number(letter) for letter in text[: LINE_CHARS + 1])
    return shown if len(shown) <= LINE_CHARS else shown[: LINE_CHARS - 1] + "…"


def _number(letter: str) -> str:
    return "\t" if letter == "\t" else f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"
