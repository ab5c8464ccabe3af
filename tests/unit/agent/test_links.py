"""PCIe links under load: missing lanes accuse the host by address, device and slot; healthy and virtual machines stay silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.orchestrator import over
from tests.fakes.pci_bus import BRIDGE, CONSOLE, GPU, NIC, NVME, PciBus, server
from tests.fakes.scripted_deps import job
from tests.unit.agent.conftest import Bench, TinyStage, stages
from vetting.agent.ambient import counters
from vetting.agent.around import Around
from vetting.agent.links import LOADED, LinkWatch
from vetting.agent.pcitree import PciTree
from vetting.clock import SystemClock
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, FoundGpu, FoundNic, Inventory
from vetting.domain.outcome import Finding, Outcome, Severity, Verdict

FOUND = Inventory(
    identity=Identity(), kernel="6.12", cpu=FoundCpu(model="", sockets=1, cores=2, threads=2), memory_bytes=1,
    nics=(FoundNic(name="eno1", mac="52:54:00:00:00:01", pci="0000:5e:00.0"),),
    gpus=(FoundGpu(name="A100", uuid="GPU-1", pci="0000:17:00.0"),),
)  # fmt: skip


def watch(root: Path, stage: str = "Burn") -> LinkWatch:
    return LinkWatch(PciTree(root), stage, FOUND)


def told(links: LinkWatch, severities: dict[str, str] | None = None) -> list[Finding]:
    return list(links.judged(Outcome.ok(), severities or {}).findings)


@pytest.mark.parametrize("stage", sorted(LOADED))
def test_a_healthy_server_and_qemu_s_own_devices_are_silent(tmp_path: Path, stage: str) -> None:
    server(tmp_path)
    links = watch(tmp_path, stage)
    links.look()
    links.look()
    assert told(links) == []


def test_the_best_of_each_link_is_measured(tmp_path: Path) -> None:
    server(tmp_path)
    links = watch(tmp_path)
    links.look()
    measured = {one.series: (one.value, one.unit, one.component) for one in links.judged(Outcome.ok(), {}).measurements}
    assert measured["pcie.0000-3b-00-0.width"] == (4.0, "lanes", "disk:S64HNE0T")
    assert measured["pcie.0000-5e-00-0.speed"] == (8.0, "GT/s", "nic:52:54:00:00:00:01")
    assert not any("0000-00-06" in series for series in measured)


def test_a_drive_on_two_of_four_lanes_fails_and_is_named_with_address_serial_and_slot(tmp_path: Path) -> None:
    server(tmp_path).now("0000:3b:00.0", "x2 g4")
    links = watch(tmp_path, "Storage")
    links.look()
    (finding,) = told(links)
    assert (finding.severity, finding.component) == (Severity.CRITICAL, "disk:S64HNE0T")
    for words in ("0000:3b:00.0", "PCIe Slot 3", "SAMSUNG MZQL23T8HCLS-00A07 S64HNE0T", "2 of 4 lanes", "reseat"):
        assert words in finding.text


def test_a_link_that_loses_lanes_under_load_fails(tmp_path: Path) -> None:
    bus = server(tmp_path)
    links = watch(tmp_path)
    links.look()
    bus.now("0000:3b:00.0", "x1 g4")
    links.look()
    assert told(links) == []  # one look: a reset, perhaps
    links.look()
    (finding,) = told(links)
    assert finding.severity is Severity.CRITICAL and "fell from 4 to 1 lanes" in finding.text


def test_a_card_is_held_against_what_its_slot_can_and_not_against_its_own_dreams(tmp_path: Path) -> None:
    bus = PciBus(tmp_path)
    bus.add("0000:00:01.0", BRIDGE, now="x8 g3", can="x8 g3")
    bus.add("0000:5e:00.0", NIC, behind="0000:00:01.0", now="x8 g3", can="x16 g4")
    links = watch(tmp_path, "Network")
    links.look()
    assert told(links) == []
    bus.now("0000:5e:00.0", "x4 g1")
    slow = watch(tmp_path, "Network")
    slow.look()
    assert [(one.severity, one.component) for one in told(slow)] == [
        (Severity.CRITICAL, "nic:52:54:00:00:00:01"),
        (Severity.WARNING, "nic:52:54:00:00:00:01"),
    ]


def test_a_slow_link_is_a_warning_and_an_idle_one_that_wakes_is_none(tmp_path: Path) -> None:
    bus = server(tmp_path)
    bus.now("0000:3b:00.0", "x4 g1")
    links = watch(tmp_path)
    links.look()
    assert [one.severity for one in told(links)] == [Severity.WARNING]
    bus.now("0000:3b:00.0", "x4 g4")
    links.look()
    assert told(links) == []


def test_a_spec_may_weigh_it_otherwise(tmp_path: Path) -> None:
    server(tmp_path).now("0000:3b:00.0", "x2 g3")
    links = watch(tmp_path)
    links.look()
    weights = {"pcie.width": "info", "pcie.speed": "critical"}
    assert [one.severity for one in told(links, weights)] == [Severity.INFO, Severity.CRITICAL]


def test_behind_a_switch_both_links_are_looked_at_and_the_switch_s_two_sides_are_none(tmp_path: Path) -> None:
    bus = PciBus(tmp_path)
    bus.add("0000:00:01.0", BRIDGE, now="x16 g4", can="x16 g4")
    bus.add("0000:16:00.0", BRIDGE, behind="0000:00:01.0", now="x16 g4", can="x16 g4")  # upstream port
    bus.add("0000:17:08.0", BRIDGE, behind="0000:16:00.0", now="x4 g4", can="x16 g4")  # downstream port
    bus.add("0000:18:00.0", NVME, behind="0000:17:08.0", now="x4 g4", can="x4 g4")
    healthy = watch(tmp_path)
    healthy.look()
    assert told(healthy) == [] and healthy.links.keys() == {"0000:18:00.0", "0000:16:00.0"}
    bus.now("0000:16:00.0", "x8 g4")
    links = watch(tmp_path)
    links.look()
    (finding,) = told(links)
    assert "the switch at 0000:16:00.0 above" in finding.text and "8 of 16 lanes" in finding.text


def test_a_graphics_processor_may_rest_and_has_to_wake_up(tmp_path: Path) -> None:
    bus = PciBus(tmp_path)
    bus.add("0000:00:01.0", BRIDGE, now="x16 g1", can="x16 g4")
    bus.add("0000:17:00.0", GPU, behind="0000:00:01.0", now="x1 g1", can="x16 g4")
    links = watch(tmp_path, "GPU")
    links.look()
    links.look()
    bus.now("0000:17:00.0", "x16 g4")
    links.look()
    assert told(links) == []
    bus.now("0000:17:00.0", "x8 g4")
    narrow = watch(tmp_path, "GPU")
    narrow.look()
    (finding,) = told(narrow)
    assert finding.component == "gpu:GPU-1" and "8 of 16 lanes" in finding.text


def test_a_device_that_is_switched_off_and_a_console_s_graphics_say_nothing(tmp_path: Path) -> None:
    bus = PciBus(tmp_path)
    bus.add("0000:00:01.0", BRIDGE, now="x4 g4", can="x4 g4")
    bus.add("0000:3b:00.0", NVME, behind="0000:00:01.0", now="x63 g0", can="x63 g0")
    bus.add("0000:00:02.0", BRIDGE, now="x1 g1", can="x4 g4")
    bus.add("0000:02:00.0", CONSOLE, behind="0000:00:02.0", now="x1 g1", can="x4 g4", vendor="0x1a03")
    for stage in ("Burn", "GPU"):
        links = watch(tmp_path, stage)
        links.look()
        assert told(links) == []


def test_a_stage_that_was_skipped_loaded_nothing(tmp_path: Path) -> None:
    server(tmp_path).now("0000:3b:00.0", "x2 g1")
    links = watch(tmp_path, "Storage")
    links.look()
    assert links.judged(Outcome.skip("the run may not write"), {}).findings == ()


async def test_stages_that_load_none_of_these_parts_are_left_alone(tmp_path: Path) -> None:
    server(tmp_path).now("0000:3b:00.0", "x2 g1")
    links = watch(tmp_path, "CPUStress")
    await links.watch(SystemClock())
    links.look()
    assert told(links) == []


def test_slots_are_named_by_firmware_by_hot_plug_or_by_nobody(tmp_path: Path) -> None:
    bus = server(tmp_path)

    def place(address: str) -> str:
        return PciTree(tmp_path).place(address)

    assert place("0000:3b:00.0") == "0000:3b:00.0, PCIe Slot 3"
    assert place("0000:5e:00.0") == "0000:5e:00.0"
    bus.write("sys/bus/pci/slots/7/address", "0000:5e:00")
    assert place("0000:5e:00.0") == "0000:5e:00.0, slot 7"
    bus.write("sys/bus/pci/devices/0000:5e:00.0/label", "Integrated NIC 1")
    assert place("0000:5e:00.0") == "0000:5e:00.0, Integrated NIC 1"


def test_a_device_without_a_name_of_its_own_is_called_what_its_ids_stand_for(tmp_path: Path) -> None:
    bus = server(tmp_path)
    assert PciTree(tmp_path).spoken("0000:5e:00.0") == "eno1 [15b3:1017] (0000:5e:00.0)"
    bus.write(
        "usr/share/misc/pci.ids",
        "# pci.ids\n15b2  Else\n\t1017  Wrong\n15b3  Mellanox Technologies\n\t1013  MT27700\n\t1017  MT27800 [ConnectX-5]",
    )
    assert PciTree(tmp_path).spoken("0000:5e:00.0") == "eno1 Mellanox Technologies MT27800 [ConnectX-5] (0000:5e:00.0)"


async def test_a_device_that_falls_off_the_bus_is_named_by_what_it_was(tmp_path: Path) -> None:
    bus = server(tmp_path)

    async def attempt() -> Outcome:
        bus.pull("0000:3b:00.0")
        return Outcome.ok()

    outcome = await Around(tmp_path, SystemClock()).watched("CPUStress", job(), attempt)
    (finding,) = outcome.findings
    assert (finding.severity, finding.component) == (Severity.CRITICAL, "pci:0000:3b:00.0")
    assert "nvme0 SAMSUNG MZQL23T8HCLS-00A07 S64HNE0T (0000:3b:00.0, PCIe Slot 3) is gone" in finding.text


async def test_errors_of_a_pcie_device_are_told_with_what_it_is_and_where(tmp_path: Path) -> None:
    server(tmp_path)
    around = Around(tmp_path, SystemClock())

    async def attempt() -> Outcome:
        return Outcome.ok()

    await around.watched("Burn", job(), attempt)
    before = {("pci:0000:3b:00.0", "aer_dev_nonfatal"): 0.0, ("pci:0000:5e:00.0", "aer_dev_nonfatal"): 0.0}
    after = {**before, ("pci:0000:3b:00.0", "aer_dev_nonfatal"): 2.0}
    moved, still = around.named(counters(before, after))
    assert moved.component == "pci:0000:3b:00.0 nvme0 SAMSUNG MZQL23T8HCLS-00A07 S64HNE0T (0000:3b:00.0, PCIe Slot 3)"
    assert still.component == "pci:0000:5e:00.0"


@pytest.mark.parametrize(
    ("stage", "verdict"), [("Burn", Verdict.FAIL), ("Storage", Verdict.FAIL), ("CPUStress", Verdict.PASS)]
)
async def test_a_narrow_link_turns_the_pass_of_a_stage_that_loads_it_into_a_fail(
    bench: Bench, stage: str, verdict: Verdict
) -> None:
    server(bench.root).now("0000:3b:00.0", "x2 g4")
    heard = bench.orchestrator
    heard.answers = {(stage, 1): over()}
    heard.claims_again(current_stage=stage)
    async with bench.running(stages(TinyStage(stage))):
        await heard.until(lambda: heard.results)
    outcome = heard.results[0].outcome
    assert outcome.verdict is verdict, outcome.reason
    assert ("2 of 4 lanes" in outcome.reason) is (verdict is Verdict.FAIL)
