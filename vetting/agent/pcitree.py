"""The PCI devices of a machine as the kernel shows them: what stands behind what, what each is called, and in which slot it is.

Read from one root, `/` or a picture of another machine, without any program.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
DEVICES, SLOTS, TABLES = "sys/bus/pci/devices", "sys/bus/pci/slots", "sys/firmware/dmi/entries"
NAMES = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")
SLOT_AT = struct.Struct("<HBB")  # SMBIOS 3.7, 7.10: segment, bus, device and function, from offset 13 on


@dataclass(slots=True)
class PciTree:
    root: Path
    _slots: dict[str, str] | None = None
    _known: dict[str, tuple[str, str]] = field(default_factory=dict)  # address -> (words, place)

    def addresses(self) -> list[str]:
        return sorted(path.name for path in (self.root / DEVICES).glob("*") if ADDRESS.fullmatch(path.name))

    def folder(self, address: str) -> Path:
        return self.root / DEVICES / address

    def text(self, address: str, name: str) -> str:
        return _text(self.folder(address) / name)

    def kind(self, address: str) -> str:
        """The four digits of its class and subclass: 0108, 0200."""
        return self.text(address, "class").removeprefix("0x")[:4]

    def vendor(self, address: str) -> str:
        return self.text(address, "vendor").removeprefix("0x")

    def port(self, address: str) -> str:
        """The port that it stands behind; empty for what stands on the root bus."""
        try:
            above = self.folder(address).resolve().parent.name
        except OSError:
            return ""
        return above if ADDRESS.fullmatch(above) else ""

    def remember(self) -> None:
        """Takes down what every device is, for one that is gone later can no longer be asked."""
        self._known = {address: (self._own_words(address), self.place(address)) for address in self.addresses()}

    def gone(self) -> list[str]:
        """Those remembered that are there no more."""
        return sorted(self._known.keys() - set(self.addresses()))

    def spoken(self, address: str) -> str:
        """What it is and where, as "nvme0 SAMSUNG MZQL2 S64 (0000:3b:00.0, PCIe Slot 3)"."""
        words, place = self._known.get(address) or (self._own_words(address), self.place(address))
        return f"{self._with_ids(words)} ({place})".strip()

    def _own_words(self, address: str) -> str:
        """Model and serial of a drive, interfaces of a network card; vendor and device id in brackets where nothing names it."""
        drives = sorted(self.folder(address).glob("nvme/nvme*"))
        if drives:
            said = (f"{drive.name} {_text(drive / 'model')} {_text(drive / 'serial')}" for drive in drives)
            return " ".join(" ".join(said).split())
        cards = " ".join(sorted(path.name for path in self.folder(address).glob("net/*")))
        return f"{cards} [{self.vendor(address)}:{self.text(address, 'device').removeprefix('0x')}]".strip()

    def _with_ids(self, words: str) -> str:
        match = re.search(r"\[([0-9a-f]{4}):([0-9a-f]{4})\]", words)
        name = self._by_ids(match[1], match[2]) if match else ""
        return words.replace(match[0], name) if match and name else words

    def place(self, address: str) -> str:
        """Where it is: its address, and the slot that firmware or hot-plug name for it or for what it stands behind."""
        slot = next(filter(None, (self._slot(each) for each in self._upwards(address))), "")
        return f"{address}, {slot}" if slot else address

    def _upwards(self, address: str) -> Iterator[str]:
        while address:
            yield address
            address = self.port(address)

    def _slot(self, address: str) -> str:
        if label := self.text(address, "label"):
            return label
        return self._by_tables().get(address.rpartition(".")[0], "")

    def _by_tables(self) -> dict[str, str]:
        """Domain, bus and device -> what is printed beside the slot, from the firmware's table of slots; else its number for hot-plug."""
        if self._slots is None:
            self._slots = {}
            for path in sorted((self.root / TABLES).glob("9-*/raw")):
                try:
                    address, name = _designation(path.read_bytes())
                except (OSError, ValueError, struct.error):
                    continue
                self._slots.setdefault(address, name)
            for slot in sorted((self.root / SLOTS).glob("*")):
                self._slots.setdefault(_text(slot / "address"), f"slot {slot.name}")
        return self._slots

    def _by_ids(self, vendor: str, device: str) -> str:
        path = next((self.root / name for name in NAMES if (self.root / name).is_file()), None)
        if path is None or not vendor:
            return ""
        maker = ""
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if maker and line[0] not in "\t#\n":
                    break
                if line.startswith(f"{vendor} "):
                    maker = line[4:].strip()
                elif maker and line.startswith(f"\t{device} "):
                    return f"{maker} {line[5:].strip()}"[:80]
        return maker[:80]


def _designation(raw: bytes) -> tuple[str, str]:
    """("0000:3b:00", "PCIe Slot 3"). Raises ValueError where the slot is empty or unnamed."""
    segment, bus, place = SLOT_AT.unpack_from(raw, 13)
    strings = raw[raw[1] :].split(b"\0")
    if raw[4] == 0 or (bus, place) == (0xFF, 0xFF) or raw[4] > len(strings):
        raise ValueError("no name or no address")
    name = strings[raw[4] - 1].decode("ascii", "replace").strip()[:40]
    if not name:
        raise ValueError("no name")
    return f"{segment:04x}:{bus:02x}:{place >> 3:02x}", name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:80]
    except OSError:
        return ""
