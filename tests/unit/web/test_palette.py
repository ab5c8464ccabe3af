"""A smaller picture shows the same."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.browser.palette import SIGNATURE, _chunk, _chunks, shrunk


def png(rows: list[bytes], size: int = 3) -> bytes:
    """Rows with their filter byte, as RGB or RGBA."""
    width = (len(rows[0]) - 1) // size
    head = struct.pack(">IIBBBBB", width, len(rows), 8, 2 if size == 3 else 6, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"".join(rows))) + _chunk(b"IEND", b"")


def colours(small: bytes) -> list[list[tuple[int, ...]]]:
    parts = dict(_chunks(small))
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    palette, body = parts[b"PLTE"], zlib.decompress(parts[b"IDAT"])
    assert len(body) == height * (width + 1)
    return [
        [tuple(palette[at * 3 : at * 3 + 3]) for at in body[y * (width + 1) + 1 : (y + 1) * (width + 1)]]
        for y in range(height)
    ]


@pytest.mark.parametrize(
    ("second", "meant"),
    [
        (b"\0" + bytes((1, 2, 3, 4, 5, 6)), [(1, 2, 3), (4, 5, 6)]),
        (b"\1" + bytes((1, 2, 3, 4, 5, 6)), [(1, 2, 3), (5, 7, 9)]),
        (b"\2" + bytes((1, 2, 3, 4, 5, 6)), [(11, 22, 33), (44, 55, 66)]),
        (b"\3" + bytes((1, 2, 3, 4, 5, 6)), [(6, 12, 18), (27, 36, 45)]),
        (b"\4" + bytes((1, 2, 3, 4, 5, 6)), [(11, 22, 33), (44, 55, 66)]),
        (b"\2" + bytes((250, 250, 250, 0, 0, 0)), [(4, 14, 24), (40, 50, 60)]),
    ],
)
def test_every_filter_is_undone(second: bytes, meant: list[tuple[int, ...]]) -> None:
    first = b"\0" + bytes((10, 20, 30, 40, 50, 60))
    assert colours(shrunk(png([first, second]))) == [[(10, 20, 30), (40, 50, 60)], meant]


def test_a_rare_colour_becomes_the_nearest_of_the_common_ones() -> None:
    common = b"".join(bytes((number, 0, 0)) * 2 for number in range(256))
    (row,) = colours(shrunk(png([b"\0" + common + bytes((9, 1, 0))])))
    assert row[-1] == (9, 0, 0)


def test_an_alpha_that_says_nothing_is_left_out() -> None:
    assert colours(shrunk(png([b"\0" + bytes((1, 2, 3, 255, 4, 5, 6, 255))], size=4))) == [[(1, 2, 3), (4, 5, 6)]]
