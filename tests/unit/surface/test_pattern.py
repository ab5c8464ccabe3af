"""What is written to a disk: reproducible, stamped, never the same at a power-of-two distance."""

from __future__ import annotations

import pytest

from vetting.surface.pattern import (
    BASE_BLOCKS,
    BLOCK_BYTES,
    BLOCKS_PER_CHUNK,
    CHUNK_BYTES,
    Pattern,
    address_of,
    aligned_buffer,
    stamp_of,
)

SALT = bytes(range(16))
FAR = 20 * 10**12 // BLOCK_BYTES  # a block of a 20 TB disk


def block(pattern: Pattern, number: int) -> bytes:
    return bytes(pattern.expected(number, BLOCK_BYTES))


@pytest.mark.parametrize("first", [0, 1, BASE_BLOCKS - 1, BASE_BLOCKS, FAR - 7])
def test_a_chunk_is_made_of_the_blocks_that_it_covers(first: int) -> None:
    pattern = Pattern(SALT)
    chunk = bytes(pattern.expected(first, CHUNK_BYTES))

    assert [chunk[at : at + BLOCK_BYTES] for at in range(0, CHUNK_BYTES, BLOCK_BYTES)] == [
        block(pattern, first + index) for index in range(BLOCKS_PER_CHUNK)
    ]


@pytest.mark.parametrize("complement", [False, True])
def test_every_block_tells_its_own_number_and_the_salt(complement: bool) -> None:
    pattern = Pattern(SALT, complement=complement)

    for number in (0, 1, 255, 256, BASE_BLOCKS, FAR):
        assert stamp_of(block(pattern, number)) == (number, SALT)


def test_two_patterns_of_one_salt_agree_and_of_two_salts_differ_in_every_block() -> None:
    one, same, other = Pattern(SALT), Pattern(SALT), Pattern(SALT[::-1])

    assert block(one, 77) == block(same, 77)
    assert sum(a != b for a, b in zip(block(one, 77), block(other, 77), strict=True)) > BLOCK_BYTES * 0.95


def test_the_second_cycle_writes_the_other_value_of_every_bit() -> None:
    data, complement = Pattern(SALT), Pattern(SALT, complement=True)

    for number in (0, 3, BASE_BLOCKS + 5, FAR):
        pairs = zip(block(data, number), block(complement, number), strict=True)
        assert all(one ^ two == 0xFF for one, two in pairs)


def test_blocks_a_power_of_two_apart_have_nothing_in_common() -> None:
    pattern = Pattern(SALT)
    first = block(pattern, 5)

    for exponent in range(33):
        other = block(pattern, 5 + (1 << exponent))
        assert sum(a != b for a, b in zip(first[64:], other[64:], strict=True)) > BLOCK_BYTES * 0.95, exponent


def test_a_tail_shorter_than_a_block_is_the_beginning_of_that_block() -> None:
    pattern = Pattern(SALT)

    assert bytes(pattern.expected(9, 512)) == block(pattern, 9)[:512]
    assert bytes(pattern.expected(8, BLOCK_BYTES + 1536))[BLOCK_BYTES:] == block(pattern, 9)[:1536]


def test_equality_sees_one_bit_anywhere_in_a_chunk_and_nothing_beyond_it() -> None:
    pattern, buffer = Pattern(SALT), aligned_buffer(CHUNK_BYTES)
    buffer[:] = pattern.expected(300, CHUNK_BYTES)
    address = address_of(buffer)

    assert pattern.equals(300, address, CHUNK_BYTES)
    assert not pattern.equals(301, address, CHUNK_BYTES)
    for at in (0, 8, 4095, 4096, CHUNK_BYTES // 2, CHUNK_BYTES - 1):
        buffer[at] ^= 0x10
        assert not pattern.equals(300, address, CHUNK_BYTES), at
        buffer[at] ^= 0x10
    buffer[CHUNK_BYTES - 1] ^= 1
    assert pattern.equals(300, address, CHUNK_BYTES - 512)


def test_buffers_start_on_a_page() -> None:
    assert address_of(aligned_buffer(BLOCK_BYTES)) % BLOCK_BYTES == 0
    assert address_of(Pattern(SALT).expected(1, BLOCK_BYTES)) % BLOCK_BYTES == 0


@pytest.mark.parametrize(
    "data", [b"", bytes(31), bytes(4096), b"\xff" * 4096, b"vetting\x01", b"vetting\x02" + bytes(99)]
)
def test_what_no_vetting_wrote_carries_no_stamp(data: bytes) -> None:
    assert stamp_of(data) is None


def test_a_stretch_longer_than_a_chunk_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="a stretch has"):
        Pattern(SALT).expected(0, CHUNK_BYTES + 1)
