"""An installed host: Debian on a disk of its own, started by UEFI and systemd-boot, with a guest on it and root on ttyS1.

It is the live image's system without what makes it one (its marker, its agent), laid out on an EFI system partition; so that the rack
needs no second download. What a person types there once is the line of `vetting host code`.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab import localdisk
from tests.lab.hardware import MIB, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.overlay import Overlay
from tests.lab.settings import IMAGE

SYSTEM_DISK = "SYSTEM"
SYSTEM_BYTES = 320 * MIB
BOOT_MANAGER = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
UP = "the production system is up"
ENTRY = """title production
linux /vmlinuz
initrd /initrd.img
initrd /production.img
options console=ttyS0,115200 mitigations=off systemd.show_status=0 quiet
"""
CONSOLE = """[Unit]
Description=Root on the second serial line
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=/bin/sh -c 'echo {up} > /dev/ttyS0; while read -r line; do sh -c "$line" > /dev/ttyS0 2>&1; done'
StandardInput=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
"""
GUEST = """[Service]
ExecStart=/bin/bash -c 'exec -a /usr/bin/kvm sleep infinity'
"""


def hardware(name: str) -> Hardware:
    return Hardware(
        name=name, firmware=Firmware.UEFI, disk_first=True, second_console=True,
        disks=(
            Disk(serial=f"{SYSTEM_DISK}-{name}", size_bytes=SYSTEM_BYTES, expected=False, bootable=True),
            Disk(serial=f"DATA-{name}"),
        ),
    )  # fmt: skip


async def install(host: Host) -> None:
    """Lays the system out on the host's system disk."""
    over = Overlay()
    over.folder("etc/vetting-live")  # in the place of the marker: no agent believes that this is the live image
    for unit in ("vetting-agent", "vetting-console"):
        over.link(f"etc/systemd/system/{unit}.service", "/dev/null")
    over.file("etc/hostname", f"{host.name}\n")
    for program in ("efibootmgr", "curl"):
        await over.program(program)
    for unit, text in (("lab-console", CONSOLE.format(up=UP)), ("guest-100", GUEST)):
        over.file(f"etc/systemd/system/{unit}.service", text)
        over.link(f"etc/systemd/system/multi-user.target.wants/{unit}.service", f"../{unit}.service")
    await localdisk.fat_with(
        host.disk_path(f"{SYSTEM_DISK}-{host.name}"),
        {
            localdisk.EFI_PATH: BOOT_MANAGER,
            "loader/loader.conf": b"timeout 0\n",
            "loader/entries/production.conf": ENTRY.encode(),
            "vmlinuz": IMAGE / "vmlinuz",
            "initrd.img": IMAGE / "initrd.img",
            "production.img": over.archive(),
        },
        size_bytes=SYSTEM_BYTES,
    )
