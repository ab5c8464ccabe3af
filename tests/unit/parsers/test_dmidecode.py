"""dmidecode on six recorded servers, and where there is no SMBIOS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vetting.parsers import ParseError, dmidecode

GIB = 2**30

# server: (product, system serial, board serial, BIOS, sockets populated of all, cores, modules of slots, memory in GiB, supplies)
SERVERS = {
    "Dell_PowerEdge_M630": ("PowerEdge M630", "4242", "4242", "1.2.5", (2, 2), 28, (8, 24), 64, 0),
    "HP_ProLiant_BL460c_Gen10_Graphics_Exp": (
        "ProLiant BL460c Gen10 Graphics Exp", "4242", "PWWFB0DLMCC0OG", "I41", (2, 2), 28, (4, 16), 128, 0
    ),
    "HP_ProLiant_m710x": ("ProLiant m710x Server Cartridge", "CN66480BLA", "CN66480ANY", "H07", (1, 1), 4, (4, 4), 64, 0),
    "HP_SL4540_Gen8": ("ProLiant SL4540 Gen8", "4242", "4242", "P74", (2, 2), 8, (8, 12), 128, 4),
    "QCT_X10E-9N": ("QuantaMicro X10E-9N", "QTFCQ57140285", "CQ571000415", "S3E_3B09.02", (1, 1), 4, (2, 4), 32, 0),
    "SM_SSG-6028R": ("SSG-6028R-OSD072P", "S212101X7A18218", "NM175S004964", "2.0b", (1, 2), 8, (4, 16), 64, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_is_what_its_label_says(corpus: Path, name: str) -> None:
    dmi = dmidecode.parse((corpus / "dmidecode" / name).read_text())
    product, serial, board, bios, (sockets, all_sockets), cores, (modules, slots), memory_gib, supplies = SERVERS[name]
    assert (dmi.system.product, dmi.system.serial, dmi.board.serial, dmi.bios.version) == (product, serial, board, bios)
    assert dmi.system.uuid is not None and len(dmi.system.uuid) == 36
    assert (sum(cpu.populated is True for cpu in dmi.processors), len(dmi.processors)) == (sockets, all_sockets)
    assert sum(cpu.cores or 0 for cpu in dmi.processors) == cores
    assert (sum(dimm.populated for dimm in dmi.dimms), len(dmi.dimms)) == (modules, slots)
    assert dmi.memory_bytes == memory_gib * GIB
    assert sum(array.slots or 0 for array in dmi.arrays) == slots
    assert all("ECC" in (array.ecc or "") for array in dmi.arrays)
    assert len(dmi.power_supplies) == supplies
    assert dmi.ipmi


def test_an_empty_slot_has_a_place_and_nothing_in_it(corpus: Path) -> None:
    dmi = dmidecode.parse((corpus / "dmidecode" / "Dell_PowerEdge_M630").read_text())
    empty = next(dimm for dimm in dmi.dimms if not dimm.populated)
    assert empty.locator is not None
    assert (empty.size_bytes, empty.serial, empty.part_number, empty.speed_mt_s) == (None, None, None, None)


def test_a_module_tells_what_one_would_order(corpus: Path) -> None:
    dmi = dmidecode.parse((corpus / "dmidecode" / "SM_SSG-6028R").read_text())
    module = next(dimm for dimm in dmi.dimms if dimm.populated)
    assert (module.locator, module.bank, module.size_bytes) == ("P1_DIMMA1", "P0_Node0_Channel0_Dimm0", 16 * GIB)
    assert (module.manufacturer, module.serial, module.part_number) == ("Samsung", "18ABE4AE", "M393A2G40DB0-CPB")
    assert (module.speed_mt_s, module.configured_mt_s, module.kind, module.rank) == (2133, 2133, "DDR4", 2)


def test_a_power_supply_is_told_with_its_state(corpus: Path) -> None:
    supply = dmidecode.parse((corpus / "dmidecode" / "SM_SSG-6028R").read_text()).power_supplies[0]
    assert (supply.serial, supply.max_watts, supply.status, supply.plugged) == (
        "P9212CH10JT1664",
        920,
        "Present, OK",
        True,
    )


def test_a_machine_without_smbios_is_an_error(joined: Callable[[str], str]) -> None:
    with pytest.raises(ParseError, match="not root, or no SMBIOS"):
        dmidecode.parse(joined("dmidecode/none"))


def structure(kind: int, title: str, *lines: str) -> str:
    return (
        f"Handle 0x{kind:04X}, DMI type {kind}, 40 bytes\n{title}\n" + "".join(f"\t{line}\n" for line in lines) + "\n"
    )


SYSTEM = structure(
    1,
    "System Information",
    "Product Name: X",
    "UUID: 00000000-0000-0000-0000-000000000000",
    "Serial Number: Default string",
)


def test_what_vendors_write_for_nothing_is_nothing() -> None:
    """Constructed."""
    dmi = dmidecode.parse(SYSTEM)
    assert (dmi.system.product, dmi.system.uuid, dmi.system.serial, dmi.bios.version) == ("X", None, None, None)
    assert dmi.dimms == () and dmi.processors == () and not dmi.ipmi


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("16384 MB", 16 * GIB),
        ("32 GB", 32 * GIB),
        ("1 TB", 1024 * GIB),
        ("No Module Installed", None),
        ("Unknown", None),
    ],
)
def test_sizes_in_every_unit(size: str, expected: int | None) -> None:
    assert dmidecode.size_bytes(size) == expected


def test_a_module_of_unknown_size_is_a_module() -> None:
    """Constructed."""
    dimm = dmidecode.parse(SYSTEM + structure(17, "Memory Device", "Size: Unknown", "Locator: A1")).dimms[0]
    assert dimm.populated and dimm.size_bytes is None


def test_flash_is_no_memory_module() -> None:
    """Constructed: some boards list their flash chip as a memory device of an array of its own."""
    flash = structure(16, "Physical Memory Array", "Use: Flash Memory") + structure(
        17, "Memory Device", "Array Handle: 0x0010", "Size: 16384 kB"
    )
    assert dmidecode.parse(SYSTEM + flash).dimms == ()


def test_a_list_without_a_system_is_an_error() -> None:
    with pytest.raises(ParseError, match="no System Information"):
        dmidecode.parse(structure(17, "Memory Device", "Size: 8 GB"))


def test_versions_are_read() -> None:
    assert dmidecode.parse_version("3.4\n") == "3.4"
