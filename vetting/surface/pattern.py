"""What is written to a disk: random data of this scan, each 4 KiB block stamped with its own number and the scan's salt.

A block is 8 bytes magic, 8 bytes block number (little endian), 16 bytes salt, 4064 random bytes. The random part comes
from a base of 1031 blocks. 1031 is prime, so no power-of-two distance, by which disks lie, shift or wrap, ever finds
equal data; the number tells apart what the base repeats. The second cycle writes the complement of all of it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import mmap
import sys
from array import array

BLOCK_BYTES = 4096
CHUNK_BYTES = 1024 * 1024
BLOCKS_PER_CHUNK = CHUNK_BYTES // BLOCK_BYTES
BASE_BLOCKS = 1031
MAGIC = b"vetting\x01"
SALT_BYTES = 16
STAMP_BYTES = len(MAGIC) + 8 + SALT_BYTES
MAX_WORD = (1 << 64) - 1
WORDS_PER_BLOCK = BLOCK_BYTES // 8

# CDLL, not PyDLL: the interpreter lock is released while the C function runs, so that threads compare side by side.
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int

_COMPLEMENT = bytes(255 - value for value in range(256))


def aligned_buffer(size_bytes: int) -> memoryview:
    """Zeroed private memory that starts on a page, as direct I/O wants it."""
    return memoryview(mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def address_of(buffer: memoryview) -> int:
    """Where a writable buffer starts in memory. The buffer must outlive the use of the address."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


@functools.lru_cache(maxsize=2)  # both cycles of the one scan that a process does; every worker has a copy of its own
def base_of(salt: bytes, *, complement: bool) -> bytes:
    """The base with block number 0 in every stamp; the same salt gives the same bytes for ever, on every machine."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    random = hashlib.shake_256(b"vetting surface base 1\0" + salt).digest(BASE_BLOCKS * BLOCK_BYTES)
    base = bytearray(random)
    stamp = MAGIC + bytes(8) + salt
    for start in range(0, len(base), BLOCK_BYTES):
        base[start : start + STAMP_BYTES] = stamp
    return bytes(base.translate(_COMPLEMENT) if complement else base)


class Pattern:
    """The expected content of any stretch. Not for two threads at once: `expected` stamps its own memory in place."""

    def __init__(self, salt: bytes, *, complement: bool = False) -> None:
        base = base_of(salt, complement=complement)
        # The base is followed by its own beginning, so that a chunk that starts near the end needs no second piece.
        again = base[: (BLOCKS_PER_CHUNK - 1) * BLOCK_BYTES]
        self._memory = aligned_buffer(len(base) + len(again))
        self._memory[: len(base)] = base
        self._memory[len(base) :] = again
        self._words = self._memory.cast("Q")
        self._address = address_of(self._memory)
        self._complement = complement
        if sys.byteorder != "little":
            raise RuntimeError("the surface test's stamps are written for little-endian machines")

    def expected(self, first_block: int, size_bytes: int) -> memoryview:
        """Content of `size_bytes` (at most a chunk) from block `first_block` on; valid until the next call."""
        start = self._stamp(first_block, size_bytes) * BLOCK_BYTES
        return self._memory[start : start + size_bytes]

    def equals(self, first_block: int, buffer_address: int, size_bytes: int) -> bool:
        """Whether the memory at `buffer_address` holds exactly the expected content, every byte compared."""
        start = self._stamp(first_block, size_bytes) * BLOCK_BYTES
        return bool(_memcmp(self._address + start, buffer_address, size_bytes) == 0)

    def _stamp(self, first_block: int, size_bytes: int) -> int:
        """Writes the block numbers into the base; returns the block of the base where the stretch begins."""
        if not 0 < size_bytes <= CHUNK_BYTES:
            raise ValueError(f"a stretch has 1 to {CHUNK_BYTES} bytes, not {size_bytes}")
        blocks = -(-size_bytes // BLOCK_BYTES)
        start = first_block % BASE_BLOCKS
        if self._complement:
            numbers = range(MAX_WORD - first_block, MAX_WORD - first_block - blocks, -1)
        else:
            numbers = range(first_block, first_block + blocks)
        first_word = start * WORDS_PER_BLOCK + 1  # the second word of a block, right after the magic
        self._words[first_word : first_word + (blocks - 1) * WORDS_PER_BLOCK + 1 : WORDS_PER_BLOCK] = memoryview(
            array("Q", numbers)
        )
        return start


def stamp_of(block: bytes | memoryview) -> tuple[int, bytes] | None:
    """Block number and salt of a block that a vetting wrote (either cycle), or None for anything else."""
    stamp = bytes(block[:STAMP_BYTES])
    if stamp[: len(MAGIC)] == MAGIC.translate(_COMPLEMENT):
        stamp = stamp.translate(_COMPLEMENT)
    if len(stamp) < STAMP_BYTES or stamp[: len(MAGIC)] != MAGIC:
        return None
    return int.from_bytes(stamp[8:16], "little"), stamp[16:STAMP_BYTES]
