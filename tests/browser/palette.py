"""A screenshot as a PNG of 256 colours: a quarter of its size, and the eye sees the same page."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST = 256
CHANNELS = {2: 3, 6: 4}  # colour type -> bytes of a pixel: RGB, and RGB with an alpha that screenshots do not use


def shrunk(png: bytes) -> bytes:
    """The same picture, each pixel in one of its 256 commonest colours or the nearest of them."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert depth == 8, f"{depth} bits a channel are not a screenshot's"
    pixels = _unfiltered(
        zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width, CHANNELS[kind]
    )
    size = CHANNELS[kind]
    rows = [[row[at : at + 3] for at in range(0, len(row), size)] for row in pixels]
    counted = Counter(pixel for row in rows for pixel in row)
    kept = [colour for colour, _ in counted.most_common(MOST)]
    place = {colour: number for number, colour in enumerate(kept)}
    for colour in counted.keys() - place.keys():
        place[colour] = _nearest(colour, kept)
    body = b"".join(b"\0" + bytes(place[pixel] for pixel in row) for row in rows)
    assert len(rows) == height
    return SIGNATURE + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(kept)),
            (b"IDAT", zlib.compress(body, 9)),
            (b"IEND", b""),
        )
    )


def _nearest(colour: bytes, kept: list[bytes]) -> int:
    red, green, blue = colour
    return min(
        range(len(kept)),
        key=lambda at: (kept[at][0] - red) ** 2 + (kept[at][1] - green) ** 2 + (kept[at][2] - blue) ** 2,
    )


def _unfiltered(data: bytes, width: int, size: int) -> Iterator[bytes]:
    """Rows of pixels. PNG (RFC 2083, section 6) has each row as its difference from the bytes before and above."""
    length, above = width * size, bytes(width * size)
    for start in range(0, len(data), length + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + length])
        for at in range(length):
            left = row[at - size] if at >= size else 0
            up = above[at]
            match kind:
                case 1:
                    row[at] = (row[at] + left) & 255
                case 2:
                    row[at] = (row[at] + up) & 255
                case 3:
                    row[at] = (row[at] + (left + up) // 2) & 255
                case 4:
                    row[at] = (row[at] + _paeth(left, up, above[at - size] if at >= size else 0)) & 255
        above = bytes(row)
        yield above


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    assert png.startswith(SIGNATURE), "this is no PNG"
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
