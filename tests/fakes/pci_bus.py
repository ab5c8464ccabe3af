"""A PCI bus in a folder, as sysfs shows it: devices inside the folder of the port they stand behind, and links to all of them."""

from __future__ import annotations

import struct
from pathlib import Path

SPEEDS = {1: "2.5 GT/s PCIe", 2: "5.0 GT/s PCIe", 3: "8.0 GT/s PCIe", 4: "16.0 GT/s PCIe", 5: "32.0 GT/s PCIe"}
NVME, NIC, GPU, BRIDGE, CONSOLE = "0x010802", "0x020000", "0x030200", "0x060400", "0x030000"


class PciBus:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: dict[str, Path] = {}

    def add(
        self, address: str, kind: str, *, behind: str = "", now: str = "x4 g4", can: str = "x4 g4", **files: str
    ) -> str:
        """`now`, `can`: "x4 g4" are four lanes of the fourth generation; empty for a part that tells nothing of a link."""
        above = self.folders[behind] if behind else self.root / "sys/devices/pci0000:00"
        folder = self.folders[address] = above / address
        texts = {"class": kind, "vendor": "0x144d", "device": "0xa80a", **files}
        for which, said in (("current", now), ("max", can)):
            if said:
                width, generation = said.split()
                texts[f"{which}_link_width"] = width.removeprefix("x")
                texts[f"{which}_link_speed"] = SPEEDS.get(int(generation.removeprefix("g")), "Unknown")
        for name, text in texts.items():
            self.write(f"{folder.relative_to(self.root)}/{name}", text)
        link = self.root / "sys/bus/pci/devices" / address
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
        return address

    def now(self, address: str, said: str) -> None:
        """The link of a device and of the port above it is another from now on."""
        width, generation = said.split()
        for folder in (self.folders[address], self.folders[address].parent):
            (folder / "current_link_width").write_text(width.removeprefix("x") + "\n")
            (folder / "current_link_speed").write_text(SPEEDS[int(generation.removeprefix("g"))] + "\n")

    def nvme(self, address: str, name: str, model: str, serial: str) -> None:
        stem = f"sys/bus/pci/devices/{address}/nvme/{name}"
        self.write(f"{stem}/model", model)
        self.write(f"{stem}/serial", serial)

    def slot(self, number: int, name: str, bus: int, device: int) -> None:
        """A row of the firmware's table of slots (SMBIOS type 9, version 2.6)."""
        head = struct.pack("<BBHBBBBBHBBHBB", 9, 17, number, 1, 0, 0, 4, 0, number, 0, 0, 0, bus, device << 3)
        path = self.root / f"sys/firmware/dmi/entries/9-{number}/raw"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + name.encode() + b"\0\0")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n")

    def pull(self, address: str) -> None:
        """It is gone from the bus."""
        (self.root / "sys/bus/pci/devices" / address).unlink()


def server(root: Path) -> PciBus:
    """An NVMe drive and a network card behind ports of their own, and parts that have no link to speak of."""
    bus = PciBus(root)
    bus.add("0000:00:01.0", BRIDGE, now="x4 g4", can="x16 g4")
    bus.add("0000:3b:00.0", NVME, behind="0000:00:01.0", now="x4 g4", can="x4 g4")
    bus.nvme("0000:3b:00.0", "nvme0", "SAMSUNG MZQL23T8HCLS-00A07", "S64HNE0T")
    bus.add("0000:00:02.0", BRIDGE, now="x8 g3", can="x8 g3")
    bus.add("0000:5e:00.0", NIC, behind="0000:00:02.0", now="x8 g3", can="x16 g4", vendor="0x15b3", device="0x1017")
    bus.write("sys/bus/pci/devices/0000:5e:00.0/net/eno1/address", "52:54:00:00:00:01")
    bus.add("0000:00:1f.2", "0x010601", now="", can="")  # in the chipset
    bus.add("0000:00:06.0", NVME, now="x0 g0", can="x255 g0")  # as QEMU's NVMe on the root bus says
    bus.add("0000:00:03.0", BRIDGE, now="x1 g1", can="x32 g4")  # a root port of QEMU
    bus.add("0000:01:00.0", NVME, behind="0000:00:03.0", now="x1 g1", can="x1 g1")
    bus.slot(1, "PCIe Slot 3", 0x3B, 0)
    return bus
