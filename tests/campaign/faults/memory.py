"""Memory that forgets, is corrected, is given up, is missing, or is not enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.campaign.deeds import EAT, POKE, POKES, monitor, script
from tests.campaign.fault import Caught, Fault
from tests.lab.hardware import GIB, PRODUCT, Disk, Hardware
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

# IA32_MCi_STATUS: valid, enabled, with an address; a corrected error in a memory controller's channel 0 (Intel SDM 3B, 17.9).
CORRECTED = "0x9c00004000010090"
# The same uncorrected, for which this kind of processor tells the kernel of no way to go on: it panics.
FATAL = "0xbd000000000000c0"
STORM = 24
TESTED_S = 450.0  # until the memory is tested, behind the cores, on slow cores that others load too
SOON = {"cpu_stress": {"core_s": 1}}  # the memory's turn comes sooner
MODULE = "type=17,loc_pfx=DIMM_A1,bank=A,manufacturer=Maker,serial={serial},part=PART-1"


def host(name: str, *, cpus: int = 2, memory_mib: int = 2048, serial: str = "") -> Hardware:
    more = ("-smbios", MODULE.format(serial=serial)) if serial else ()
    return Hardware(name=name, cpus=cpus, memory_mib=memory_mib, disks=(Disk(serial=f"D-{name}"),), more=more)


async def poison_a_page(bench: Bench) -> None:
    await bench.guest(
        f"mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; frame=$(python3 {POKE} frame); "
        "echo $frame > /sys/kernel/debug/hwpoison/corrupt-pfn",
        limit_s=TESTED_S,
    )


async def poke_memory(bench: Bench) -> None:
    await bench.guest(f"python3 {POKE} memory 30", limit_s=TESTED_S)


async def correct_one(bench: Bench) -> None:
    await monitor(bench, f"mce 1 6 {CORRECTED} 0x0 0x22345000 0x8c")


async def correct_many(bench: Bench) -> None:
    """One a second, as the kernel looks once a second; a bank keeps one error."""
    await bench.guest(
        "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; cd /sys/kernel/debug/mce-inject; echo sw > flags; "
        f"echo 1 > cpu; echo {CORRECTED} > status; echo 0x22345000 > addr; for n in $(seq {STORM}); do echo 6 > bank; sleep 0.5; done",
        limit_s=120,
    )


async def die(bench: Bench) -> None:
    await monitor(bench, f"mce 0 9 {FATAL} 0x5 0x22345000 0x8c")


async def eat_memory(bench: Bench) -> None:
    """As stress-ng by itself does, which exempts itself as root: until the kernel has killed somebody for want of memory."""
    await bench.guest(f"python3 {POKE} frame; python3 {EAT}", limit_s=TESTED_S)


FAULTS = (
    Fault(
        name="memory-poisoned", row="memory-uncorrectable", title="A page of the tested memory has an uncorrectable error",
        hardware=host("memory-poisoned"), files=POKES, knobs=SOON, modules=("hwpoison-inject",),
        at="CPUStress", inject=poison_a_page, fast=True,
        expect=Caught(stage="CPUStress", component="memory", words="memory failure|corrupt|hardware memory"),
    ),
    Fault(
        name="mce-fatal", row="memory-uncorrectable", title="A machine check from which the kernel cannot go on",
        hardware=Hardware(name="mce-fatal", cpus=2, disks=(Disk(serial="D-mce-fatal"),), crash_store=True),
        at="CPUStress", inject=die, delay_s=3,
        expect=Caught(stage="CPUStress", component="", words="(rebooted unexpectedly|lost) during CPUStress"),
    ),
    Fault(
        name="memory-flips", row="memory-flips", title="Bits flip in the memory under test",
        hardware=host("memory-flips"), files=POKES, knobs=SOON, at="CPUStress", inject=poke_memory, fast=True,
        expect=Caught(stage="CPUStress", component="memory", words="wrong result.*(bit|memory) error"),
    ),
    Fault(
        name="mce-corrected", row="memory-corrected", title="One corrected machine check of a memory controller",
        hardware=host("mce-corrected"), at="CPUStress", inject=correct_one, delay_s=3,
        expect=Caught(
            stage="CPUStress", component="cpu:1", words="machine check", verdicts=(Verdict.PASS, Verdict.FAIL),
        ),
    ),
    Fault(
        name="mce-storm", row="memory-corrected", title="Two dozen corrected machine checks in one stage",
        hardware=host("mce-storm"), modules=("mce-inject",), at="CPUStress", inject=correct_many, delay_s=1,
        expect=Caught(stage="CPUStress", component="cpu:1|cpu|memory", words="corrected|machine check"),
    ),
    Fault(
        name="out-of-memory", row="out-of-memory", title="Somebody takes all memory while it is tested, exempt from the OOM killer",
        hardware=host("out-of-memory"), files={**POKES, EAT: script("eat.py")}, knobs=SOON, at="CPUStress", inject=eat_memory,
        expect=Caught(
            stage="CPUStress", component="host|memory|load", words="want of memory|out of memory|oom|less than .* can be tested|too little",
            verdicts=(Verdict.ERROR,),
        ),
    ),
    Fault(
        name="dimm-missing", row="dimm-missing", title="One of two DIMMs is missing",
        hardware=host("dimm-missing", serial="DIMM-1"), fast=True,
        spec=ExpectedSpec(
            product=PRODUCT, cpu_threads=2, dimm_count=2, dimm_serials=("DIMM-1", "DIMM-2"), memory_bytes=4 * GIB,
            disks=(ExpectedDisk(serial="D-dimm-missing"),),
        ),
        expect=Caught(stage="SpecValidate", component="memory|dimm", words="DIMM-2 is missing"),
    ),
    Fault(
        name="memory-halved", row="dimm-missing", title="Half of the memory is missing, and the firmware names no DIMM",
        hardware=host("memory-halved"),
        spec=ExpectedSpec(product=PRODUCT, cpu_threads=2, memory_bytes=4 * GIB, disks=(ExpectedDisk(serial="D-memory-halved"),)),
        expect=Caught(stage="SpecValidate", component="memory", words="GiB of memory, expected 4.0 GiB"),
    ),
)  # fmt: skip
