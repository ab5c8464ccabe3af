"""Complete runs, written by the store's own functions: what a report is made of.

A `Story` tells one run from its order to its end; `vetted`, `failed_hot` and `taste` are three whole ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, Identity
from vetting.domain.inventory import FirmwareItem, FoundCpu, FoundDimm, FoundDisk, FoundNic, Inventory, Sensor
from vetting.domain.outcome import (
    ArtifactRef,
    Cell,
    Counter,
    Finding,
    Measurement,
    Outcome,
    Severity,
    ToolRecord,
    Verdict,
    Work,
)
from vetting.domain.profiles import QUICK, TASTE, Profile, shortfalls
from vetting.domain.states import STAGE_OF, Event, RunState, next_state
from vetting.domain.thresholds import Op, Threshold
from vetting.store import (
    Store,
    artifacts,
    attempts,
    audit,
    cells,
    differences,
    findings,
    firmware,
    hosts,
    measurements,
    runs,
    samples,
    thresholds,
)
from vetting.store.artifacts import Stored
from vetting.store.rows import NewRun

BEGIN = 1_795_000_000.0  # an afternoon in November 2026
BOOT = "6f7d0a52-0a9e-4f43-9df4-0c7f9b1c2d11"
GIB = 1024**3
PLANNED = {"CPUStress": 240.0, "Storage": 180.0, "Network": 120.0, "Burn": 120.0, "PSU": 60.0}
DISKS = (
    ExpectedDisk(serial="S4EVNF0M612345", model="Samsung SSD 870 EVO 1TB", size_bytes=1_000_204_886_016),
    ExpectedDisk(serial="WD-WCC4N7KZ1234", model="WDC WD40EFRX-68N32N0", size_bytes=4_000_787_030_016),
)
LIMITS = (
    Threshold(series="temp.*", op=Op.AT_MOST, limit=90),
    Threshold(series="fan.*", op=Op.AT_LEAST, limit=600, severity=Severity.WARNING),
    Threshold(series="net.*.rx_errors", op=Op.EQUALS, limit=0, required=False),
)
SPEC = ExpectedSpec(
    manufacturer="Supermicro",
    product="SYS-6019P",
    cpu_threads=32,
    memory_bytes=128 * GIB,
    disks=DISKS,
    nics=(ExpectedNic(mac="3c:ec:ef:00:11:22", speed_mb_s=10_000),),
    firmware=(FirmwarePin(component="bios", version="3.8a"),),
)
INVENTORY = Inventory(
    identity=Identity(
        smbios_uuid="4c4c4544-0042-3510-8054-b7c04f565831",
        system_serial="A263350X0904567",
        board_serial="VM198S012345",
        macs=("3c:ec:ef:00:11:22", "3c:ec:ef:00:11:23"),
        disk_serials=tuple(disk.serial for disk in DISKS),
    ),
    manufacturer="Supermicro",
    product="SYS-6019P",
    kernel="6.12.57+deb13-amd64",
    cpu=FoundCpu(model="Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", sockets=1, cores=16, threads=32, microcode="0x2007006"),
    memory_bytes=135_057_788_928,
    dimms=tuple(
        FoundDimm(locator=f"DIMM{place}", size_bytes=32 * GIB, serial=f"34A1B2C{place}", manufacturer="Micron", speed_mt_s=2666)
        for place in range(4)
    ),
    disks=tuple(
        FoundDisk(name=f"sd{letter}", serial=disk.serial, model=disk.model, firmware="SVT02B6Q", size_bytes=disk.size_bytes,
                  transport="sata", smart=True)
        for letter, disk in zip("ab", DISKS, strict=True)
    ),
    nics=(
        FoundNic(name="eno1", mac="3c:ec:ef:00:11:22", driver="i40e", link=True, speed_mb_s=10_000, neighbour="sw1 Eth1/7"),
        FoundNic(name="eno2", mac="3c:ec:ef:00:11:23", driver="i40e", link=False),
    ),
    psu_count=2,
    sensors=(Sensor(series="temp.coretemp.package-id-0", unit="C", source="hwmon0"),),
)  # fmt: skip


@dataclass
class Story:
    """One run, told step by step. Every step is a unit of the store's writer."""

    store: Store
    name: str = "pve-r7-03"
    profile: Profile = QUICK
    spec: ExpectedSpec = SPEC
    limits: Sequence[Threshold] = LIMITS
    non_destructive: bool = False
    who: str = "mira"
    scaled: dict[str, Any] = field(default_factory=dict)
    now: float = BEGIN
    run_id: int = 0

    def order(self) -> Story:
        """Host, run, limits, and the claim: the run is in InventoryCheck."""

        def written() -> int:
            host = hosts.by_name(self.name) or hosts.create(self.name, now=self.now, spec=self.spec)
            made = runs.create(
                NewRun(
                    host_id=host.id,
                    host_name=host.name,
                    profile=self.profile,
                    non_destructive=self.non_destructive,
                    start_by="reporter",
                    requested_by=self.who,
                    spec=self.spec,
                    expected_disks=self.spec.disks,
                    shortfalls=shortfalls(self.profile),
                    scaled=self.scaled,
                ),
                now=self.now,
            )
            thresholds.seed(made.id, self.limits)
            audit.add(at=self.now, who=self.who, what="run.start", target=host.name, run_id=made.id)
            return made.id

        self.run_id = self.store.write_now(written)
        self.move(Event.REBOOT_COMMANDED, after_s=4)
        self.move(Event.BOOT_REQUESTED, after_s=70)
        self.move(Event.AGENT_CLAIMED, after_s=35, boot_id=BOOT, started_at=self.now + 35)
        self.begin()
        return self

    def move(self, event: Event, *, after_s: float = 0.0, who: str = "", why: str = "", **changes: Any) -> None:
        self.now += after_s

        def written() -> None:
            run = runs.get(self.run_id)
            to = next_state(run.state, event, held_from=run.held_from)
            changes.setdefault("stage", STAGE_OF.get(to, run.stage))
            assert runs.move(run.id, run.state, to, **changes)
            runs.add_transition(run.id, at=self.now, from_state=run.state, event=event, to_state=to, who=who, why=why)

        self.store.write_now(written)

    def begin(self, *, planned_s: float = 0.0, flags: tuple[str, ...] = ()) -> None:
        """An attempt at the current stage."""
        self.store.write_now(
            lambda: attempts.open_attempt(
                self.run_id, runs.get(self.run_id).stage, now=self.now, planned_s=planned_s, deadline_s=planned_s + 600,
                boot_id=BOOT, flags=flags,
            )
        )  # fmt: skip

    def end(
        self,
        outcome: Outcome,
        *,
        after_s: float,
        posted: Verdict | None = None,
        objections: tuple[str, ...] = (),
    ) -> None:
        """The current attempt ends with this outcome; a pass moves on to the next stage and begins it."""
        self.now += after_s
        outcome = replace(
            outcome, started_s=self.now - BEGIN - after_s + 0.4, ended_s=self.now - BEGIN + 0.4 - after_s / 50
        )

        def written() -> None:
            running = attempts.running(self.run_id)
            assert running is not None
            stage, number = running.stage, running.attempt
            attempts.close_attempt(
                self.run_id, stage, number, now=self.now, verdict=outcome.verdict, reason=outcome.reason,
                posted_verdict=posted or outcome.verdict, objections=objections, outcome=outcome,
            )  # fmt: skip
            cells.put(self.run_id, stage, number, outcome.cells)
            measurements.put(self.run_id, stage, number, outcome.measurements)
            findings.add(self.run_id, stage, number, outcome.findings, at=self.now)
            for ref in outcome.artifacts:
                place = Stored(
                    path=f"artifacts/{self.run_id}/{ref.sha256}", sha256=ref.sha256, size_bytes=ref.size_bytes
                )
                artifacts.add(self.run_id, stage, number, ref.name, ref.media_type, place, now=self.now)

        self.store.write_now(written)
        if outcome.passed:
            self.move(Event.STAGE_PASSED)
            self.begin(planned_s=PLANNED.get(self.store.read_now(lambda: runs.get(self.run_id).stage), 0.0))

    def hold(self, failed_stage: str, why: str) -> None:
        run = self.store.read_now(lambda: runs.get(self.run_id))
        self.move(Event.STAGE_FAILED, why=why, failed_stage=failed_stage, held_from=run.state, reason=why)
        self.move(Event.HELD, after_s=2, why=why, hold_addresses=("192.0.2.41",))

    def override(self, why: str, *, flags: tuple[str, ...] = ()) -> None:
        self.move(Event.OPERATOR_OVERRODE, after_s=300, who=self.who, why=why, failed_stage="", reason="")
        self.store.write_now(
            lambda: audit.add(at=self.now, who=self.who, what="run.override", run_id=self.run_id, why=why)
        )
        self.begin(flags=flags)

    def breach(self, series: str, *, limit: float, worst: float, first_at: float, last_at: float) -> None:
        def written() -> None:
            running = attempts.running(self.run_id)
            assert running is not None
            opened = thresholds.open_breach(
                self.run_id, stage=running.stage, attempt=running.attempt, series=series, op=Op.AT_MOST, limit=limit,
                severity=Severity.CRITICAL, first_at=first_at, last_at=last_at, worst=worst, samples=9,
            )  # fmt: skip
            thresholds.close_breach(opened.id)

        self.store.write_now(written)

    def series(
        self,
        curves: dict[str, tuple[str, Callable[[float], float]]],
        *,
        begin_at: float,
        end_at: float,
        every_s: float = 5.0,
        stage: str = "CPUStress",
        batch: int = 500,
    ) -> int:
        """Samples of each curve: name -> (unit, value at seconds since the begin). Returns how many."""
        names, units = list(curves), [unit for unit, _ in curves.values()]
        rows: list[tuple[int, int, float]] = []
        for step in range(int((end_at - begin_at) / every_s)):
            at_s = step * every_s
            at_ms = int((begin_at + at_s) * 1000)
            rows += [(place, at_ms, curve(at_s)) for place, (_, curve) in enumerate(curves.values())]
        for first in range(0, len(rows), batch * 64):

            def written(part: Sequence[tuple[int, int, float]] = rows[first : first + batch * 64]) -> None:
                for at in range(0, len(part), batch):
                    samples.append_batch(self.run_id, stage, names, units, part[at : at + batch])

            self.store.write_now(written)
        return len(rows)


def tool(*argv: str, begin_s: float, seconds: float, version: str = "", excerpt: str = "", code: int = 0) -> ToolRecord:
    return ToolRecord(
        argv=argv,
        version=version,
        exit_code=code,
        signal=None,
        timed_out=False,
        started_s=begin_s,
        ended_s=begin_s + seconds,
        excerpt=excerpt,
        output=f"{argv[0]}.txt" if excerpt else "",
    )


def file_of(name: str, number: int) -> ArtifactRef:
    return ArtifactRef(name=name, media_type="text/plain", sha256=f"{number:064x}", size_bytes=4096 * number + 17)


def counted(component: str, **deltas: float) -> tuple[Counter, ...]:
    return tuple(Counter(component=component, name=name, before=100.0, after=100.0 + by) for name, by in deltas.items())


def inventory_outcome(found: Inventory = INVENTORY) -> Outcome:
    return Outcome.ok(
        data={"inventory": msgspec.to_builtins(found)},
        tools=(
            tool("dmidecode", "-t", "system", begin_s=106, seconds=0.1, version="3.6", excerpt="System Information\n"),
        ),
        artifacts=(file_of("inventory.json", 1),),
    )


def cpu_outcome(*, ram_mib: float = 100_000, of_mib: float = 128_800, cpus: int = 32) -> Outcome:
    metrics = "stress-ng: metrc: [3120] cpu              614400     120.01   3838.21      0.11      5119.57\n"
    return Outcome.ok(
        cells=(
            Cell(component="cpu", verdict=Verdict.PASS, work=(Work(what="cpus", done=cpus, of=cpus, unit="cpus"),)),
            Cell(
                component="memory",
                verdict=Verdict.PASS,
                work=(Work(what="MiB tested", done=ram_mib, of=of_mib, unit="MiB"),),
            ),
        ),
        measurements=(Measurement(series="cpu.bogo_ops_s", value=5119.57, unit="1/s", component="cpu"),),
        counters=(*counted("host", mce=0, oom_kill=0, core_throttle_count=3), Counter(component="dimm:DIMM0", name="corrected", before=None, after=None)),
        tools=(
            tool(
                "choom", "-n", "500", "--", "stress-ng", "--cpu", "0", "--cpu-method", "all", "--verify", "--timeout", "120s",
                begin_s=130, seconds=120.1, version="stress-ng 0.19.02", excerpt=metrics,
            ),
        ),
        artifacts=(file_of("stress-ng.txt", 2),),
    )  # fmt: skip


def disk_cells(verdict: Verdict = Verdict.PASS) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            component=f"disk:{disk.serial}",
            verdict=verdict,
            work=(
                Work(what="surface written and verified", done=4096, of=disk.size_bytes // 1024**2, unit="MiB"),
                Work(what="random writes verified", done=4096, of=4096, unit="MiB"),
            ),
        )
        for disk in DISKS
    )


def up_to_cpu(story: Story) -> Story:
    """Inventory, Firmware, SpecValidate and SMART passed; CPUStress is running."""
    story.order()
    story.end(inventory_outcome(), after_s=12)
    items = (
        FirmwareItem(component="bios", identifier="system", version="3.8a", detail="American Megatrends 2022-10-28"),
        FirmwareItem(component="microcode", identifier="cpu0", version="0x2007006"),
        FirmwareItem(component="disk", identifier=DISKS[0].serial, version="SVT02B6Q"),
    )
    story.store.write_now(lambda: firmware.put(story.run_id, items))
    story.end(Outcome.ok(), after_s=5)
    row = differences.NewDifference(
        kind="spec", severity=Severity.INFO, component="nic:3c:ec:ef:00:11:23", field="nic.extra", expected="",
        found="3c:ec:ef:00:11:23 (eno2)", text="a network card that the spec does not name: eno2",
    )  # fmt: skip
    story.store.write_now(lambda: differences.put(story.run_id, 1, [row]))
    story.end(
        Outcome.ok("1 differences, 0 of them critical", cells=(Cell(component="host", verdict=Verdict.PASS),)),
        after_s=0.2,
    )
    smart = tuple(
        Cell(component=f"disk:{one.serial}", verdict=Verdict.PASS, reason="short self-test finished") for one in DISKS
    )
    story.end(Outcome.ok(cells=smart), after_s=130)
    return story


def to_the_report(story: Story) -> Story:
    """Storage to PSU passed; the run is in Reporting."""
    story.end(Outcome.ok(cells=disk_cells()), after_s=300)
    both = tuple(Work(what=f"iperf3 {way}", done=9390, of=10_000, unit="Mb/s") for way in ("sent", "received"))
    nic = Cell(component="nic:3c:ec:ef:00:11:22", verdict=Verdict.PASS, work=both)
    story.end(Outcome.ok(cells=(nic,)), after_s=125)
    burn = tuple(
        Cell(component=part, verdict=Verdict.PASS, work=(Work(what="seconds under load", done=120, of=120, unit="s"),))
        for part in ("cpu", "memory", "disk", "network")
    )
    story.end(Outcome.ok(cells=burn), after_s=124)
    story.end(Outcome.skip("no GPU in this host"), after_s=1)
    psu = Cell(component="psu", verdict=Verdict.PASS, work=(Work(what="seconds watched", done=60, of=60, unit="s"),))
    story.end(Outcome.ok(cells=(psu,)), after_s=62)
    return story


def heat(begin_s: float, top: float, *, idle: float = 38.0) -> Callable[[float], float]:
    """A temperature that climbs from `begin_s` on and ripples a little."""

    def at(seconds: float) -> float:
        climbed = (top - idle) * (1 - math.exp(-max(0.0, seconds - begin_s) / 60)) if seconds >= begin_s else 0.0
        return idle + climbed + math.sin(seconds / 7) * 1.2

    return at


def senses(story: Story, *, top: float, end_at: float | None = None) -> int:
    """Thermals, fans, power and throughput from the claim to now."""
    curves: dict[str, tuple[str, Callable[[float], float]]] = {
        "temp.coretemp.package-id-0": ("C", heat(160, top)),
        **{f"temp.coretemp.core-{core}": ("C", heat(160 + core, top - 2 - core % 5)) for core in range(16)},
        "temp.nvme.composite": ("C", heat(400, 51, idle=33)),
        "fan.fan1": ("RPM", lambda at: 3000 + heat(160, 90)(at) * 60),
        "power.psu1": ("W", lambda at: 110 + heat(160, 290, idle=20)(at)),
        "power.psu2": ("W", lambda at: 108 + heat(160, 280, idle=20)(at)),
        "net.eno1.tx_mb_s": ("MB/s", lambda at: 1120 + 30 * math.sin(at) if 720 < at < 780 else 0.2),
    }
    return story.series(curves, begin_at=BEGIN + 109, end_at=end_at or story.now)


def vetted(store: Store, **changes: Any) -> Story:
    """A healthy host, quick, all of it tested; in Reporting. An unplugged port is all there is to say."""
    story = up_to_cpu(Story(store, **changes))
    story.end(cpu_outcome(), after_s=260)
    to_the_report(story)
    senses(story, top=74)
    return story


def failed_hot(store: Store, **changes: Any) -> Story:
    """CPUStress too hot at its second attempt, refused once before; held."""
    story = up_to_cpu(Story(store, **changes))
    story.end(
        cpu_outcome().but(verdict=Verdict.ERROR, reason="PASS not believed: stress-ng ran 4 s to a clean end, planned were 120 s"),
        after_s=9,
        posted=Verdict.PASS,
        objections=("(us) stress-ng on all cores ran 4 s to a clean end, planned were 120 s", "(us) lasted 9 s, planned were 240 s"),
    )  # fmt: skip
    story.hold("CPUStress", "CPUStress ERROR: PASS not believed: stress-ng ran 4 s to a clean end")
    story.override("the tool had been started by hand; run it once more")
    began = story.now
    story.now += 200
    hot = "temp.coretemp.package-id-0 reached 97.4, limit <= 90"
    story.breach("temp.coretemp.package-id-0", limit=90, worst=97.4, first_at=began + 60, last_at=began + 190)
    bad = Finding(severity=Severity.CRITICAL, component="host", text=hot, source="thresholds")
    slow = Finding(severity=Severity.WARNING, component="cpu", text="package throttled 1 843 times", source="counters")
    outcome = cpu_outcome().but(
        verdict=Verdict.FAIL,
        reason=hot,
        cells=(
            Cell(component="cpu", verdict=Verdict.FAIL, reason="hotter than 90 °C under load",
                 work=(Work(what="cpus", done=32, of=32, unit="cpus"),)),
        ),
        findings=(bad, slow),
        counters=counted("host", mce=0, package_throttle_count=1843),
        measurements=(Measurement(series="cpu.bogo_ops_s", value=math.nan, unit="1/s", component="cpu"),),
    )  # fmt: skip
    story.end(outcome, after_s=0)
    start = BEGIN + 109
    story.series(
        {
            "temp.coretemp.package-id-0": ("C", heat(began - start, 97)),
            **{f"temp.coretemp.core-{core}": ("C", heat(began - start, 95 - core)) for core in range(3)},
            "power.psu1": ("W", lambda at: 110 + heat(began - start, 290, idle=20)(at)),
        },
        begin_at=start,
        end_at=story.now,
    )
    story.hold("CPUStress", f"CPUStress FAIL: {hot}")
    return story


def taste(store: Store, **changes: Any) -> Story:
    """`vetting try` on a small virtual machine without sensors; in Reporting."""
    scratch = ExpectedDisk(
        serial="loop:2f0b", model="scratch file", size_bytes=256 * 1024**2, kind="scratch", path="/x.img"
    )
    system = ExpectedDisk(serial="vda-0001", write=False)
    found = Inventory(
        identity=Identity(smbios_uuid="d9c2a6f0-7a11-4e0e-9a59-2f1c0d9d0c11", macs=("52:54:00:12:34:56",)),
        manufacturer="QEMU",
        product="Standard PC (Q35 + ICH9, 2009)",
        virtual="kvm",
        kernel="6.1.0-41-amd64",
        cpu=FoundCpu(model="AMD EPYC 7543 32-Core Processor", sockets=1, cores=2, threads=2),
        memory_bytes=25_137_983_488,
        disks=(FoundDisk(name="vda", serial="vda-0001", size_bytes=107_374_182_400, transport="virtio", smart=False),),
        nics=(FoundNic(name="eth0", mac="52:54:00:12:34:56", driver="virtio_net", link=True),),
        absent_tools=("ipmitool", "nvidia-smi"),
        unreadable={"dimms": "no DMI tables on this machine"},
    )
    story = Story(
        store,
        **{
            "name": "workbench",
            "profile": TASTE,
            "spec": ExpectedSpec(disks=(scratch, system)),
            "who": "vetting try",
            "scaled": {"loopback": True},
            **changes,
        },
    ).order()  # fmt: skip
    story.end(inventory_outcome(found), after_s=3)
    story.end(Outcome.ok(), after_s=1)
    story.end(
        Outcome.ok("0 differences, 0 of them critical", cells=(Cell(component="host", verdict=Verdict.PASS),)),
        after_s=0.1,
    )
    no_smart = Cell(component="disk:vda-0001", verdict=Verdict.SKIP, reason="no SMART on this device")
    story.end(Outcome.skip("disk:vda-0001: no SMART on this device", cells=(no_smart,)), after_s=1)
    story.end(cpu_outcome(ram_mib=1024, of_mib=23_973, cpus=2), after_s=24)
    work = (Work(what="surface written and verified", done=256, of=256, unit="MiB"),)
    disks = (
        Cell(component="disk:loop:2f0b", verdict=Verdict.PASS, work=work),
        Cell(component="disk:vda-0001", verdict=Verdict.SKIP, reason="not to be written"),
    )
    story.end(Outcome.ok(cells=disks), after_s=14)
    both = tuple(Work(what=f"iperf3 {way}", done=5, of=5, unit="s") for way in ("sent", "received"))
    story.end(Outcome.ok(cells=(Cell(component="nic:loopback", verdict=Verdict.PASS, work=both),)), after_s=12)
    seconds = (Work(what="seconds under load", done=12, of=12, unit="s"),)
    burn = tuple(
        Cell(component=part, verdict=Verdict.PASS, work=seconds) for part in ("cpu", "memory", "disk", "network")
    )
    story.end(Outcome.ok(cells=burn), after_s=14)
    story.end(Outcome.skip("no GPU in this host"), after_s=0.4)
    psu = Cell(component="psu", verdict=Verdict.SKIP, reason="not observable: no power or voltage sensor on this host")
    story.end(Outcome.ok(cells=(psu,)), after_s=6)
    story.series(
        {"net.lo.tx_mb_s": ("MB/s", lambda at: 2100 if 45 < at < 57 else 0.1)}, begin_at=BEGIN + 109, end_at=story.now
    )
    return story


def completed(story: Story) -> Story:
    """What `Reporting.complete` does to the records, without a file."""
    story.now += 1
    story.store.write_now(
        lambda: attempts.close_attempt(
            story.run_id, "Reporting", 1, now=story.now, verdict=Verdict.PASS, outcome=Outcome.ok()
        )
    )
    story.move(Event.STAGE_PASSED, ended_at=story.now)
    assert story.store.read_now(lambda: runs.get(story.run_id).state) is RunState.COMPLETED
    return story
