"""The next boot from the network: which entry, that it was kept, and that the order of boot stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.installed_host import MAC, InstalledHost, fixture
from vetting.parsers import efibootmgr
from vetting.parsers.errors import ParseError
from vetting.reporter import netboot
from vetting.reporter.machine import Machine
from vetting.reporter.netboot import AlwaysFirst, CannotBoot, Controller, Firmware


async def found(machine: Machine, *macs: str, network_first: bool = False) -> netboot.Way:
    way, why = await netboot.find(machine, macs, network_first=network_first)
    assert way is not None, why
    return way


async def test_the_firmware_is_told_once_and_its_order_stays(host: InstalledHost, machine: Machine) -> None:
    way = await found(machine)
    await way.arm(machine)
    assert (way.name, host.boot_next, host.deeds) == ("efi", "0001", ["efibootmgr --bootnext 0001"])
    assert (await netboot.boot_manager(machine)).order == ("0004", "0002", "0001", "0003", "0000")
    await way.disarm(machine)
    assert host.boot_next == ""


async def test_a_firmware_that_forgets_is_not_believed(host: InstalledHost, machine: Machine) -> None:
    host.forgetful()
    with pytest.raises(CannotBoot, match="did not keep BootNext: it says nothing"):
        await (await found(machine)).arm(machine)


async def test_a_boot_order_that_changed_is_not_accepted(host: InstalledHost, machine: Machine) -> None:
    way = await found(machine)
    assert isinstance(way, Firmware)
    with pytest.raises(CannotBoot, match="the boot order changed"):
        await replace(way, before=replace(way.before, order=("0001", "0004"))).arm(machine)


async def test_a_call_that_fails_is_told(host: InstalledHost, machine: Machine) -> None:
    host.answers("efibootmgr --bootnext 0001", "Could not set BootNext\n", status=5)
    with pytest.raises(CannotBoot, match=r"exited 5 .* Could not set BootNext"):
        await (await found(machine)).arm(machine)


async def test_cards_of_others_are_not_booted_from(host: InstalledHost, machine: Machine) -> None:
    way, why = await netboot.find(machine, ["52:54:00:99:99:99"], network_first=False)
    assert way is None
    assert "no entry to boot from the network by 52:54:00:99:99:99" in why


async def test_a_bios_host_asks_its_bmc_and_reads_it_back(host: InstalledHost, machine: Machine) -> None:
    (host.root / "sys/firmware/efi/fw_platform_size").unlink()
    (host.root / "sys/firmware/efi").rmdir()
    host.write("dev/ipmi0", "")
    host.has("ipmitool")
    way = await found(machine)
    await way.arm(machine)
    assert way == Controller(efi=False)
    assert host.deeds == ["ipmitool raw 0x00 0x08 0x03 0x08", "ipmitool chassis bootdev pxe"]
    await way.disarm(machine)
    assert host.deeds[-1] == "ipmitool chassis bootdev none"


async def test_a_uefi_host_without_efibootmgr_asks_its_bmc_for_an_efi_boot(
    host: InstalledHost, machine: Machine
) -> None:
    host.lacks("efibootmgr")
    host.write("dev/ipmi0", "")
    host.has("ipmitool")
    await (await found(machine)).arm(machine)
    assert host.deeds[-1] == "ipmitool chassis bootdev pxe options=efiboot"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Boot Flag Invalid", "Boot Flag Valid"), ("all future boots", "only next boot"), ("No override", "Force PXE")],
)
async def test_a_bmc_that_does_not_keep_it_is_not_believed(
    host: InstalledHost, machine: Machine, wrong: str, right: str
) -> None:
    host.write("dev/ipmi0", "")
    host.has("ipmitool")
    flags = (
        " Boot Flags :\n   - Boot Flag Valid\n   - Options apply to only next boot\n   - BIOS EFI boot \n"
        "   - Boot Device Selector : Force PXE\n"
    )
    host.answers("ipmitool chassis bootparam get 5", flags.replace(right, wrong))
    with pytest.raises(CannotBoot, match="did not keep"):
        await Controller(efi=True).arm(machine)


async def test_where_nothing_works_once_only_the_administrators_word_counts(
    host: InstalledHost, machine: Machine
) -> None:
    host.answers("efibootmgr -v", "EFI variables are not supported on this system.\n", status=2)
    way, why = await netboot.find(machine, [], network_first=False)
    assert way is None
    assert "network_first" in why
    assert await found(machine, network_first=True) == AlwaysFirst()


@pytest.mark.parametrize("answer", ["HANGS", "garbage", "", "BootOrder: 0001\n"])
async def test_a_firmware_that_cannot_be_read_is_no_way(host: InstalledHost, machine: Machine, answer: str) -> None:
    host.answers("efibootmgr -v", answer)
    assert (await netboot.find(machine, [], network_first=False))[0] is None


def test_ipv4_goes_before_http_and_ipv6_is_left_alone() -> None:
    known = efibootmgr.parse(fixture("efibootmgr/ovmf"))
    wishes = {entry.number: entry.wish for entry in known.entries}
    assert wishes == {"0000": None, "0001": 0, "0002": 1, "0003": None, "0004": None}
    assert {entry.mac for entry in known.entries} == {"", MAC}


def test_an_active_entry_that_names_no_card_goes_before_an_inactive_one() -> None:
    known = efibootmgr.parse(fixture("efibootmgr/server"))
    assert (known.next, known.current) == ("0001", "0003")
    entry = efibootmgr.network_entry(known, frozenset({"aa:bb:cc:dd:ee:ff"}))
    assert entry is not None
    assert entry.number == "0001"


def test_a_machine_without_efi_has_no_entries() -> None:
    with pytest.raises(ParseError):
        efibootmgr.parse(fixture("efibootmgr/not-efi.err"))


@given(st.text(max_size=400))
def test_whatever_efibootmgr_says_is_read_or_refused(text: str) -> None:
    try:
        known = efibootmgr.parse(text)
    except ParseError:
        return
    efibootmgr.network_entry(known, frozenset({MAC}))
