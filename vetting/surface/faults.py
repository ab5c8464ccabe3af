"""What was wrong with which block: the errors of a scan, told so that a person learns what the disk did."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vetting.surface.pattern import BLOCK_BYTES, stamp_of

MAX_LISTED = 100
FEW_BITS = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """Bad blocks side by side with the same kind of trouble. `offset` and `length` in bytes of the disk."""

    phase: str  # write, verify, read
    cycle: int
    offset: int
    length: int
    kind: str
    detail: str

    @property
    def blocks(self) -> int:
        return -(-self.length // BLOCK_BYTES)


def of_errno(error: OSError) -> tuple[str, str]:
    """Kind and detail of an I/O request that failed."""
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    return "io-error", f"{name}: {error.strerror}"


def of_block(found: bytes, wanted: bytes, block: int, salt: bytes) -> tuple[str, str]:
    """Kind and detail of a block that came back with other bytes than were written.

    Kinds: zeros, constant, misplaced (another block's data of this scan), stale (an earlier cycle's or scan's data),
    bits (a few bits differ), garbage.
    """
    wrong = int.from_bytes(found, "little") ^ int.from_bytes(wanted, "little")
    if wrong.bit_count() <= FEW_BITS:
        at = ((wrong & -wrong).bit_length() - 1) // 8
        return "bits", f"{wrong.bit_count()} bits differ, first at byte {at}: {found[at]:#04x}, not {wanted[at]:#04x}"
    if not any(found):
        return "zeros", "all zeros: the write never arrived"
    if found == found[:1] * len(found):
        return "constant", f"every byte is {found[0]:#04x}"
    stamp = stamp_of(found)
    if stamp is None:
        return "garbage", f"{wrong.bit_count()} bits differ, data unknown"
    number, found_salt = stamp
    if found_salt != salt:
        return "stale", f"block {number} of another scan: the write never arrived"
    if number != block:
        return "misplaced", f"holds block {number}, which is {(number - block) * BLOCK_BYTES:+d} bytes away"
    if (wrong & wrong + 1) == 0:  # every bit differs: the complement
        return "stale", "data of the other cycle: the write never arrived"
    return "garbage", f"stamp is right, {wrong.bit_count()} bits differ"


def merged(faults: Iterable[Fault]) -> list[Fault]:
    """Neighbours of one kind become one fault; the first one's detail stands for all."""
    result: list[Fault] = []
    for fault in faults:
        if result and _continues(result[-1], fault):
            result[-1] = replace(result[-1], length=result[-1].length + fault.length)
        else:
            result.append(fault)
    return result


def _continues(last: Fault, fault: Fault) -> bool:
    same = (last.phase, last.cycle, last.kind) == (fault.phase, fault.cycle, fault.kind)
    return same and last.offset + last.length == fault.offset
