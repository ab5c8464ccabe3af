"""The command line of QEMU for a host: pure, so that it can be read and tested without a rack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hardware import PRODUCT, Bmc, Bus, Disk, Firmware, Hardware

OVMF = Path("/usr/share/OVMF")
OVMF_CODE = OVMF / "OVMF_CODE_4M.fd"
OVMF_VARS = OVMF / "OVMF_VARS_4M.fd"
PLAIN_PXE = Path("/usr/lib/ipxe/ipxe.lkrn")
SOFTWARE = (
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max,la57=off",
)  # four levels of page tables are walked sooner than five
HARDWARE = ("-accel", "kvm", "-cpu", "host")
CRASH_STORE_BYTES = 0x20000


@dataclass(frozen=True, slots=True)
class Direct:
    """What a host starts that needs no network for it."""

    kernel: Path
    initrd: Path
    words: str  # the kernel's command line


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a host's files and sockets lie, and by which names the rack's network knows it."""

    folder: Path
    taps: tuple[str, ...]
    macs: tuple[str, ...]
    qmp_fd: int  # our end of the machine protocol, inherited
    monitor: Path  # a socket for people: socat - UNIX-CONNECT:...
    typing_fd: int = -1  # our end of the second serial line, inherited
    bmc_port: int = 0  # where ipmi_sim waits for the host's side, on loopback
    direct: Direct | None = None  # for Firmware.DIRECT

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def vars(self) -> Path:
        return self.folder / "vars.fd"

    @property
    def crash_store(self) -> Path:
        return self.folder / "erst.bin"

    @property
    def pxe_script(self) -> Path:
        return self.folder / "plain-pxe.ipxe"

    def disk(self, disk: Disk) -> Path:
        return self.folder / f"{disk.serial}.img"

    def faults(self, disk: Disk) -> Path:
        return self.folder / f"{disk.serial}.faults"


def argv(
    hardware: Hardware, place: Place, *, accelerator: Sequence[str] = SOFTWARE, from_network: bool = True
) -> list[str]:
    """`from_network`: the cards are tried before the disks."""
    cards, disks = (0, len(hardware.nics) + 1) if from_network else (len(hardware.disks) + 1, 1)
    return [
        "qemu-system-x86_64", "-name", hardware.name, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35,graphics=off", *accelerator, "-smp", str(hardware.cpus), "-m", f"{hardware.memory_mib}M",
        "-rtc", "base=utc", "-device", "virtio-rng-pci",
        *_smbios(hardware), *_firmware(hardware, place), *_nics(hardware, place, cards), *_disks(hardware, place, disks),
        *_bmc(hardware, place), *_crash_store(hardware, place),
        "-chardev", f"file,id=console,path={place.console},append=on", "-serial", "chardev:console", *_second_console(hardware, place),
        "-chardev", f"socket,id=qmp,fd={place.qmp_fd}", "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=monitor,path={place.monitor},server=on,wait=off", "-mon", "chardev=monitor",
        *(word.replace("{folder}", str(place.folder)) for word in hardware.more),
    ]  # fmt: skip


def _smbios(hardware: Hardware) -> list[str]:
    return [
        "-uuid", hardware.uuid,
        "-smbios", f"type=1,manufacturer=Vetting,product={PRODUCT},serial={hardware.system_serial},uuid={hardware.uuid}",
        "-smbios", f"type=2,manufacturer=Vetting,product=Board,serial={hardware.board}",
    ]  # fmt: skip


def _firmware(hardware: Hardware, place: Place) -> list[str]:
    match hardware.firmware:
        case Firmware.BIOS:
            return []
        case Firmware.BIOS_PXE:
            return ["-kernel", str(PLAIN_PXE), "-initrd", str(place.pxe_script)]
        case Firmware.DIRECT:
            assert place.direct is not None, f"{hardware.name} has nothing to start"
            kernel = place.direct
            return ["-kernel", str(kernel.kernel), "-initrd", str(kernel.initrd), "-append", kernel.words]
        case Firmware.UEFI | Firmware.UEFI_HTTP:
            by_pxe = hardware.firmware is Firmware.UEFI
            return [
                "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF_CODE}",
                "-drive", f"if=pflash,unit=1,format=raw,file={place.vars}",
                # Nobody speaks IPv6 here: the firmware would wait for it before it tries the next entry.
                "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n",
                "-fw_cfg", f"name=opt/org.tianocore/IPv4PXESupport,string={'y' if by_pxe else 'n'}",
            ]  # fmt: skip


def _nics(hardware: Hardware, place: Place, first: int) -> list[str]:
    words: list[str] = []
    for number, (nic, tap, mac) in enumerate(zip(hardware.nics, place.taps, place.macs, strict=True)):
        # OVMF brings its own driver for virtio, where the ROM's iPXE would take its place; and a plain PXE ROM is another one.
        rom = "" if hardware.firmware is Firmware.BIOS else ",romfile="
        order = (
            "" if hardware.firmware in (Firmware.BIOS_PXE, Firmware.DIRECT) else f",bootindex={first + number}"
        )  # its loader is the kernel's
        words += [
            "-netdev", f"tap,id=net{number},ifname={tap},script=no,downscript=no",
            "-device", f"{nic.model},id=nic{number},netdev=net{number},mac={mac}{order}{rom}",
        ]  # fmt: skip
    return words


def _disks(hardware: Hardware, place: Place, first: int) -> list[str]:
    words: list[str] = []
    ports = iter(range(6))
    for number, disk in enumerate(hardware.disks):
        words += ["-blockdev", _blockdev(disk, place)]
        where = f",bus=ide.{next(ports)}" if disk.bus is Bus.SATA else ""
        # Without ioeventfd: with it a slow guest lost completions now and then and waited 30 s for each (QEMU 7.2).
        model = "ide-hd" if disk.bus is Bus.SATA else "nvme,ioeventfd=off"
        boot = f",bootindex={first + number}" if disk.bootable else ""
        broken = disk.bad_sectors or disk.bad_writes
        report = ",werror=report,rerror=report" if broken and disk.bus is Bus.SATA else ""
        words += [
            "-device",
            f"{model},id={disk.serial},drive=disk-{disk.serial},serial={disk.serial}{where}{boot}{report}",
        ]
    return words


def _blockdev(disk: Disk, place: Place) -> str:
    file = f"driver=file,filename={place.disk(disk)}"
    if disk.bad_sectors or disk.bad_writes:
        under = ",".join(f"file.image.{word}" for word in file.split(","))
        return f"driver=raw,node-name=disk-{disk.serial},file.driver=blkdebug,file.config={place.faults(disk)},{under}"
    return f"driver=raw,node-name=disk-{disk.serial},{','.join(f'file.{word}' for word in file.split(','))}"


def fault_rules(disk: Disk) -> str:
    """The file that blkdebug reads: one rule for each sector and direction."""
    rules = [("read_aio", sector) for sector in disk.bad_sectors] + [
        ("write_aio", sector) for sector in disk.bad_writes
    ]
    return "\n".join(
        f'[inject-error]\nevent = "{event}"\nerrno = "5"\nsector = "{sector}"\nonce = "off"\n'
        for event, sector in rules
    )


def _bmc(hardware: Hardware, place: Place) -> list[str]:
    match hardware.bmc:
        case Bmc.NONE:
            return []
        case Bmc.LOCAL:
            return ["-device", "ipmi-bmc-sim,id=bmc0", "-device", "isa-ipmi-kcs,bmc=bmc0,ioport=0xca2"]
        case Bmc.LAN:
            return [
                "-chardev", f"socket,id=ipmi0,host=127.0.0.1,port={place.bmc_port},reconnect=10",
                "-device", "ipmi-bmc-extern,id=bmc0,chardev=ipmi0", "-device", "isa-ipmi-kcs,bmc=bmc0,ioport=0xca2",
            ]  # fmt: skip


def _second_console(hardware: Hardware, place: Place) -> list[str]:
    if not hardware.second_console:
        return []
    return ["-chardev", f"socket,id=typing,fd={place.typing_fd}", "-serial", "chardev:typing"]


def _crash_store(hardware: Hardware, place: Place) -> list[str]:
    if not hardware.crash_store:
        return []
    return [
        "-object", f"memory-backend-file,id=erst,mem-path={place.crash_store},size={CRASH_STORE_BYTES:#x},share=on",
        "-device", "acpi-erst,memdev=erst",
    ]  # fmt: skip
