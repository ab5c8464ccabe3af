"""Booting from the network once, and how it is known that it was set: by the firmware's BootNext, or by the BMC.

The order of boot is never touched. What was set is read back, and taken back again where the reboot does not happen.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vetting.domain.errors import ToolMissing
from vetting.identity import identity
from vetting.parsers import efibootmgr, ipmitool
from vetting.parsers.efibootmgr import BootManager, Entry
from vetting.parsers.errors import ParseError, bounded
from vetting.reporter.machine import Machine

# IPMI 2.0, 28.13, parameter 3 bit 3: a BMC forgets its boot flags after 60 s without a reset, and systems stop slower.
KEEP_FLAGS = ("ipmitool", "raw", "0x00", "0x08", "0x03", "0x08")


class CannotBoot(Exception):
    """Why the next boot could not be set, in words."""


class Way(Protocol):
    @property
    def name(self) -> str: ...
    async def arm(self, machine: Machine) -> None:
        """The next boot comes from the network, as was read back. Raises CannotBoot."""

    async def disarm(self, machine: Machine) -> None:
        """Takes it back, as far as that is possible."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """UEFI's BootNext: good for one boot, then the firmware itself removes it (UEFI 2.10, 3.1.2)."""

    entry: Entry
    before: BootManager
    name: str = "efi"

    async def arm(self, machine: Machine) -> None:
        await _done(machine, "efibootmgr", "--bootnext", self.entry.number)
        if machine.dry_run:
            return
        after = await boot_manager(machine)
        if after.next != self.entry.number:
            raise CannotBoot(f"the firmware did not keep BootNext: it says {after.next or 'nothing'}")
        if after.order != self.before.order:
            raise CannotBoot(
                f"the boot order changed from {','.join(self.before.order)} to {','.join(after.order)}, which nobody asked for"
            )

    async def disarm(self, machine: Machine) -> None:
        await _done(machine, "efibootmgr", "--delete-bootnext")


@dataclass(frozen=True, slots=True)
class Controller:
    """The BMC's boot flags: for the next boot alone."""

    efi: bool
    name: str = "ipmi"

    async def arm(self, machine: Machine) -> None:
        await machine.act(*KEEP_FLAGS)  # not every BMC takes it; then it may forget, and the host comes back by itself
        await _done(machine, "ipmitool", "chassis", "bootdev", "pxe", *(("options=efiboot",) if self.efi else ()))
        if machine.dry_run:
            return
        flags = await _boot_flags(machine)
        if not (flags.valid and flags.once and flags.device == "Force PXE"):
            raise CannotBoot(
                f"the BMC did not keep the boot from the network: flags {'valid' if flags.valid else 'not valid'}, "
                f"{'for the next boot' if flags.once else 'for all boots'}, {flags.device}"
            )

    async def disarm(self, machine: Machine) -> None:
        await _done(machine, "ipmitool", "chassis", "bootdev", "none")


@dataclass(frozen=True, slots=True)
class AlwaysFirst:
    """The administrator said that this host boots from the network first, always; the orchestrator sends it on."""

    name: str = "first"

    async def arm(self, machine: Machine) -> None:
        return

    async def disarm(self, machine: Machine) -> None:
        return


async def find(machine: Machine, macs: Collection[str], *, network_first: bool) -> tuple[Way | None, str]:
    """The way to boot from the network once, or None and why there is none. `macs`: of the cards that may be used."""
    own = identity(machine.root).macs
    efi = machine.exists("sys/firmware/efi")
    why = []
    if efi:
        try:
            known = await boot_manager(machine)
            wanted = frozenset(mac.lower() for mac in (macs or own))
            if (entry := efibootmgr.network_entry(known, wanted)) is not None:
                return Firmware(entry, known), ""
            why.append(
                f"the firmware has no entry to boot from the network by {', '.join(sorted(wanted)) or 'any card'}"
            )
        except (CannotBoot, ToolMissing) as error:
            why.append(str(error))
    else:
        why.append("this host did not start by UEFI")
    if _has_bmc(machine.root):
        try:
            await _boot_flags(machine)
            return Controller(efi), ""
        except (CannotBoot, ToolMissing) as error:
            why.append(str(error))
    else:
        why.append("it shows no BMC (/dev/ipmi0)")
    if network_first:
        return AlwaysFirst(), ""
    return None, (
        f"there is no way to boot once from the network: {'; '.join(why)}. Where it always boots from the network first, "
        'say "network_first": true in /etc/vetting/reporter.json'
    )


async def boot_manager(machine: Machine) -> BootManager:
    """What the firmware would boot. Raises CannotBoot, ToolMissing."""
    try:
        return efibootmgr.parse(await _asked(machine, "efibootmgr", "-v"))
    except ParseError as why:
        raise CannotBoot(str(why)) from None


async def _boot_flags(machine: Machine) -> ipmitool.BootFlags:
    try:
        return ipmitool.parse_boot_flags(await _asked(machine, "ipmitool", "chassis", "bootparam", "get", "5"))
    except ParseError as why:
        raise CannotBoot(str(why)) from None


async def _asked(machine: Machine, *argv: str) -> str:
    try:
        ended = await machine.ask(*argv)
    except OSError as error:
        raise CannotBoot(str(error)) from None
    if ended.exit_code != 0 or ended.timed_out:
        raise CannotBoot(f"`{' '.join(argv)}` {ended.how_it_ended}: {bounded(ended.stderr or ended.stdout)}")
    return ended.stdout


async def _done(machine: Machine, *argv: str) -> None:
    ended = await machine.act(*argv)
    if ended is not None and (ended.exit_code != 0 or ended.timed_out):
        raise CannotBoot(f"`{' '.join(argv)}` {ended.how_it_ended}: {bounded(ended.stderr or ended.stdout)}")


def _has_bmc(root: Path) -> bool:
    return any((root / name).exists() for name in ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"))
