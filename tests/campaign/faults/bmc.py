"""What management controllers write down, and sensors that grow hot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.campaign.fault import Caught, Deed, Fault
from tests.lab.hardware import PRODUCT, Bmc, Disk, Hardware
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

# Event message format, sensor type, sensor number, event type, then three bytes of event data (IPMI 2.0, 29.7 and table 42-3).
MEMORY_UNCORRECTABLE = "0x04 0x0c 0x53 0x6f 0xa1 0xff 0x02"
MEMORY_CORRECTABLE = "0x04 0x0c 0x53 0x6f 0xa0 0xff 0x02"
SUPPLY_FAILED = "0x04 0x08 0x71 0x6f 0x01 0xff 0xff"
SUPPLY_INPUT_LOST = "0x04 0x08 0x71 0x6f 0x03 0xff 0xff"
SENSOR = "bus=$(grep -l 'SMBus stub' /sys/bus/i2c/devices/i2c-*/name | head -1); bus=${bus%/name}; bus=${bus##*i2c-}; "
LIMIT_C = 85
COOL, HOT = "0x0028", "0x0063"  # 40 and 99 degrees, byte by byte as the chip sends them
WARM_SENSOR = (
    f"modprobe i2c-dev; modprobe i2c-stub chip_addr=0x48; modprobe lm75; {SENSOR} i2cset -y $bus 0x48 0 {COOL} w; "
    "echo lm75 0x48 > /sys/bus/i2c/devices/i2c-$bus/new_device"
)


def host(name: str, bmc: Bmc = Bmc.LOCAL) -> Hardware:
    return Hardware(name=name, disks=(Disk(serial=f"D-{name}"),), bmc=bmc)


def records(*events: str) -> Deed:
    async def inject(bench: Bench) -> None:
        lines = "\\n".join(events)
        await bench.guest(f"printf '{lines}\\n' > /run/sel.txt; ipmitool sel add /run/sel.txt")

    return inject


async def heat(bench: Bench) -> None:
    await bench.guest(f"{SENSOR} i2cset -f -y $bus 0x48 0 {HOT} w")


async def silence(bench: Bench) -> None:
    await bench.guest(f"{SENSOR} echo 0x48 > /sys/bus/i2c/devices/i2c-$bus/delete_device")


def event(
    name: str, title: str, said: str, component: str, words: str, *, warned: bool = False, fast: bool = False
) -> Fault:
    return Fault(
        name=name, row="sel-entries", title=title, hardware=host(name), at="CPUStress", delay_s=2, inject=records(said), fast=fast,
        expect=Caught(
            stage="CPUStress", component=component, words=words, verdicts=(Verdict.PASS,) if warned else (Verdict.FAIL,),
        ),
    )  # fmt: skip


FAULTS = (
    event(
        "sel-memory", "The BMC records an uncorrectable memory error", MEMORY_UNCORRECTABLE, "memory|dimm",
        "the BMC recorded: .*uncorrectable ecc", fast=True,
    ),
    event(
        "sel-memory-corrected", "The BMC records one corrected memory error", MEMORY_CORRECTABLE, "memory|dimm",
        "the BMC recorded: .*correctable ecc", warned=True,
    ),
    event("sel-supply", "The BMC records a power supply that failed", SUPPLY_FAILED, "psu|power supply", "failure detected"),
    event("sel-supply-input", "The BMC records a power supply without input", SUPPLY_INPUT_LOST, "psu|power supply", "ac lost|input lost"),
    Fault(
        name="overheated", row="overheated", title="A sensor climbs over the host's limit under load", fast=True,
        hardware=host("overheated", Bmc.NONE),
        spec=ExpectedSpec(product=PRODUCT, cpu_threads=1, max_temp_c=LIMIT_C, disks=(ExpectedDisk(serial="D-overheated"),)),
        boot=WARM_SENSOR, at="CPUStress", delay_s=2, inject=heat, knobs={"cpu_stress": {"cpu_s": 30}},
        expect=Caught(stage="CPUStress", component="temp.*lm75|lm75", words="reached 99, limit"),
    ),
    Fault(
        name="sensor-silent", row="overheated", title="The only sensor falls silent while the host is hot: unknown is not cool",
        hardware=host("sensor-silent", Bmc.NONE), boot=WARM_SENSOR, at="CPUStress", delay_s=2, inject=silence,
        knobs={"cpu_stress": {"cpu_s": 45}},
        expect=Caught(stage="CPUStress", component="", words="thermals stopped|fell silent", verdicts=(Verdict.ERROR,)),
    ),
)  # fmt: skip
