"""Hosts that do not stay up, agents that are killed, firmware that is too old, and disks that hold somebody's data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.campaign.deeds import under_way
from tests.campaign.fault import Caught, Deed, Fault
from tests.lab.hardware import MIB, PRODUCT, Bus, Disk, Hardware
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, FirmwarePin
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

LONG: dict[str, Any] = {"cpu_stress": {"cpu_s": 60}}
OLD_BIOS = ("-smbios", "type=0,vendor=Maker,version=1.4.2,date=01/02/2020")
KIB = 1024
SUMS = "sums.json"
HELD_S = 240.0
LVM = ((512, b"LABELONE" + bytes(16) + b"LVM2 001"), (4096, b"pve { id = "))
LUKS = ((0, b"LUKS\xba\xbe\x00\x02"),)
BLUESTORE = ((0, b"bluestore block device\n0b7f5a54-6f3c-4c0e-9a55-1f6a3c1d2e3f\n"),)
VMFS = ((1 * MIB, b"\x0d\xd0\x01\xc0"),)
GFS2 = ((64 * KIB, b"\x01\x16\x19\x70\x00\x00\x00\x01"),)
OCFS2 = ((8 * KIB, b"OCFSV2"),)
MD = ((4096, b"\xfc\x4e\x2b\xa9\x01\x00\x00\x00"),)


def host(name: str, *, more: tuple[str, ...] = ()) -> Hardware:
    return Hardware(name=name, disks=(Disk(serial=f"D-{name}"),), more=more, crash_store=name == "panics")


async def reset(bench: Bench) -> None:
    await bench.host.reset()


async def reset_while_writing(bench: Bench) -> None:
    await bench.guest(under_way("D-reset-writing"), limit_s=500)
    await bench.host.reset()


async def freeze(bench: Bench) -> None:
    await bench.host.freeze()


async def panic(bench: Bench) -> None:
    await bench.host.panic()


async def pull_the_plug(bench: Bench) -> None:
    await bench.host.power_off()


async def kill_the_agent(bench: Bench) -> None:
    await bench.guest("systemctl kill --signal=KILL --kill-whom=main vetting-agent.service")


def foreign(name: str, title: str, kind: str, places: tuple[tuple[int, bytes], ...], *, fast: bool = False) -> Fault:
    """Two disks whose order in the machine is not that of the record: the second one's data must be told by its own serial."""
    theirs, empty = f"DATA-{name}", f"FREE-{name}"
    disks = (Disk(serial=empty, bus=Bus.NVME), Disk(serial=theirs), Disk(serial=f"SPARE-{name}", expected=False))
    return Fault(
        name=f"holds-{name}", row="foreign-data", title=title, hardware=Hardware(name=f"holds-{name}", disks=disks),
        spec=ExpectedSpec(
            product=PRODUCT, cpu_threads=1, disks=(ExpectedDisk(serial=theirs, size_bytes=32 * MIB), ExpectedDisk(serial=empty, size_bytes=32 * MIB)),
        ),
        prepare=lay(theirs, places), at="Storage", inject=stay_untouched, fast=fast,
        expect=Caught(stage="Storage", component=theirs, words=f"UnexpectedData: .*{kind}", verdicts=(Verdict.ERROR,)),
    )  # fmt: skip


def lay(serial: str, places: tuple[tuple[int, bytes], ...]) -> Deed:
    async def prepare(bench: Bench) -> None:
        for at, data in places:
            bench.host.write_disk(serial, data, at=at)
        (bench.host.folder / SUMS).write_text(json.dumps(await sums(bench)))

    return prepare


async def sums(bench: Bench) -> dict[str, str]:
    """Of every disk, taken from outside the guest."""
    return {disk.serial: await bench.host.disk_sha256(disk.serial) for disk in bench.host.hardware.disks}


async def stay_untouched(bench: Bench) -> None:
    """Waits for the hold: nothing may have been written until then, to no disk at all."""
    assert bench.run is not None
    await bench.run.held(limit_s=HELD_S)
    before = json.loads((bench.host.folder / SUMS).read_text())
    written = [serial for serial, digest in (await sums(bench)).items() if digest != before[serial]]
    assert not written, f"written although somebody's data was found: {', '.join(written)}"
    bench.note(f"checksums of {len(before)} disks, taken outside the guest, are what they were")


FAULTS = (
    Fault(
        name="reset", row="host-reset", title="The host is reset in the middle of a stage",
        hardware=host("reset"), at="CPUStress", delay_s=5, inject=reset, knobs=LONG, fast=True,
        expect=Caught(stage="CPUStress", component="", words="rebooted unexpectedly during CPUStress"),
    ),
    Fault(
        name="reset-writing", row="host-reset", title="The host is reset while its disks are written",
        hardware=Hardware(name="reset-writing", disks=(Disk(serial="D-reset-writing", size_bytes=256 * MIB),)),
        at="Storage", inject=reset_while_writing,
        expect=Caught(stage="Storage", component="", words="rebooted unexpectedly during Storage"),
    ),
    Fault(
        name="frozen", row="host-frozen", title="The host freezes in the middle of a stage",
        hardware=host("frozen"), at="CPUStress", delay_s=5, inject=freeze, knobs=LONG,
        expect=Caught(stage="CPUStress", component="", words="lost during CPUStress"),
    ),
    Fault(
        name="power-cut", row="host-frozen", title="The host loses its power in the middle of a stage, and stays off",
        hardware=host("power-cut"), at="CPUStress", delay_s=5, inject=pull_the_plug, knobs=LONG,
        expect=Caught(stage="CPUStress", component="", words="lost during CPUStress"),
    ),
    Fault(
        name="panics", row="kernel-panic", title="The kernel panics in the middle of a stage",
        hardware=host("panics"), at="CPUStress", delay_s=5, inject=panic, knobs=LONG,
        expect=Caught(stage="CPUStress", component="", words="(rebooted unexpectedly|lost) during CPUStress"),
    ),
    Fault(
        name="agent-killed", row="agent-killed", title="The agent is killed in CPUStress: the attempt counts for nothing",
        hardware=host("agent-killed"), at="CPUStress", delay_s=5, inject=kill_the_agent,
        expect=Caught(stage="CPUStress", component="", words="interrupted|started again|restarted", verdicts=(Verdict.INTERRUPTED,)),
    ),
    Fault(
        name="bios-old", row="firmware-old", title="A BIOS below its pin", hardware=host("bios-old", more=OLD_BIOS), fast=True,
        spec=ExpectedSpec(
            product=PRODUCT, cpu_threads=1, disks=(ExpectedDisk(serial="D-bios-old"),),
            firmware=(FirmwarePin(component="bios", version="1.10.0", at_least=True),),
        ),
        expect=Caught(stage="SpecValidate", component="bios", words="1.4.2"),
    ),
    Fault(
        name="drive-firmware-old", row="firmware-old", title="One of two NVMe disks with older firmware than its pin",
        hardware=Hardware(name="drive-firmware-old", disks=(Disk(serial="FW-1", bus=Bus.NVME), Disk(serial="FW-2", bus=Bus.NVME))),
        spec=ExpectedSpec(
            product=PRODUCT, cpu_threads=1, disks=(ExpectedDisk(serial="FW-1"), ExpectedDisk(serial="FW-2")),
            firmware=(FirmwarePin(component="nvme", identifier="nvme:FW-2", version="99.1", at_least=True),),
        ),
        expect=Caught(stage="SpecValidate", component="FW-2", words="99.1"),
    ),
    foreign("lvm", "A disk of the volume group pve was named for writing", "LVM", LVM, fast=True),
    foreign("luks", "A disk with LUKS was named for writing", "LUKS", LUKS),
    foreign("ceph", "A disk of Ceph BlueStore was named for writing", "ceph|bluestore", BLUESTORE),
    foreign("vmfs", "A disk with VMFS was named for writing", "VMFS", VMFS),
    foreign("gfs2", "A disk with GFS2 was named for writing", "gfs2", GFS2),
    foreign("ocfs2", "A disk with OCFS2 was named for writing", "ocfs2", OCFS2),
    foreign("md", "A member of an array was named for writing", "raid|md", MD),
)  # fmt: skip
