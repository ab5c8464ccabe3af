"""Twenty healthy hosts, no two alike: other firmware, processors, disks, cards, sensors, and specs that pin more or less."""

from __future__ import annotations

from tests.campaign.fault import Control
from tests.lab.hardware import GIB, MIB, PRODUCT, Bmc, Bus, Disk, Firmware, Hardware, Nic
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin

# True of hosts that are made of a program: said of each of them, and no accusation.
OF_A_VIRTUAL_HOST = (r"a virtual card tells no speed: its throughput was measured and not judged",)
MORE_THAN_EXPECTED = r"the disk BOOT-\S+ .*is not in the spec"  # true of a host whose boot disk nobody named
MAC = "52:54:00:ca:ff:{:02x}"
MODULE = "type=17,loc_pfx=DIMM_A1,bank=A,manufacturer=Maker,serial=DIMM-1,part=PART-1"
NEW_BIOS = "type=0,vendor=Maker,version=2.19.1,date=03/01/2024"
PORT = ("-device", "pcie-root-port,id=port1,chassis=1,slot=1")


def sata(name: str, size: int = 32 * MIB) -> Disk:
    return Disk(serial=f"SATA-{name}", size_bytes=size)


def nvme(name: str, size: int = 32 * MIB) -> Disk:
    return Disk(serial=f"NVME-{name}", bus=Bus.NVME, size_bytes=size)


def boot_disk(name: str) -> Disk:
    return Disk(serial=f"BOOT-{name}", size_bytes=16 * MIB, expected=False)


def pinned(name: str, *, cpus: int = 1, **more: object) -> ExpectedSpec:
    disk = ExpectedDisk(serial=f"SATA-{name}", size_bytes=32 * MIB)
    return ExpectedSpec(product=PRODUCT, cpu_threads=cpus, disks=(disk,), **more)  # type: ignore[arg-type]


CONTROLS = (
    Control(
        name="healthy-sata", title="One processor, one SATA disk", fast=True,
        hardware=Hardware(name="healthy-sata", disks=(sata("1"),)),
    ),
    Control(
        name="healthy-nvme", title="Two processors, one NVMe disk", fast=True,
        hardware=Hardware(name="healthy-nvme", cpus=2, disks=(nvme("2"),)),
    ),
    Control(
        name="healthy-mixed", title="Two processors, a SATA and an NVMe disk",
        hardware=Hardware(name="healthy-mixed", cpus=2, disks=(sata("3"), nvme("3"))),
    ),
    Control(
        name="healthy-boot-disk", title="A boot disk that nobody named stays as it is", true_warnings=(MORE_THAN_EXPECTED,),
        hardware=Hardware(name="healthy-boot-disk", disks=(boot_disk("4"), sata("4"))),
    ),
    Control(
        name="healthy-four-disks", title="Four disks at once",
        hardware=Hardware(name="healthy-four-disks", cpus=2, disks=(sata("5a"), sata("5b"), nvme("5a"), nvme("5b"))),
    ),
    Control(
        name="healthy-uneven-disks", title="Disks of 24, 48 and 96 MiB",
        hardware=Hardware(name="healthy-uneven-disks", disks=(sata("6a", 24 * MIB), sata("6b", 48 * MIB), nvme("6", 96 * MIB))),
    ),
    Control(
        name="healthy-no-disk", title="A host without any disk", hardware=Hardware(name="healthy-no-disk"),
    ),
    Control(
        name="healthy-two-cards", title="Two virtio network cards", hardware=Hardware(name="healthy-two-cards", nics=(Nic(), Nic()), disks=(sata("8"),)),
    ),
    Control(
        name="healthy-intel-card", title="An Intel network card, by its own driver",
        hardware=Hardware(name="healthy-intel-card", nics=(Nic(mac=MAC.format(2), model="e1000e"),), disks=(sata("9"),)),
        spec=pinned("9", nics=(ExpectedNic(mac=MAC.format(2), speed_mb_s=1000, floor_mb_s=1),)),
    ),
    Control(
        name="healthy-pinned-card", title="A card of 1 Gb/s as the spec says",
        hardware=Hardware(name="healthy-pinned-card", nics=(Nic(mac=MAC.format(1), model="virtio-net-pci,speed=1000,duplex=full"),), disks=(sata("10"),)),
        spec=pinned("10", nics=(ExpectedNic(mac=MAC.format(1), speed_mb_s=1000, floor_mb_s=1),)),
    ),
    Control(
        name="healthy-bmc", title="With a management controller and an empty event log",
        hardware=Hardware(name="healthy-bmc", bmc=Bmc.LOCAL, disks=(sata("11"),)),
    ),
    Control(
        name="healthy-bmc-lan", title="With a management controller on the network",
        hardware=Hardware(name="healthy-bmc-lan", bmc=Bmc.LAN, disks=(nvme("12"),)),
    ),
    Control(
        name="healthy-firmware", title="A BIOS above its pin",
        hardware=Hardware(name="healthy-firmware", disks=(sata("13"),), more=("-smbios", NEW_BIOS)),
        spec=pinned("13", firmware=(FirmwarePin(component="bios", version="2.9.0", at_least=True),)),
    ),
    Control(
        name="healthy-memory", title="Memory and its module as the spec says",
        hardware=Hardware(name="healthy-memory", cpus=2, disks=(sata("14"),), more=("-smbios", MODULE)),
        spec=pinned("14", cpus=2, dimm_count=1, dimm_serials=("DIMM-1",), memory_bytes=2 * GIB),
    ),
    Control(
        name="healthy-port", title="A PCIe root port with a device behind it",
        hardware=Hardware(name="healthy-port", disks=(sata("15"),), more=(*PORT, "-device", "virtio-rng-pci,bus=port1,aer=on,disable-legacy=on")),
    ),
    Control(
        name="healthy-bios-network", title="BIOS, started over the network", over_network=True,
        hardware=Hardware(name="healthy-bios-network", disks=(sata("16"),)),
    ),
    Control(
        name="healthy-uefi", title="UEFI, started over the network",
        hardware=Hardware(name="healthy-uefi", firmware=Firmware.UEFI, disks=(sata("17"), nvme("17"))),
    ),
    Control(
        name="healthy-untouched", title="A run that writes to no disk", start={"non_destructive": True},
        hardware=Hardware(name="healthy-untouched", cpus=2, disks=(sata("18"), nvme("18"))),
    ),
    Control(
        name="healthy-two-cycles", title="Two cycles over the surface", knobs={"storage": {"cycles": 2}},
        hardware=Hardware(name="healthy-two-cycles", disks=(sata("19"), nvme("19"))),
    ),
    Control(
        name="healthy-three-cores", title="Three processors on a machine with fewer, and more memory",
        hardware=Hardware(name="healthy-three-cores", cpus=3, memory_mib=3072, disks=(nvme("20"),)),
    ),
)  # fmt: skip
