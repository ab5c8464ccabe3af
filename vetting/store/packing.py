"""How samples lie in a row: a batch as it arrived, of many series; a block, of one series, compressed.

Both keep every bit of a value, not-a-number too. Times are milliseconds after the row's own `t0_ms`. Little-endian.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain
from operator import sub
from typing import TypeVar

from vetting.domain.errors import BadInput

SAMPLE_BYTES = 14  # in a batch: series number u16, offset u32, value f64
MAX_OFFSET_MS = 2**32 - 1
MAX_SERIES = 2**16
_VALUE_BYTES = 8
_LEVEL = 6

Column = TypeVar("Column", "array[int]", "array[float]")
Columns = tuple[Sequence[int], Sequence[int], Sequence[float]]


@lru_cache(maxsize=1024)
def _batch(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H{count}I{count}d")


def pack_batch(numbers: Sequence[int], offsets_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """Three columns of equal length. Raises BadInput where a time or number does not fit."""
    try:
        return _batch(len(values)).pack(*numbers, *offsets_ms, *values)
    except struct.error as error:
        raise BadInput(f"samples of one batch must lie within 49 days of each other: {error}") from error


def unpack_batch(blob: bytes) -> Columns:
    """The columns: series numbers, offsets in ms, values."""
    count = len(blob) // SAMPLE_BYTES
    flat = _batch(count).unpack(blob)
    return flat[:count], flat[count : 2 * count], flat[2 * count :]


def pack_block(at_ms: Sequence[int], values: Sequence[float]) -> bytes:
    """One series in order of time; the row's `t0_ms` is `at_ms[0]`.

    Steps in place of times, and the bytes of the values transposed (all first bytes, all second …): what changes slowly
    then compresses well.
    """
    steps = array("I", chain((0,), map(sub, at_ms[1:], at_ms)))
    raw = _little(array("d", values)).tobytes()
    planes = b"".join(raw[plane::_VALUE_BYTES] for plane in range(_VALUE_BYTES))
    return zlib.compress(_little(steps).tobytes() + planes, _LEVEL)


def unpack_block(t0_ms: int, blob: bytes) -> tuple[array[int], array[float]]:
    """Times in ms of the epoch, and values."""
    raw = zlib.decompress(blob)
    count = len(raw) // (4 + _VALUE_BYTES)
    steps = array("I")
    steps.frombytes(raw[: 4 * count])
    at_ms = array("q", accumulate(_little(steps), initial=t0_ms))[1:]
    planes = raw[4 * count :]
    whole = bytearray(len(planes))
    for plane in range(_VALUE_BYTES):
        whole[plane::_VALUE_BYTES] = planes[plane * count : (plane + 1) * count]
    values = array("d")
    values.frombytes(bytes(whole))
    return at_ms, _little(values)


def _little(column: Column) -> Column:
    if sys.byteorder == "big":
        column.byteswap()
    return column
