"""What stands on the local disk of a host in place of an installed system: it says so on the console and switches off.

The boot sector is 16-bit code for BIOS hosts; the EFI application stands in a FAT file system, at the path that the firmware looks for.
Both are written out here, byte by byte, so that the rack needs no assembler.
"""

from __future__ import annotations

import struct
from pathlib import Path

from vetting import proc

WORDS = "the local disk has booted"
SECTOR = 512
EFI_PATH = "EFI/BOOT/BOOTX64.EFI"
ESP_BYTES = 48 * 1024**2


def boot_sector(words: str = WORDS) -> bytes:
    """Sends the words to the first serial port, then switches a q35 machine off (ACPI PM1a at 0x604)."""
    code = bytes.fromhex(
        "fc 31c0 8ed8 be0000"  # cld; ax = ds = 0; si = the text
        "ac 84c0 7412 88c3"  # next: al = *si++; end of text: off; bl = al
        "bafd03 ec a820 74fb"  # wait until the transmitter is empty
        "88d8 baf803 ee ebe9"  # send; next
        "ba0406 b80020 ef f4 ebfd"  # off: the sleep type of S5, then halt for good
    )
    text = b"\r\n" + words.encode("ascii") + b"\r\n\0"
    code = code.replace(bytes.fromhex("be0000"), b"\xbe" + struct.pack("<H", 0x7C00 + len(code)))
    assert len(code) + len(text) <= 440, "a boot sector has 440 bytes before its partition table"
    return (code + text).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def efi_application(words: str = WORDS) -> bytes:
    """A PE32+ image of one section that prints the words and asks the firmware to switch off (UEFI 2.10, 4.3 and 8.5.1)."""
    code = bytes.fromhex(
        "4883ec28 4889d3"  # shadow space; rbx = the system table
        "488b4a40 488d1500000000 ff5108"  # ConOut->OutputString(text)
        "488b4358 b902000000 31d2 4531c0 4531c9 ff5068"  # RuntimeServices->ResetSystem(shutdown)
        "ebfe"
    )
    lea = code.index(bytes.fromhex("488d15"))
    code = code[: lea + 3] + struct.pack("<i", len(code) - (lea + 7)) + code[lea + 7 :]
    section = (code + f"\r\n{words}\r\n\0".encode("utf-16-le")).ljust(SECTOR, b"\0")
    assert len(section) == SECTOR, "the words are too many for one sector"
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 1, 0, SECTOR, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x400000, 0x1000, SECTOR, 0, 0, 0, 0, 0, 0, 0, 0x2000, SECTOR, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0x10000, 0x1000, 0x10000, 0x1000, 0, 16) + bytes(16 * 8)
    row = struct.pack("<8sIIIIIIHHI", b".text", len(section), 0x1000, len(section), SECTOR, 0, 0, 0, 0, 0xE0000020)
    return (dos + coff + optional + row).ljust(SECTOR, b"\0") + section


async def fat_with(path: Path, files: dict[str, Path | bytes], *, size_bytes: int = ESP_BYTES) -> None:
    """Makes a FAT file system over a file, with these files in it; names are paths with slashes."""
    with path.open("wb") as file:
        file.truncate(size_bytes)
    await _told("mkfs.vfat", "-F", "32" if size_bytes >= ESP_BYTES else "16", "-n", "LOCAL", str(path))
    made: set[str] = set()
    for name, content in files.items():
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            if (folder := "/".join(parts[:depth])) not in made:
                await _told("mmd", "-i", str(path), f"::/{folder}")
                made.add(folder)
        source = content
        if isinstance(content, bytes):
            source = path.with_suffix(".part")
            source.write_bytes(content)
        await _told("mcopy", "-i", str(path), str(source), f"::/{name}")
        path.with_suffix(".part").unlink(missing_ok=True)


async def _told(*words: str) -> None:
    told = await proc.run(words, limit_s=60, env={"MTOOLS_SKIP_CHECK": "1"})
    assert told.exit_code == 0, f"{' '.join(words)}: {told.stderr.strip() or told.stdout.strip()}"
