"""A healthy host for tests of the rules: what it is, what its spec pins, and what each stage concludes about it."""

from __future__ import annotations

from dataclasses import replace

from vetting.domain.evidence import Plan, Witness
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, FoundDimm, FoundDisk, FoundGpu, FoundNic, Inventory, Sensor
from vetting.domain.ledger import expected_components
from vetting.domain.outcome import ArtifactRef, Cell, Counter, Outcome, ToolRecord, Verdict, Work
from vetting.domain.profiles import GIB, MIB, QUICK, Profile

MAC, MAC2 = "52:54:00:aa:bb:01", "52:54:00:aa:bb:02"
DISK, DISK2 = ExpectedDisk(serial="WD-1", size_bytes=480 * 10**9), ExpectedDisk(serial="WD-2", size_bytes=480 * 10**9)

IDENTITY = Identity(
    smbios_uuid="4c4c4544-0036-3110-8052-b4c04f4e4d32",
    system_serial="61R1NM2",
    board_serial="CN7475163C0123",
    macs=(MAC, MAC2),
    disk_serials=("WD-1", "WD-2"),
)
INVENTORY = Inventory(
    identity=IDENTITY,
    manufacturer="Dell Inc.",
    product="PowerEdge R650",
    cpu=FoundCpu(model="Intel Xeon Gold 6330", sockets=2, cores=56, threads=112),
    memory_bytes=252 * GIB,
    dimms=tuple(FoundDimm(locator=f"A{n}", size_bytes=32 * GIB, serial=f"DIMM{n}") for n in range(1, 9)),
    disks=(
        FoundDisk(name="sda", serial="WD-1", model="WDC", size_bytes=480 * 10**9, transport="sata", smart=True),
        FoundDisk(name="sdb", serial="WD-2", model="WDC", size_bytes=480 * 10**9, transport="sata", smart=True),
    ),
    nics=(
        FoundNic(name="eno1", mac=MAC, link=True, speed_mb_s=25000, capable_mb_s=25000),
        FoundNic(name="eno2", mac=MAC2, link=False),
        FoundNic(name="lo", mac="", physical=False),
    ),
    gpus=(FoundGpu(name="NVIDIA A2", uuid="GPU-1"),),
    psu_count=2,
    sensors=(
        Sensor(series="temp.coretemp.package-id-0", unit="C", source="hwmon0"),
        Sensor(series="volt.12v", unit="V", source="bmc"),
    ),
)
SPEC = ExpectedSpec(
    manufacturer="Dell Inc.",
    product="PowerEdge R650",
    system_serial="61R1NM2",
    cpu_model="Intel Xeon Gold 6330",
    cpu_sockets=2,
    cpu_threads=112,
    memory_bytes=256 * GIB,
    dimm_count=8,
    dimm_serials=tuple(f"DIMM{n}" for n in range(1, 9)),
    disks=(DISK, DISK2),
    nics=(ExpectedNic(mac=MAC, speed_mb_s=25000), ExpectedNic(mac=MAC2)),
    gpu_count=1,
    gpu_models=("NVIDIA A2",),
    psu_count=2,
)


def tool(*argv: str, at: float = 0.0, lasts: float = 1.0, exit_code: int | None = 0, output: str = "") -> ToolRecord:
    return ToolRecord(
        argv=argv,
        version="1",
        exit_code=exit_code,
        signal=None if exit_code is not None else 9,
        timed_out=False,
        started_s=at,
        ended_s=at + lasts,
        excerpt="",
        output=output,
    )


def cell(component: str, *work: Work, verdict: Verdict = Verdict.PASS, reason: str = "") -> Cell:
    return Cell(component=component, verdict=verdict, reason=reason, work=work)


def work(done: float, of: float, unit: str, what: str = "done") -> Work:
    return Work(what=what, done=done, of=of, unit=unit)


def planned_s(stage: str, profile: Profile = QUICK) -> float:
    """As the stages plan with quick knobs."""
    return {
        "CPUStress": profile.cpu_stress.cpu_s + profile.cpu_stress.ram_s,
        "Storage": profile.storage.fio_s,
        "Network": 2 * profile.network.seconds,
        "Burn": profile.burn.seconds,
        "GPU": profile.gpu.seconds,
        "PSU": profile.psu.seconds,
    }.get(stage, 0.0)


def plan(stage: str, profile: Profile = QUICK) -> Plan:
    return Plan(
        stage=stage,
        profile=profile,
        planned_s=planned_s(stage, profile),
        components=expected_components(stage, INVENTORY, (DISK, DISK2)),
        disks=(DISK, DISK2),
        inventory=INVENTORY,
    )


_TESTED = 4 * GIB
_TESTERS = tuple(
    work(INVENTORY.memory_bytes / MIB * 0.9, INVENTORY.memory_bytes / MIB, "MiB", f"MiB tested by {tester}")
    for tester in ("stress-ng", "stressapptest")
)


def _cells(stage: str) -> tuple[Cell, ...]:
    memory = INVENTORY.memory_bytes / MIB
    surface = (work(_TESTED, _TESTED, "B", "surface verified"), work(_TESTED, _TESTED, "B", "fio verified"))
    return {
        "SMART": (cell("disk:WD-1"), cell("disk:WD-2")),
        "CPUStress": (cell("cpu", work(112, 112, "cpus")), cell("memory", *_TESTERS)),
        "Storage": (cell("disk:WD-1", *surface), cell("disk:WD-2", *surface)),
        "Network": (cell(f"nic:{MAC}", work(24000, 25000, "Mb/s", "sent"), work(24000, 25000, "Mb/s", "received")),),
        "Burn": (
            cell("cpu", work(112, 112, "cpus")),
            cell("memory", work(memory * 0.5, memory, "MiB")),
            cell("disk", work(10**9, 10**12, "B")),
            cell("network", work(10**9, 10**12, "B")),
        ),
        "GPU": (cell("gpu:GPU-1", work(120, 120, "s", "load")),),
        "PSU": (cell("psu", work(60, 60, "samples")),),
    }.get(stage, ())


def _tools(stage: str) -> tuple[ToolRecord, ...]:
    return {
        "Inventory": (tool("lsblk"),),
        "SMART": (tool("smartctl", "-x"),),
        "CPUStress": (
            tool("choom", "-n", "500", "--", "/usr/bin/stress-ng", "--cpu", "0", "--verify", lasts=120.4),
            tool("stress-ng", "--vm", "1", "--verify", at=121.0, lasts=120.4),
            tool("stressapptest", "-W", "-s", "63", at=242.0, lasts=65.1),
        ),
        "Storage": (tool("/usr/bin/python3", "vetting", "surface"), tool("fio", "job", lasts=180)),
        "Network": (
            tool("iperf3", lasts=60.1),
            tool("iperf3", "-R", at=61, lasts=60.1),
            tool("iperf3", "-b", "200M", at=122, lasts=5.1),
        ),
        "Burn": (
            tool("stress-ng", "--cpu", "0", "--vm", "1", lasts=120.5),
            tool("iperf3", lasts=120),
            tool("fio", lasts=120),
        ),
        "GPU": (tool("nvidia-smi", "-q"), tool("gpu-burn", lasts=120)),
    }.get(stage, ())


def outcome(stage: str) -> Outcome:
    """What a healthy host posts after this stage with quick."""
    artifact = ArtifactRef(name="out.txt", media_type="text/plain", sha256="ab" * 32, size_bytes=10)
    return Outcome.ok(
        cells=_cells(stage),
        tools=_tools(stage),
        artifacts=(artifact,),
        counters=(Counter(component="host", name="oom_kill", before=3, after=3),),
        started_s=1000.0,
        ended_s=1000.0 + planned_s(stage) + 20,
    )


def witness(stage: str) -> Witness:
    """What the orchestrator saw of it."""
    elapsed_s = planned_s(stage) + 21
    return Witness(
        opened_at=0.0,
        received_at=elapsed_s,
        claimed_boot_id="boot-1",
        posting_boot_id="boot-1",
        longest_silence_s=10.4,
        silence_limit_s=60.0,
        series={"temp.coretemp.package-id-0": int(elapsed_s / 5) + 1},
        artifacts={one.name: one for one in outcome(stage).artifacts},
    )


def changed(value: Outcome, component: str, **changes: object) -> Outcome:
    """An outcome with one cell changed."""
    return value.but(
        cells=tuple(replace(one, **changes) if one.component == component else one for one in value.cells)  # type: ignore[arg-type]
    )
