"""PCIe errors, told to the kernel by its own injector on a device behind a root port, and devices that fall off the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.campaign.deeds import AER, AERS
from tests.campaign.fault import Caught, Deed, Fault
from tests.lab.hardware import Disk, Hardware
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

# A device that no stage uses, with a virtual NVMe disk's place in the machine: bus 1, behind a port of its own.
BEHIND_A_PORT = (
    "-device", "pcie-root-port,id=port1,chassis=1,slot=1", "-device", "virtio-rng-pci,bus=port1,aer=on,disable-legacy=on",
)  # fmt: skip
BDF = "0000:01:00.0"
# Bits of the error status registers (PCI Express base specification, 7.8.4): a bad TLP; a completion that never came; a malformed TLP.
BAD_TLP, NO_COMPLETION, MALFORMED = "0x40", "0x4000", "0x40000"
STORM = 30


def host(name: str) -> Hardware:
    return Hardware(name=name, disks=(Disk(serial=f"D-{name}"),), more=BEHIND_A_PORT)


def error(kind: str, bits: str, times: int = 1) -> Deed:
    async def inject(bench: Bench) -> None:
        await bench.guest(f"for n in $(seq {times}); do python3 {AER} {BDF} {kind} {bits}; sleep 0.1; done")

    return inject


async def remove(bench: Bench) -> None:
    await bench.guest(f"echo 1 > /sys/bus/pci/devices/{BDF}/remove")


def fault(name: str, title: str, deed: Deed, words: str, *, warned: bool = False, fast: bool = False) -> Fault:
    return Fault(
        name=name, row="pcie-errors", title=title, hardware=host(name), files=AERS, modules=("aer_inject",), at="CPUStress", delay_s=2,
        inject=deed, fast=fast,
        expect=Caught(
            stage="CPUStress", component=BDF.replace(".", r"\."), words=words, verdicts=(Verdict.PASS,) if warned else (Verdict.FAIL,),
        ),
    )  # fmt: skip


FAULTS = (
    fault(
        "aer-nonfatal", "A device reports an uncorrectable, not fatal PCIe error", error("uncorrectable", NO_COMPLETION),
        "uncorrectable|non-fatal", fast=True,
    ),
    fault("aer-fatal", "A device reports a fatal PCIe error", error("uncorrectable", MALFORMED), "uncorrectable|fatal"),
    fault("aer-corrected", "A device reports one corrected PCIe error", error("correctable", BAD_TLP), "correct", warned=True),
    fault(
        "aer-storm", "A device reports thirty corrected PCIe errors in one stage", error("correctable", BAD_TLP, STORM),
        r"correctable PCIe errors \(AER\): \+30", warned=True,
    ),
    fault("pci-vanishes", "A device falls off the bus under load", remove, "gone|vanished|PCI devices"),
    Fault(
        name="pcie-narrow", row="pcie-errors", title="A device's link came up narrower than it can", hardware=host("pcie-narrow"),
        expect=Caught(stage="SpecValidate", component=BDF, words="width"),
        not_tried="QEMU's links always train to what both ends say that they can; recorded sysfs trees hold it in the unit tests",
    ),
)  # fmt: skip
