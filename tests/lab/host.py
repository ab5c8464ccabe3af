"""A virtual host: its power button, its console, and what can go wrong with it."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import qemu
from tests.lab.console import Console
from tests.lab.hardware import Disk, Firmware, Hardware
from tests.lab.programs import Program, pair
from tests.lab.qmp import Qmp, QmpError
from tests.lab.waiting import InVain, until

if TYPE_CHECKING:
    from tests.lab.chassis import Chassis

# iPXE in the place of a boot ROM that is not iPXE: it names itself as plain PXE does.
PLAIN_SCRIPT = "#!ipxe\nset user-class PXE\nautoboot || shell\n"


@dataclass(slots=True)
class Host:
    hardware: Hardware
    folder: Path
    inside: tuple[str, ...]  # how a command line gets into the rack's namespace
    taps: tuple[str, ...]
    macs: tuple[str, ...]
    sockets: Path  # a folder with a short path
    accelerator: Sequence[str] = qemu.SOFTWARE
    bmc: Chassis | None = None
    direct: qemu.Direct | None = None  # what Firmware.DIRECT starts
    console: Console = field(init=False)
    program: Program | None = None
    qmp: Qmp | None = None
    typing: socket.socket | None = None
    powered_on_at: float = 0.0  # seconds since the epoch
    power_ons: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console = Console(self.folder / "console.log")
        place = self.place(0)
        for disk in self.hardware.disks:
            with place.disk(disk).open("xb") as file:
                file.truncate(disk.size_bytes)
            if disk.bad_sectors or disk.bad_writes:
                place.faults(disk).write_text(qemu.fault_rules(disk))
        if self.hardware.firmware.is_uefi:
            shutil.copyfile(qemu.OVMF_VARS, place.vars)
        if self.hardware.firmware is Firmware.BIOS_PXE:
            place.pxe_script.write_text(PLAIN_SCRIPT)

    @property
    def name(self) -> str:
        return self.hardware.name

    @property
    def is_on(self) -> bool:
        return self.program is not None and self.program.lives

    def place(self, qmp_fd: int, typing_fd: int = -1) -> qemu.Place:
        return qemu.Place(
            folder=self.folder, taps=self.taps, macs=self.macs, qmp_fd=qmp_fd, typing_fd=typing_fd, monitor=self.sockets / self.name,
            bmc_port=self.bmc.host_port if self.bmc else 0, direct=self.direct,
        )  # fmt: skip

    # --- power

    async def power_on(self, *, from_network: bool | None = None) -> None:
        """Presses the button; what happens then is up to the firmware. `from_network` overrides its boot order once."""
        assert not self.is_on, f"{self.name} is on already"
        await self._forget()
        (ours, theirs), (self.typing, keys) = pair(), pair()
        try:
            network = not self.hardware.disk_first if from_network is None else from_network
            place = self.place(theirs.fileno(), keys.fileno())
            words = qemu.argv(self.hardware, place, accelerator=self.accelerator, from_network=network)
            self.console.power_on()
            self.program = await Program.started(
                words, log=self.folder / "qemu.log", inside=self.inside, pass_fds=(theirs.fileno(), keys.fileno())
            )
        finally:
            theirs.close()
            keys.close()
        self.powered_on_at = time.time()
        self.power_ons += 1
        try:
            self.qmp = await Qmp.over(ours)
        except (QmpError, TimeoutError) as error:
            raise QmpError(f"{self.name} did not start: {error}\n{self.program.tail()}") from None

    async def power_off(self) -> None:
        """Pulls the plug."""
        if self.program is not None and self.program.lives:
            await self.program.stop()
        await self._forget()

    async def powered_off(self, *, limit_s: float) -> str:
        """Waits until the host has switched itself off; returns QEMU's word for how (guest-shutdown). Raises InVain."""
        assert self.program is not None, f"{self.name} was never on"
        try:
            await self.program.ended(limit_s)
        except InVain:
            raise InVain(f"{self.name} was not off after {limit_s:.0f} s\n{self.words()}") from None
        assert self.qmp is not None
        await asyncio.wait([self.qmp.reading], timeout=5)
        shutdowns = self.qmp.seen("SHUTDOWN")
        return str(shutdowns[-1].data.get("reason", "")) if shutdowns else "killed"

    async def _forget(self) -> None:
        if self.qmp is not None:
            await self.qmp.close()
            self.qmp = None
        if self.typing is not None:
            self.typing.close()
            self.typing = None

    # --- what it says

    async def console_says(self, words: str, *, limit_s: float) -> None:
        """Waits for words on the serial console, since power-on. Raises InVain; at once where the host is off."""

        async def said() -> bool:
            if self.console.said(words):
                return True
            if not self.is_on:
                raise InVain(f"{self.name} is off and never said {words!r}\n{self.words()}")
            return False

        await until(said, limit_s=limit_s, said=f"{words!r} on the console of {self.name}", context=self.words)

    def type(self, line: str) -> None:
        """A line on the second serial line; whoever reads it there is the system's own matter."""
        assert self.typing is not None and self.hardware.second_console, f"{self.name} has no second console, or is off"
        self.typing.sendall(line.encode() + b"\n")

    def words(self) -> str:
        """For the message of a test that failed."""
        qemu_said = self.program.tail(5) if self.program else ""
        return f"--- console of {self.name} ({self.console.path})\n{self.console.tail()}\n{qemu_said}"

    @property
    def restarts(self) -> int:
        """How often it was reset since power-on, by whom ever."""
        return len(self.qmp.seen("RESET")) if self.qmp else 0

    # --- what can go wrong

    def _asked(self) -> Qmp:
        assert self.qmp is not None, f"{self.name} is off"
        return self.qmp

    async def reset(self) -> None:
        """As the reset button does."""
        await self._asked().do("system_reset")

    async def freeze(self) -> None:
        await self._asked().do("stop")

    async def thaw(self) -> None:
        await self._asked().do("cont")

    async def panic(self) -> None:
        """Alt-SysRq-c on the keyboard: the kernel dies on the spot and says why."""
        keys = [{"type": "qcode", "data": key} for key in ("alt", "sysrq", "c")]
        await self._asked().do("send-key", keys=keys, **{"hold-time": 200})

    async def cable(self, *, plugged: bool, nic: int = 0) -> None:
        await self._asked().do("set_link", name=f"nic{nic}", up=plugged)

    async def set(self, device: str, name: str, value: object) -> None:
        """A property of a device by its id, such as a drive's `smart_critical_warning`."""
        await self._asked().do("qom-set", path=f"/machine/peripheral/{device}", property=name, value=value)

    # --- its disks, seen from outside

    def disk(self, serial: str) -> Disk:
        return next(disk for disk in self.hardware.disks if disk.serial == serial)

    def disk_path(self, serial: str) -> Path:
        return self.place(0).disk(self.disk(serial))

    def write_disk(self, serial: str, data: bytes, *, at: int = 0) -> None:
        """Puts bytes on a disk of a host that is off."""
        assert not self.is_on, f"{self.name} is on: its disks are its own"
        with self.disk_path(serial).open("r+b") as file:
            file.seek(at)
            file.write(data)

    async def disk_sha256(self, serial: str) -> str:
        def digest() -> str:
            with self.disk_path(serial).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return await asyncio.to_thread(digest)

    def drop_disks(self) -> None:
        """What the disks held is of no use once the rack is gone; console and logs stay."""
        for disk in self.hardware.disks:
            self.disk_path(disk.serial).unlink(missing_ok=True)
        self.place(0).vars.unlink(missing_ok=True)
