"""Disks that cannot, that lie, that vanish, that warn, and that are not the ones on record."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.campaign.bench import Spoiled
from tests.campaign.deeds import under_way
from tests.campaign.fault import Caught, Deed, Fault
from tests.lab.hardware import MIB, PRODUCT, Bus, Disk, Hardware
from tests.lab.programs import Program
from tests.lab.waiting import until
from tests.machine.surface.lying_disks import LIARS
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

SIZE = 32 * MIB
WRITING_S = 500.0  # until a scan writes, on slow cores that others load too
HUGE = 20 * 10**12
FAR_SECTOR = 20480  # in the middle of SIZE
LAST_WRITE_FAILS = ",".join(
    f"inject-error.0.{word}"
    for word in ("event=write_aio", "iotype=write", "errno=5", "once=off", f"sector={HUGE // 512 - 16}")
)
SCSI = "2000"  # the serial that scsi_debug gives its first disk
DEVICES = {Bus.SATA: "ide-hd,bus=ide.5", Bus.NVME: "nvme,ioeventfd=off"}


def spec(*disks: ExpectedDisk) -> ExpectedSpec:
    return ExpectedSpec(product=PRODUCT, cpu_threads=1, disks=disks)


# --- sectors


def bad(name: str, title: str, disk: Disk, words: str, *, fast: bool = False) -> Fault:
    return Fault(
        name=name, row="medium-errors", title=title, hardware=Hardware(name=name, disks=(disk,)), fast=fast,
        expect=Caught(stage="Storage", component=disk.serial, words=words),
    )  # fmt: skip


# --- liars


def lying(kind: str, bus: Bus, row: str, *, fast: bool = False, words: str = "surface: ") -> Fault:
    """A disk whose blocks a program keeps that does one wrong thing; only two cycles find both kinds of a stuck bit."""
    name = f"{kind.replace(' ', '-').lower()}-{bus}"
    serial = f"LIAR-{name}"
    device = f"{DEVICES[bus]},drive=liar,serial={serial}"
    more = ("-blockdev", "driver=nbd,node-name=liar,server.type=unix,server.path={folder}/liar.nbd", "-device", device)
    return Fault(
        name=f"lies-{name}", row=row, title=f"A {bus.upper()} disk that lies: {kind}",
        hardware=Hardware(name=f"lies-{name}", more=more), spec=spec(ExpectedDisk(serial=serial, size_bytes=SIZE)),
        prepare=liar(kind), knobs={"storage": {"cycles": 2}}, fast=fast,
        expect=Caught(stage="Storage", component=serial, words=words),
    )  # fmt: skip


def liar(kind: str) -> Deed:
    async def prepare(bench: Bench) -> None:
        folder = bench.host.folder
        held, socket = folder / "liar.img", folder / "liar.nbd"
        with held.open("xb") as file:
            file.truncate(SIZE)
        words = [sys.executable, "-m", "tests.campaign.lying_nbd", str(socket), str(held), kind, "7"]
        server = await Program.started(words, log=folder / "liar.log")

        async def listens() -> bool:
            if not server.lives:
                raise Spoiled(f"the lying disk did not start: {server.tail(5)}")
            return socket.exists()

        await until(listens, limit_s=30, said="the lying disk to listen", every_s=0.1)

    return prepare


# --- disks of the SCSI kind


def scsi(
    name: str,
    row: str,
    title: str,
    *,
    options: str,
    expect: Caught,
    then: str = "",
    size: int = 32,
    knobs: dict[str, Any] | None = None,
) -> Fault:
    return Fault(
        name=name, row=row, title=title, hardware=Hardware(name=name), expect=expect, knobs=knobs or {},
        spec=spec(ExpectedDisk(serial=SCSI, size_bytes=size * MIB)),
        boot=f"modprobe scsi_debug delay=0 dev_size_mb=32 {options}; udevadm settle; {then}",
    )  # fmt: skip


# --- what happens to them while they are tested


async def unplug_sata(bench: Bench) -> None:
    await bench.guest(f"{under_way('GONE-1')} echo 1 > /sys/block/$disk/device/delete", limit_s=WRITING_S)


async def unplug_nvme(bench: Bench) -> None:
    await bench.guest(f"{under_way('GONE-2')} echo 1 > /sys/block/$disk/device/device/remove", limit_s=WRITING_S)


async def warn(bench: Bench) -> None:
    """Bit 2 of the critical warning: the reliability of the drive is degraded."""
    await bench.guest(under_way("WARNS-1"), limit_s=WRITING_S)
    await bench.host.set("WARNS-1", "smart_critical_warning", 4)


async def overheat(bench: Bench) -> None:
    await bench.host.set("HOT-1", "smart_critical_warning", 2)


async def make_huge(bench: Bench) -> None:
    """A file system of this machine may hold no file of that length; a qcow2 image is as short as what is written to it."""
    words = ["qemu-img", "create", "-q", "-f", "qcow2", str(bench.host.folder / "huge.qcow2"), str(HUGE)]
    told = subprocess.run(words, capture_output=True, text=True)
    if told.returncode != 0:
        raise Spoiled(f"qemu-img: {told.stderr.strip()}")


SMARTCTL = "/usr/sbin/smartctl"


def smartctl(name: str, title: str, program: str, words: str) -> Fault:
    """Nobody can tell then which disk is meant: we are accused, and no disk is."""
    return Fault(
        name=name, row="smartctl-hangs", title=title, hardware=Hardware(name=name, disks=(Disk(serial=f"D-{name}", bus=Bus.NVME),)),
        files={SMARTCTL: f"#!/bin/sh\n{program}\n"},
        expect=Caught(stage="SMART", component="", words=words, verdicts=(Verdict.ERROR,), within_s=600),
    )  # fmt: skip


FAULTS = (
    bad(
        "medium-error-sata", "A SATA disk that cannot read one sector",
        Disk(serial="BAD-1", bad_sectors=(FAR_SECTOR,)), "surface: .*(error|bad|EIO)", fast=True,
    ),
    bad(
        "medium-error-nvme", "An NVMe disk that cannot read one sector",
        Disk(serial="BAD-2", bus=Bus.NVME, bad_sectors=(FAR_SECTOR,)), "surface: .*(error|bad|EIO)",
    ),
    bad(
        "write-error-sata", "A SATA disk that cannot write one sector",
        Disk(serial="BAD-3", bad_writes=(FAR_SECTOR,)), "surface: .*(error|bad|EIO)",
    ),
    scsi(
        "medium-error-scsi", "medium-errors", "A SCSI disk with eight sectors that cannot be read",
        options=f"opts=2 medium_error_start={FAR_SECTOR} medium_error_count=8",
        expect=Caught(stage="Storage", component=SCSI, words="surface: .*(error|bad|EIO|ENODATA)"),
    ),
    *(
        lying(kind, bus, "lying-disks" if "wrap" not in kind else "counterfeit-capacity")
        for kind, bus in zip(LIARS, (Bus.SATA, Bus.NVME) * len(LIARS), strict=False)
        if (kind, bus) not in (("stuck 1", Bus.SATA), ("half-size wrap", Bus.NVME))
    ),
    lying("stuck 1", Bus.SATA, "silent-corruption", fast=True),
    lying("half-size wrap", Bus.NVME, "counterfeit-capacity", fast=True),
    scsi(
        "counterfeit-scsi", "counterfeit-capacity", "A SCSI disk that says 1 GiB and has 32 MiB",
        options="virtual_gb=1", size=1024, knobs={"storage": {"surface": "sample", "sample_bytes": 128 * MIB}},
        expect=Caught(stage="Storage", component=SCSI, words="surface: "),
    ),
    scsi(
        "forgets-scsi", "silent-corruption", "A SCSI disk that acknowledges every write and keeps none",
        options="fake_rw=1",
        expect=Caught(stage="Storage", component=SCSI, words="surface: "),
    ),
    Fault(
        name="vanishes-sata", row="disk-vanishes", title="A SATA disk vanishes while it is written",
        hardware=Hardware(name="vanishes-sata", disks=(Disk(serial="GONE-1", size_bytes=256 * MIB),)), at="Storage",
        inject=unplug_sata, fast=True,
        expect=Caught(stage="Storage", component="GONE-1|host", words="vanished|left the machine|disks: 1 before"),
    ),
    Fault(
        name="vanishes-nvme", row="disk-vanishes", title="An NVMe disk falls off the bus while it is written",
        hardware=Hardware(name="vanishes-nvme", disks=(Disk(serial="GONE-2", bus=Bus.NVME, size_bytes=256 * MIB),)), at="Storage",
        inject=unplug_nvme,
        expect=Caught(stage="Storage", component="GONE-2|host", words="vanished|left the machine|disks: 1 before"),
    ),
    Fault(
        name="disk-20tb", row="disk-20tb", title="A disk of 20 TB, tested in samples, that cannot write its last sectors",
        hardware=Hardware(
            name="disk-20tb",
            more=(
                "-blockdev", "driver=qcow2,node-name=huge0,file.driver=file,file.filename={folder}/huge.qcow2",
                "-blockdev", f"driver=blkdebug,node-name=huge1,image=huge0,{LAST_WRITE_FAILS}",
                "-blockdev", "driver=raw,node-name=huge,file=huge1",
                "-device", "ide-hd,bus=ide.5,drive=huge,serial=HUGE-1,werror=report,rerror=report",
            ),
        ),
        spec=spec(ExpectedDisk(serial="HUGE-1", size_bytes=HUGE)), prepare=make_huge,
        knobs={"storage": {"surface": "sample", "sample_bytes": 32 * MIB}},
        expect=Caught(stage="Storage", component="HUGE-1", words="surface: .*at byte 1999999"),
    ),
    scsi(
        "predicts-failure-sas", "predictive-failure", "A SAS disk that predicts its failure",
        options="", then="disk=$(lsblk -dno NAME,SERIAL | awk '$2 == 2000 { print $1 }'); sdparm --set=TEST=1,MRIE=6,EWASC=1 /dev/$disk",
        expect=Caught(stage="SMART", component=SCSI, words="failure prediction|predict|failing"),
    ),
    Fault(
        name="warns-nvme", row="predictive-failure", title="An NVMe disk raises its critical warning while it is written",
        hardware=Hardware(name="warns-nvme", disks=(Disk(serial="WARNS-1", bus=Bus.NVME),)), at="Storage", inject=warn,
        expect=Caught(stage="Storage", component="WARNS-1", words="critical warning|reliability|degraded"),
    ),
    Fault(
        name="hot-nvme", row="overheated", title="An NVMe disk says that it is too hot",
        hardware=Hardware(name="hot-nvme", disks=(Disk(serial="HOT-1", bus=Bus.NVME),)), at="Firmware", inject=overheat,
        expect=Caught(stage="SMART", component="HOT-1", words="temperature|critical warning"),
    ),
    smartctl("smartctl-hangs", "smartctl never answers", "sleep 100000", "smartctl"),
    smartctl("smartctl-garbage", "smartctl talks garbage", "head -c 4000 /dev/urandom", "smartctl"),
    smartctl("smartctl-silent", "smartctl ends well and says nothing", "exit 0", "smartctl"),
    Fault(
        name="disk-swapped", row="disk-swapped", title="Another disk than the one on record, of the same size",
        hardware=Hardware(name="disk-swapped", disks=(Disk(serial="NEW-1"),)), spec=spec(ExpectedDisk(serial="OLD-1", size_bytes=SIZE)),
        fast=True,
        expect=Caught(stage="SpecValidate", component="OLD-1", words="the disk OLD-1 is missing"),
    ),
)  # fmt: skip
