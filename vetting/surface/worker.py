"""One worker of a scan: takes chunks, writes, verifies or reads them, and looks closer where something is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vetting.surface.device import DISK_ERRNOS, Device
from vetting.surface.faults import Fault, merged, of_block, of_errno
from vetting.surface.ledger import Done, Phase, PhaseLedger
from vetting.surface.pattern import BLOCK_BYTES, CHUNK_BYTES, Pattern, address_of, aligned_buffer
from vetting.surface.plan import Plan


class Vanished(Exception):
    """The disk left the machine, or changed its size, while it was tested."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the disk vanished during the request at byte {offset}")
        self.offset = offset


class Interrupted(Exception):
    """A stop came while a bad chunk was looked at block by block; the chunk does not count."""


@dataclass(slots=True)
class Worker:
    """Everything that one thread owns: its pattern, its buffer, its way to the disk."""

    device: Device
    plan: Plan
    phase: Phase
    salt: bytes
    ledger: PhaseLedger
    _pattern: Pattern = field(init=False)
    _buffer: memoryview = field(init=False)
    _address: int = field(init=False)

    def work(self) -> None:
        """Until there is nothing left. Never raises: trouble goes to the ledger, which ends the scan."""
        action = {"write": self._write, "verify": self._verify, "read": self._read}[self.phase.kind]
        try:
            self._pattern = Pattern(self.salt, complement=self.phase.cycle == 2)
            self._buffer = aligned_buffer(CHUNK_BYTES)
            self._address = address_of(self._buffer)
        except BaseException as trouble:  # noqa: BLE001 - told by the scan, in the main thread
            self.ledger.fail(trouble)
            return
        while (position := self.ledger.take()) is not None:
            offset, length = self.plan.stretch(position)
            began = time.monotonic()
            try:
                done = action(offset, length)
            except Interrupted:
                self.ledger.abandon()
            except BaseException as trouble:  # noqa: BLE001 - told by the scan, in the main thread
                self.ledger.abandon(trouble)
            else:
                self.ledger.complete(position, done, time.monotonic() - began)

    def _write(self, offset: int, length: int) -> Done:
        if self._moved(self.device.write, self._pattern.expected(offset // BLOCK_BYTES, length), offset) == length:
            return Done(length)
        return self._finely(offset, length, self._write_block)

    def _verify(self, offset: int, length: int) -> Done:
        if self._moved(self.device.read, self._buffer[:length], offset) == length:
            if self._pattern.equals(offset // BLOCK_BYTES, self._address, length):
                return Done(length)
            return self._compare_finely(offset, length)
        return self._finely(offset, length, self._verify_block)

    def _read(self, offset: int, length: int) -> Done:
        if self._moved(self.device.read, self._buffer[:length], offset) == length:
            return Done(length)
        return self._finely(offset, length, self._read_block)

    def _moved(self, request: Callable[[memoryview, int], int], data: memoryview, offset: int) -> int:
        """Bytes that a request moved; -1 where the disk failed it. Raises Vanished, and OSError where it was us."""
        try:
            return request(data, offset)
        except OSError as error:
            self._blame(error, offset)
            return -1

    def _blame(self, error: OSError, offset: int) -> None:
        if self.device.gone():
            raise Vanished(offset) from error
        if error.errno not in DISK_ERRNOS:
            raise error

    def _finely(self, offset: int, length: int, request: Callable[[int, int], Fault | None]) -> Done:
        """The same chunk again, block by block, so that one bad sector costs one block."""
        faults = []
        for start in range(offset, offset + length, BLOCK_BYTES):
            if self.ledger.halted:
                raise Interrupted
            self.ledger.look_for_stop()
            fault = request(start, min(BLOCK_BYTES, offset + length - start))
            if fault:
                faults.append(fault)
        return _done(length, faults)

    def _write_block(self, offset: int, length: int) -> Fault | None:
        data = self._pattern.expected(offset // BLOCK_BYTES, length)
        return self._whole(self.device.write, data, offset)

    def _read_block(self, offset: int, length: int) -> Fault | None:
        return self._whole(self.device.read, self._buffer[:length], offset)

    def _verify_block(self, offset: int, length: int) -> Fault | None:
        self._buffer[:length] = bytes(length)  # what an earlier read left there proves nothing
        fault = self._whole(self.device.read, self._buffer[:length], offset)
        return fault or self._compared(offset, bytes(self._buffer[:length]))

    def _whole(self, request: Callable[[memoryview, int], int], data: memoryview, offset: int) -> Fault | None:
        try:
            moved = request(data, offset)
        except OSError as error:
            self._blame(error, offset)
            return self._fault(offset, len(data), *of_errno(error))
        if moved == len(data):
            return None
        if self.device.gone():
            raise Vanished(offset)
        return self._fault(offset, len(data), "short", f"{moved} of {len(data)} bytes moved")

    def _compare_finely(self, offset: int, length: int) -> Done:
        """Which blocks of the buffer are wrong, and how; the disk is asked once more whether it means it."""
        first = bytes(self._buffer[:length])
        faults = []
        for start in range(0, length, BLOCK_BYTES):
            fault = self._compared(offset + start, first[start : start + BLOCK_BYTES])
            if fault:
                faults.append(fault)
        self._buffer[:length] = bytes(length)
        again = self._moved(self.device.read, self._buffer[:length], offset)
        same = again == length and bytes(self._buffer[:length]) == first
        note = "read again the same" if same else "read again differently"
        return _done(length, [self._fault(f.offset, f.length, f.kind, f"{f.detail}; {note}") for f in faults])

    def _compared(self, offset: int, found: bytes) -> Fault | None:
        block = offset // BLOCK_BYTES
        wanted = bytes(self._pattern.expected(block, len(found)))
        if found == wanted:
            return None
        return self._fault(offset, len(found), *of_block(found, wanted, block, self.salt))

    def _fault(self, offset: int, length: int, kind: str, detail: str) -> Fault:
        return Fault(self.phase.kind, self.phase.cycle, offset, length, kind, detail)


def _done(length: int, faults: list[Fault]) -> Done:
    bad_bytes = sum(fault.length for fault in faults)
    return Done(length - bad_bytes, tuple(merged(faults)))
