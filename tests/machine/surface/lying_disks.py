"""Disks that lie: a real file behind a layer that does one wrong thing, at a place that a seed chooses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from vetting.surface.device import Device

BLOCK = 4096
SECTOR = 512
MIB = 1024 * 1024


@dataclass
class Disk:
    """An honest disk over another device. The liars below change what happens to a block, once or always."""

    below: Device
    size_bytes: int
    dice: random.Random
    victim: int = field(init=False)  # block number

    def __post_init__(self) -> None:
        self.victim = self.dice.randrange(self.size_bytes // BLOCK)
        self.prepare()

    def prepare(self) -> None:
        """What the liar needs to choose beforehand."""

    def write(self, data: memoryview, offset: int) -> int:
        for piece, place in self.written(bytes(data), offset):
            self._put(piece, place)
        return len(data)

    def read(self, into: memoryview, offset: int) -> int:
        into[:] = self.answered(self._get(offset, len(into)), offset)
        return len(into)

    def flush(self) -> None:
        self.below.flush()

    def gone(self) -> bool:
        return False

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        yield data, offset

    def answered(self, data: bytes, offset: int) -> bytes:
        return data

    def _put(self, data: bytes, offset: int) -> None:
        assert self.below.write(memoryview(data), offset) == len(data)

    def _get(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        assert self.below.read(memoryview(data), offset) == length
        return bytes(data)

    def inside(self, offset: int, length: int, block: int | None = None) -> int | None:
        """Where a block (the victim) lies in a request, or None."""
        place = (self.victim if block is None else block) * BLOCK - offset
        return place if 0 <= place < length else None


class BitFlip(Disk):
    """One bit of one write arrives wrong."""

    done = False

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        at = self.inside(offset, len(data))
        if at is not None and not self.done:
            self.done = True
            at += self.dice.randrange(BLOCK)
            data = data[:at] + bytes([data[at] ^ 1 << self.dice.randrange(8)]) + data[at + 1 :]
        yield data, offset


class Stuck(Disk):
    """One bit always reads the same."""

    value = 0

    def prepare(self) -> None:
        self.byte, self.bit = self.dice.randrange(BLOCK), self.dice.randrange(8)

    def answered(self, data: bytes, offset: int) -> bytes:
        at = self.inside(offset, len(data))
        if at is None:
            return data
        at += self.byte
        stuck = data[at] | 1 << self.bit if self.value else data[at] & ~(1 << self.bit) & 0xFF
        return data[:at] + bytes([stuck]) + data[at + 1 :]


class StuckOne(Stuck):
    value = 1


class Wrap(Disk):
    """A counterfeit: addresses beyond the real capacity come round to the start."""

    def real_bytes(self) -> int:
        return 16 * MIB

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK], (offset + start) % self.real_bytes()

    def read(self, into: memoryview, offset: int) -> int:
        for start in range(0, len(into), BLOCK):
            into[start : start + BLOCK] = self._get((offset + start) % self.real_bytes(), BLOCK)
        return len(into)


class HalfSizeWrap(Wrap):
    def real_bytes(self) -> int:
        return self.size_bytes // 2


class Dropped(Disk):
    """One block is acknowledged and never written; the old data (of the last user, here random) stays."""

    done = False

    def prepare(self) -> None:
        self._put(self.dice.randbytes(BLOCK), self.victim * BLOCK)

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        at = self.inside(offset, len(data))
        if at is None or self.done:
            yield data, offset
            return
        self.done = True
        if data[:at]:
            yield data[:at], offset
        if data[at + BLOCK :]:
            yield data[at + BLOCK :], offset + at + BLOCK


class DroppedOnZeroed(Dropped):
    def prepare(self) -> None:
        self._put(bytes(BLOCK), self.victim * BLOCK)


class Misdirected(Dropped):
    """One block lands on another one's place."""

    def prepare(self) -> None:
        super().prepare()
        self.target = self.dice.randrange(self.size_bytes // BLOCK)

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        at, late = self.inside(offset, len(data)), not self.done
        yield from super().written(data, offset)
        if at is not None and late:
            yield data[at : at + BLOCK], self.target * BLOCK


class Swapped(Disk):
    """Two neighbouring blocks of one request trade places on their way to the medium."""

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        at = self.inside(offset, len(data), self.victim & ~1)
        if at is not None:
            one, two = data[at : at + BLOCK], data[at + BLOCK : at + 2 * BLOCK]
            data = data[:at] + two + one + data[at + 2 * BLOCK :]
        yield data, offset


class Shifted(Disk):
    """From the victim on, a request lands one sector too far."""

    done = False

    def written(self, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
        at = self.inside(offset, len(data))
        if at is not None and not self.done:
            self.done = True
            data = data[:at] + data[at - SECTOR if at else 0 :][:SECTOR] + data[at:-SECTOR]
        yield data, offset


LIARS: dict[str, type[Disk]] = {
    "bit flip": BitFlip,
    "stuck 0": Stuck,
    "stuck 1": StuckOne,
    "half-size wrap": HalfSizeWrap,
    "16 MiB wrap": Wrap,
    "dropped write": Dropped,
    "dropped on zeroed": DroppedOnZeroed,
    "misdirected": Misdirected,
    "swapped": Swapped,
    "shifted": Shifted,
}
