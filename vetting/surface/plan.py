"""Which stretches of a disk are tested, in order: all of it, or a sample with the first and the last."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from vetting.surface.pattern import CHUNK_BYTES

SAMPLE_STRETCHES = 64


@dataclass(frozen=True)
class Plan:
    """The chunks of a disk of `size_bytes` that a scan covers. The last chunk of the disk is as short as it must be."""

    size_bytes: int
    sample_bytes: int = 0  # 0: the whole disk
    seed: bytes = b""  # of the sample's places

    def __post_init__(self) -> None:
        if self.size_bytes <= 0:
            raise ValueError("a disk without bytes cannot be tested")

    @property
    def whole(self) -> bool:
        return not 0 < self.sample_bytes < self.size_bytes

    @cached_property
    def chunks(self) -> range | tuple[int, ...]:
        """Numbers of the chunks to test, ascending. A range for a whole disk: nothing grows with the disk's size."""
        present = -(-self.size_bytes // CHUNK_BYTES)
        wanted = -(-self.sample_bytes // CHUNK_BYTES)
        if self.whole or wanted >= present:
            return range(present)
        return _spread(present, max(wanted, 2), self.seed)

    def __len__(self) -> int:
        return len(self.chunks)

    def stretch(self, position: int) -> tuple[int, int]:
        """Offset and length in bytes of the position-th chunk of the plan."""
        offset = self.chunks[position] * CHUNK_BYTES
        return offset, min(CHUNK_BYTES, self.size_bytes - offset)

    @cached_property
    def bytes_promised(self) -> int:
        """Distinct bytes that the plan covers."""
        offset, length = self.stretch(len(self) - 1)
        if isinstance(self.chunks, range):
            return offset + length
        return (len(self) - 1) * CHUNK_BYTES + length


def _spread(present: int, wanted: int, seed: bytes) -> tuple[int, ...]:
    """The first stretch, the last, and between them one at a random place of each of equally wide sections."""
    stretches = min(SAMPLE_STRETCHES, wanted)
    length, longer = divmod(wanted, stretches)
    lengths = [length + (index < longer) for index in range(stretches)]
    dice = random.Random(b"vetting surface sample 1\0" + seed)  # noqa: S311 - places of a sample, not a secret
    free = present - wanted  # chunks left out, to be shared among the gaps
    cuts = sorted(_stratified(dice, free, stretches - 1))
    cuts[-1:] = [free]  # the last stretch ends with the disk
    chosen: list[int] = []
    used = 0
    for length, gap in zip(lengths, [0, *cuts], strict=True):
        chosen.extend(range(used + gap, used + gap + length))
        used += length
    return tuple(chosen)


def _stratified(dice: random.Random, free: int, count: int) -> list[int]:
    """`count` numbers from 0 to `free`, one at random from each of `count` equal sections."""
    return [int((index + dice.random()) * free / count) for index in range(count)]
