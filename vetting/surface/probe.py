"""The wipe probe: is there anything on this disk that somebody may want to keep?

Three looks at the same open descriptor: our own, `wipefs` (every signature and its place) and `blkid` (its low-level probe,
never udev's database). A hit of any of them counts. Without the two programs nothing is written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass

from vetting.domain.disks import DiskIdentity, Hit
from vetting.parsers import ParseError, blkid, wipefs
from vetting.proc import run
from vetting.surface.device import DISK_ERRNOS
from vetting.surface.pattern import BLOCK_BYTES, CHUNK_BYTES, MAGIC, Pattern, aligned_buffer, stamp_of
from vetting.surface.signatures import LOOK_BYTES, signatures

LIMIT_S = 60.0
FOUND, NOTHING, AMBIVALENT = 0, 2, 8  # blkid(8), EXIT STATUS


class CannotProbe(Exception):
    """The probe could not be carried out, so nothing may be concluded: our error, and nothing is written."""


class Unreadable(Exception):
    """The disk did not give back its own first or last bytes: the host is at fault, and nothing is written."""

    def __init__(self, offset: int, error: OSError) -> None:
        super().__init__(f"the disk cannot be read at byte {offset}: {error.strerror}")
        self.offset = offset
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """`state`: blank (both ends all zeros), ours (both ends carry our own stamps), or data."""

    state: str
    hits: tuple[Hit, ...]


class Reader:
    """Reads any bytes of an open disk; keeps both ends in memory. Raises Unreadable where the disk fails."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        self._fd = fd
        self._buffer = aligned_buffer(CHUNK_BYTES)
        self.size_bytes = size_bytes
        self.tail_at = max(0, size_bytes - LOOK_BYTES) // BLOCK_BYTES * BLOCK_BYTES
        self.head = self.fetch(0, min(LOOK_BYTES, size_bytes))
        self.tail = self.fetch(self.tail_at, size_bytes - self.tail_at)

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, fewer only where the disk ends."""
        end = min(offset + length, self.size_bytes)
        if offset >= end:
            return b""
        if end <= len(self.head):
            return self.head[offset:end]
        if offset >= self.tail_at:
            return self.tail[offset - self.tail_at : end - self.tail_at]
        start = offset // BLOCK_BYTES * BLOCK_BYTES
        stop = min(-(-end // BLOCK_BYTES) * BLOCK_BYTES, self.size_bytes)
        return self.fetch(start, stop - start)[offset - start : end - start]

    def fetch(self, offset: int, length: int) -> bytes:
        """Straight from the disk; offset and length in whole logical blocks."""
        pieces = []
        while length:
            wanted = self._buffer[: min(length, len(self._buffer))]
            try:
                moved = os.preadv(self._fd, [wanted], offset)
            except OSError as error:
                if error.errno not in DISK_ERRNOS:
                    raise
                raise Unreadable(offset, error) from error
            if moved != len(wanted):
                raise CannotProbe(f"only {moved} of {len(wanted)} bytes could be read at byte {offset}")
            pieces.append(bytes(wanted))
            offset += moved
            length -= moved
        return b"".join(pieces)


def probe(fd: int, disk: DiskIdentity) -> Probe:
    """Looks at an open disk. Raises CannotProbe, ToolMissing, Unreadable."""
    reader = Reader(fd, disk.size_bytes)
    ours = [
        range(at, at + len(data))
        for at, data in ((0, reader.head), (reader.tail_at, reader.tail))
        if _all_ours(data, at // BLOCK_BYTES)
    ]
    # What looks like a signature inside our own random data is chance; anything written since has broken a stamp.
    own = [hit for hit in signatures(reader.read, disk.size_bytes, disk.logical_block_bytes) if not _within(hit, ours)]
    erased, named = asyncio.run(_ask(f"/proc/{os.getpid()}/fd/{fd}"))
    by_chance = {hit.kind for hit in erased if _within(hit, ours)}
    others = [hit for hit in erased if not _within(hit, ours)]
    others += [hit for hit in named if hit.kind not in by_chance and len(ours) != 2]
    blank = not any(reader.head) and not any(reader.tail)
    hits = (*own, *others)
    state = "data" if hits else "ours" if len(ours) == 2 else "blank" if blank else "unknown data"
    return Probe(state=state, hits=hits)


def _within(hit: Hit, ranges: Iterable[range]) -> bool:
    return hit.offset is not None and any(hit.offset in each for each in ranges)


def _all_ours(data: bytes, first_block: int) -> bool:
    """Whether these are the very bytes that one scan writes here, in either cycle.

    A stamp alone is not enough: what was put behind it, a superblock in the middle of a block, is somebody's.
    """
    stamp = stamp_of(data[:BLOCK_BYTES])
    if stamp is None or stamp[0] != first_block:
        return False
    pattern = Pattern(stamp[1], complement=not data.startswith(MAGIC))
    for at in range(0, len(data), CHUNK_BYTES):
        piece = data[at : at + CHUNK_BYTES]
        if piece != pattern.expected(first_block + at // BLOCK_BYTES, len(piece)):
            return False
    return True


async def _ask(path: str) -> tuple[list[Hit], list[Hit]]:
    """What wipefs finds, with places, and what blkid makes of it."""
    listed = await run(["wipefs", "--no-act", "--json", path], limit_s=LIMIT_S)
    if listed.exit_code != 0 or listed.timed_out:
        raise CannotProbe(f"wipefs {listed.how_it_ended}: {listed.stderr.strip()[:300]}")
    looked = await run(["blkid", "-p", "-o", "export", path], limit_s=LIMIT_S)
    if looked.exit_code not in (FOUND, NOTHING, AMBIVALENT) or looked.timed_out:
        raise CannotProbe(f"blkid {looked.how_it_ended}: {looked.stderr.strip()[:300]}")
    try:
        found = wipefs.parse(listed.stdout)
        probes = blkid.parse(looked.stdout + looked.stderr)
    except ParseError as error:
        raise CannotProbe(str(error)) from error
    erased = [Hit(s.kind, s.offset, " ".join(filter(None, (s.label, s.uuid))), "wipefs") for s in found]
    named = [_named(each) for each in probes if each.anything]
    if looked.exit_code != NOTHING and not named:
        raise CannotProbe(f"blkid {looked.how_it_ended} and named nothing")
    return erased, named


def _named(each: blkid.Probe) -> Hit:
    if each.ambivalent:
        return Hit("several signatures at once", None, "", "blkid")
    kind = each.kind or each.partition_table or each.usage or "something"
    return Hit(kind, None, " ".join(filter(None, (each.label, each.uuid))), "blkid")
