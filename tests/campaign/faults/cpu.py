"""Processors that are missing, slow, or compute wrong; loads that are killed or end too soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.campaign.deeds import POKE, POKES
from tests.campaign.fault import Caught, Fault
from tests.campaign.slow_thread import slow_down
from tests.lab.hardware import PRODUCT, Disk, Hardware
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

LONG_S = 60
# All cores together, for longer than any guest is late: what happens in the first seconds of it happened before its time was over.
ALL_CORES = (
    f"until pgrep -f -- 'stress-ng.*--timeout {LONG_S}s' >/dev/null; do sleep 0.5; done; "
    "until pgrep -x stress-ng-cpu >/dev/null; do sleep 0.5; done; sleep 2; "
)
LONG: dict[str, Any] = {"cpu_stress": {"core_s": 1, "cpu_s": LONG_S}}
PATIENCE_S = 400.0


def host(name: str, cpus: int = 2) -> Hardware:
    return Hardware(name=name, cpus=cpus, disks=(Disk(serial=f"D-{name}"),))


async def kill_a_worker(bench: Bench) -> None:
    await bench.guest(f"{ALL_CORES} pkill -KILL -x -n stress-ng-cpu", limit_s=PATIENCE_S)


async def crash_a_worker(bench: Bench) -> None:
    """The signal that a core sends which no longer knows its own instructions."""
    await bench.guest(f"{ALL_CORES} pkill -ILL -x -n stress-ng-cpu", limit_s=PATIENCE_S)


async def end_the_load(bench: Bench) -> None:
    """As an impatient neighbour does, politely: stress-ng then says that all went well."""
    await bench.guest(f"{ALL_CORES} pkill -INT -x stress-ng", limit_s=PATIENCE_S)


async def compute_wrong(bench: Bench) -> None:
    await bench.tell(f"python3 {POKE} registers 100000 1")


async def slow_core(bench: Bench) -> None:
    await slow_down(bench, cpu=1, share=0.3)


FAULTS = (
    Fault(
        name="cpu-missing", row="cpu-missing", title="One of two processors is missing",
        hardware=host("cpu-missing", cpus=1), fast=True,
        spec=ExpectedSpec(product=PRODUCT, cpu_threads=2, disks=(ExpectedDisk(serial="D-cpu-missing"),)),
        expect=Caught(stage="SpecValidate", component="cpu", words="1.*expected 2|expected 2.*1"),
    ),
    Fault(
        name="cpu-offline", row="cpu-missing", title="A core goes away under load",
        hardware=host("cpu-offline"), at="CPUStress", delay_s=2,
        inject=lambda bench: bench.tell("echo 0 > /sys/devices/system/cpu/cpu1/online"),
        expect=Caught(stage="CPUStress", component="cpu|host", words="processors|cpu", verdicts=(Verdict.FAIL, Verdict.ERROR)),
    ),
    Fault(
        name="worker-killed", row="worker-killed", title="One worker of the load is killed: we are accused, not the host",
        hardware=host("worker-killed"), at="CPUStress", inject=kill_a_worker, knobs=LONG, fast=True,
        expect=Caught(stage="CPUStress", component="cpu", words="killed by signal 9", verdicts=(Verdict.ERROR,)),
    ),
    Fault(
        name="worker-crashed", row="worker-killed", title="One worker of the load dies of an illegal instruction",
        hardware=host("worker-crashed"), at="CPUStress", inject=crash_a_worker, knobs=LONG,
        expect=Caught(stage="CPUStress", component="cpu", words="crashed.*SIGILL"),
    ),
    Fault(
        name="load-ended-early", row="load-ended-early", title="The load is told to end long before its time",
        hardware=host("load-ended-early"), at="CPUStress", inject=end_the_load, fast=True,
        knobs=LONG,
        expect=Caught(
            stage="CPUStress", component="cpu", words=rf"(ended after|worked for) [0-4]?\d\.\d s of {LONG_S} s", verdicts=(Verdict.ERROR,),
        ),
    ),
    Fault(
        name="core-wrong", row="core-wrong", title="A core spoils bits of its vector registers",
        hardware=host("core-wrong"), files=POKES, at="CPUStress", inject=compute_wrong,
        expect=Caught(stage="CPUStress", component="cpu:1|cpu", words="wrong result|crashed"),
    ),
    Fault(
        name="core-slow", row="core-slow", title="One core runs at a third of its peers' pace",
        hardware=host("core-slow", cpus=3), at="CPUStress", inject=slow_core,
        expect=Caught(
            stage="CPUStress", component="cpu:1", words="of the median of its peers", verdicts=(Verdict.PASS, Verdict.FAIL),
        ),
    ),
)  # fmt: skip
