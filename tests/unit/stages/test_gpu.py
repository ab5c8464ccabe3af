"""GPU: skipped only where there is none; else loaded, watched and compared, with a cell for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.metal import AMD, ASPEED, NVIDIA, pci
from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import RELEASES, recorded, tool_text
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, FoundGpu, Inventory
from vetting.domain.outcome import Outcome, Severity, Verdict
from vetting.domain.profiles import QUICK
from vetting.stages.gpu import Gpu

UUID = "GPU-9a9a6c50-2a47-2f51-a902-b82c3b127e94"
SECOND = ("0000:02:00.0", *NVIDIA[1:])


def inventory(*gpus: FoundGpu) -> Inventory:
    cpu = FoundCpu(model="", sockets=1, cores=1, threads=1)
    return Inventory(identity=Identity(), cpu=cpu, memory_bytes=1, gpus=gpus)


def world(
    *tools: Says, rows: tuple[Any, ...] = (ASPEED, NVIDIA), found: Inventory | None = None, **files: str
) -> ScriptedDeps:
    there: dict[str, Text] = {f"/sys/bus/pci/devices/{row[0]}/vendor": "0x10de" for row in rows}
    there |= {f"/sys/bus/pci/devices/{path}": text for path, text in files.items()}
    bus = Says("lspci", stdout=pci(*rows))
    return ScriptedDeps(job(profile=QUICK, inventory=found), [bus, *tools], there)


@pytest.fixture
def a10g(corpus: Path) -> str:
    """One A10G with ECC, moved to the slot of the scripted bus."""
    text = (corpus / "nvidia-smi" / "a10g.xml").read_text()
    return text.replace("00000000:00:1E.0", "00000000:01:00.0")


def with_(xml: str, **values: str) -> str:
    """The first element of each of these names gets this text."""
    for name, value in values.items():
        xml, count = re.subn(rf"(<{name}>)[^<]*(</{name}>)", rf"\g<1>{value}\g<2>", xml, count=1)
        assert count == 1, name
    return xml


def busy(xml: str, **values: str) -> str:
    return with_(xml, gpu_util="100 %", gpu_temp="64 C", **values)


def smi(before: str, during: str, after: str, looks: int = 24) -> list[Says]:
    """nvidia-smi before, every five seconds of the 120 that a load lasts, and after."""
    return [
        Says("nvidia-smi", stdout=before, times=1),
        Says("nvidia-smi", stdout=during, times=looks - 1),
        Says("nvidia-smi", stdout=after),
    ]


def burn(*verdicts: str, errors: str = "0", elapsed_s: float = 121.0, exit_code: int = 0) -> Says:
    """As gpu-burn ends."""
    told = "".join(f"\tGPU {place}: {verdict}\n" for place, verdict in enumerate(verdicts))
    progress = f"100.0%  proc'd: 4321 (15300 Gflop/s)   errors: {errors}   temps: 64 C \n"
    tested = f"Tested {len(verdicts)} GPUs:\n{told}" if verdicts else ""
    return Says(
        "gpu_burn", stdout=f"Burning for 120 seconds.\n{progress}{tested}", elapsed_s=elapsed_s, exit_code=exit_code
    )


async def vet(deps: ScriptedDeps) -> Outcome:
    return await Gpu().run(deps)


# --- hosts without one -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
async def test_a_host_without_a_gpu_is_skipped(release: str) -> None:
    bus = Says("lspci", stdout=tool_text(release, "lspci/machine"))
    outcome = await vet(ScriptedDeps(job(), [bus], {"/sys/bus/pci/devices/0000:00:03.0/vendor": "0x1af4"}))
    assert (outcome.verdict, outcome.reason) == (Verdict.SKIP, "no GPU in this host")


async def test_the_graphics_of_a_bmc_are_no_gpu() -> None:
    assert (await vet(world(rows=(ASPEED,)))).verdict is Verdict.SKIP


async def test_a_machine_without_a_pci_bus_is_skipped() -> None:
    assert (await vet(ScriptedDeps(job()))).verdict is Verdict.SKIP


async def test_without_lspci_nobody_knows_so_it_is_no_skip() -> None:
    deps = world()
    deps.tools.clear()
    with pytest.raises(ToolMissing, match="lspci"):
        await vet(deps)


async def test_an_lspci_that_leaves_the_gpu_out_is_an_error() -> None:
    deps = world()
    deps.tools[0].stdout = pci(ASPEED)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "leaves out" in outcome.reason


# --- hosts with one that cannot be tested ------------------------------------------------------------------------------


async def test_an_nvidia_gpu_without_nvidia_smi_is_told_as_a_missing_tool() -> None:
    with pytest.raises(ToolMissing, match="nvidia-smi"):
        await vet(world())


async def test_a_gpu_of_another_maker_is_an_error_and_named() -> None:
    outcome = await vet(world(rows=(ASPEED, AMD)))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.cells[0].component == "gpu:0000:41:00.0"
    assert "no tool here" in outcome.reason
    assert "MI210" in outcome.reason


async def test_a_driver_that_talks_to_no_gpu_is_an_error() -> None:
    said = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    assert (await vet(world(Says("nvidia-smi", stdout=said, exit_code=9)))).verdict is Verdict.ERROR


async def test_a_gpu_that_the_driver_does_not_show_is_an_error(a10g: str) -> None:
    deps = world(*smi(a10g, busy(a10g), a10g), burn("OK", "OK"), rows=(NVIDIA, SECOND))
    cells = {cell.component: cell for cell in (await vet(deps)).cells}
    assert cells["gpu:0000:02:00.0"].verdict is Verdict.ERROR
    assert cells[f"gpu:{UUID}"].verdict is Verdict.PASS


async def test_a_gpu_that_left_the_bus_since_inventory_fails_the_host() -> None:
    gone = FoundGpu(name="A10G", uuid=UUID, pci="0000:01:00.0")
    outcome = await vet(world(rows=(ASPEED,), found=inventory(gone)))
    assert outcome.verdict is Verdict.FAIL
    assert outcome.cells[0].component == f"gpu:{UUID}"


async def test_without_any_load_there_is_no_pass(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, a10g, a10g, looks=1)))
    assert outcome.verdict is Verdict.ERROR
    assert "no load tool" in outcome.reason


# --- under load --------------------------------------------------------------------------------------------------------


async def test_a_gpu_that_computes_right_and_stays_clean_passes_with_its_seconds(a10g: str) -> None:
    deps = world(*smi(a10g, busy(a10g), a10g), burn("OK"))
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    (cell,) = outcome.cells
    assert (cell.component, cell.reason) == (f"gpu:{UUID}", "")
    assert [(work.what, work.done >= 118, work.of, work.unit) for work in cell.work] == [
        ("GPUs under load", True, 120, "s")
    ]
    assert any(series.endswith(".temperature") and value == 64.0 for series, value, _ in deps.samples)
    assert {counter.name: counter.delta for counter in outcome.counters}["ecc_uncorrected"] == 0
    call = next(call for call in deps.calls if call.argv[0] == "gpu_burn")
    assert (call.heavy, call.env) == (True, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})


async def test_a_faulty_gpu_fails_though_gpu_burn_ends_with_0(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, busy(a10g), a10g), burn("FAULTY", errors="12")))
    assert outcome.verdict is Verdict.FAIL
    assert "FAULTY" in outcome.reason


async def test_wrong_results_on_the_way_fail_a_gpu_that_ends_ok(a10g: str) -> None:
    assert (await vet(world(*smi(a10g, busy(a10g), a10g), burn("OK", errors="3")))).verdict is Verdict.FAIL


async def test_verdicts_go_to_the_gpu_they_are_about(a10g: str) -> None:
    head, _, rest = a10g.partition("<gpu ")
    gpu, _, tail = rest.partition("</gpu>")
    other = gpu.replace("00000000:01:00.0", "00000000:02:00.0").replace(UUID, "GPU-two")
    two = f"{head}<gpu {gpu}</gpu><gpu {other}</gpu>{tail}"
    both = two.replace("<gpu_util>0 %", "<gpu_util>99 %")
    deps = world(*smi(two, both, two), burn("OK", "FAULTY", errors="0 - 7 "), rows=(NVIDIA, SECOND))
    cells = {cell.component: cell.verdict for cell in (await vet(deps)).cells}
    assert cells == {f"gpu:{UUID}": Verdict.PASS, "gpu:GPU-two": Verdict.FAIL}


@pytest.mark.parametrize(
    "load",
    [
        burn("OK", elapsed_s=4),
        burn(),
        burn("OK", exit_code=1),
        Says("gpu_burn", stdout="", elapsed_s=120),
        Says(
            "gpu_burn",
            stdout="Couldn't init a GPU test: Error in ...\n100.0%  proc'd: 0   errors: 0  (DIED!)  temps: --",
            elapsed_s=9,
        ),
        Says("gpu_burn", elapsed_s=9999),
    ],
    ids=["too short", "no verdict", "status 1", "silent", "died", "hangs"],
)
async def test_a_load_that_was_not_carried_out_is_no_pass(a10g: str, load: Says) -> None:
    outcome = await vet(world(*smi(a10g, busy(a10g), a10g), load))
    assert outcome.verdict is Verdict.ERROR


async def test_a_load_that_never_reached_the_gpu_is_an_error(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, with_(a10g, gpu_util="3 %"), a10g), burn("OK")))
    assert outcome.verdict is Verdict.ERROR
    assert "did not reach it" in outcome.reason


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("remapped_row_pending", "Yes", "remap is pending"),
        ("remapped_row_failure", "Yes", "could not be remapped"),
        ("remapped_row_unc", "1", "rows remapped uncorrected grew from 0 to 1"),
        ("dram_uncorrectable", "2", "ecc uncorrected grew from 0 to 2"),
        ("sram_correctable", "11", "ecc corrected grew from 0 to 11"),
        ("gpu_temp", "GPU is lost", "it is lost"),
    ],
)
async def test_what_the_gpu_says_after_the_load_condemns_it(a10g: str, name: str, value: str, words: str) -> None:
    outcome = await vet(world(*smi(a10g, busy(a10g), with_(a10g, **{name: value})), burn("OK")))
    assert outcome.verdict is Verdict.FAIL
    assert words in outcome.reason


async def test_a_corrected_error_now_and_then_is_told_and_condemns_nobody(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, busy(a10g), with_(a10g, sram_correctable="10")), burn("OK")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("ecc corrected grew from 0 to 10, 10 are tolerated" in finding.text for finding in outcome.findings)


@pytest.mark.parametrize("reason", ["hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown"])
async def test_a_gpu_that_its_hardware_slows_down_under_load_fails(a10g: str, reason: str) -> None:
    slow = busy(a10g, **{f"clocks_throttle_reason_{reason}": "Active"})
    outcome = await vet(world(*smi(a10g, slow, a10g), burn("OK")))
    assert outcome.verdict is Verdict.FAIL
    assert "its hardware slowed it down in" in outcome.reason and reason in outcome.reason


async def test_a_moment_of_slowing_down_and_one_by_software_are_told(a10g: str) -> None:
    slow = busy(a10g, clocks_throttle_reason_hw_slowdown="Active")
    tools = smi(a10g, busy(a10g), a10g)
    outcome = await vet(world(tools[0], Says("nvidia-smi", stdout=slow, times=1), *tools[1:], burn("OK")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("its clock was lowered under load: hw_slowdown" in finding.text for finding in outcome.findings)
    warm = busy(a10g, clocks_throttle_reason_sw_thermal_slowdown="Active")
    assert (await vet(world(*smi(a10g, warm, a10g), burn("OK")))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"current_ecc": "Disabled"}, "its ECC is switched off"),
        ({"row_remapper_histogram_none": "2 bank(s)"}, "2 banks of its memory have no spare row left"),
        ({"remapped_row_unc": "3"}, "3 rows of its memory were replaced"),
        ({"dram_uncorrectable": "1"}, "1 uncorrected memory errors since its driver was loaded"),
    ],
)
async def test_what_a_gpu_carries_from_before_is_told(a10g: str, values: dict[str, str], words: str) -> None:
    old = with_(a10g, **values)
    outcome = await vet(world(*smi(old, busy(old), old), burn("OK")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any(words in finding.text and finding.severity is Severity.WARNING for finding in outcome.findings)


async def test_a_gpu_that_its_maker_takes_back_fails(a10g: str) -> None:
    worn = a10g.replace("</aggregate>", "<sram_threshold_exceeded>Yes</sram_threshold_exceeded></aggregate>", 1)
    assert "its maker allows" in (await vet(world(*smi(worn, busy(worn), worn), burn("OK")))).reason
    pages = a10g.replace("<retired_count>N/A</retired_count>", "<retired_count>30</retired_count>")
    outcome = await vet(world(*smi(pages, busy(pages), pages), burn("OK")))
    assert outcome.verdict is Verdict.FAIL and "60 pages of its memory are retired" in outcome.reason


# What a person would say of each recorded GPU after a load that it survived, and which words stand beside it.
RECORDED_GPUS = {
    "a100-sxm4-v12.xml": (Verdict.PASS, ""),
    "a10g.xml": (
        Verdict.PASS,
        "its PCIe link ran 8 of 16 lanes wide under load",
    ),  # in a cloud's slot: the port is asked too
    "gtx-1070-ti.xml": (Verdict.PASS, ""),
    "gtx-1660-ti.xml": (Verdict.PASS, "its PCIe link ran at generation 1 of 3 under load"),
    "quadro-p400.xml": (Verdict.PASS, "its PCIe link ran at generation 1 of 3 under load"),
    "rtx-3060-v12.xml": (Verdict.PASS, "its PCIe link ran at generation 1 of 4 under load"),
    "rtx-3080-v12.xml": (Verdict.PASS, ""),
    "rtx-3080-v13.xml": (Verdict.PASS, ""),
}


@pytest.mark.parametrize("name", RECORDED_GPUS)
async def test_every_recorded_gpu_gets_the_verdict_that_a_person_would_give(corpus: Path, name: str) -> None:
    xml = re.sub(r'<gpu id="[^"]*"', '<gpu id="00000000:01:00.0"', (corpus / "nvidia-smi" / name).read_text(), count=1)
    loaded = re.sub(r"<gpu_util>[^<]*<", "<gpu_util>100 %<", xml)
    outcome = await vet(world(*smi(xml, loaded, xml), burn("OK")))
    verdict, words = RECORDED_GPUS[name]
    assert outcome.verdict is verdict, outcome.reason
    told = [finding.text for finding in outcome.findings]
    assert any(words in text for text in told) if words else told == []


async def test_a_remap_that_was_pending_before_condemns_it_too(a10g: str) -> None:
    bad = with_(a10g, remapped_row_pending="Yes")
    assert (await vet(world(*smi(bad, busy(bad), bad), burn("OK")))).verdict is Verdict.FAIL


async def test_errors_of_an_earlier_life_are_told_and_condemn_nobody(a10g: str) -> None:
    head, _, aggregate = a10g.partition("<aggregate>")
    old = head + "<aggregate>" + with_(aggregate, dram_uncorrectable="4")
    outcome = await vet(world(*smi(old, busy(old), old), burn("OK")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("4 uncorrected memory errors in its life" in finding.text for finding in outcome.findings)
    assert {finding.severity for finding in outcome.findings} == {Severity.WARNING}


async def test_a_gpu_over_its_limit_fails(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, with_(a10g, gpu_util="100 %", gpu_temp="95 C"), a10g), burn("OK")))
    assert outcome.verdict is Verdict.FAIL
    assert "it reached 95 C, limit 90 C" in outcome.reason


async def test_a_temperature_that_was_never_told_is_an_error(a10g: str) -> None:
    mute = with_(a10g, gpu_temp="N/A")
    outcome = await vet(world(*smi(mute, with_(mute, gpu_util="100 %"), mute), burn("OK")))
    assert outcome.verdict is Verdict.ERROR
    assert "temperature was never told" in outcome.reason


async def test_counts_that_can_no_longer_be_read_are_an_error(a10g: str) -> None:
    outcome = await vet(world(*smi(a10g, busy(a10g), with_(a10g, remapped_row_unc="N/A")), burn("OK")))
    assert outcome.verdict is Verdict.ERROR
    assert "can no longer be read" in outcome.reason


async def test_nvidia_smi_that_dies_after_the_load_is_an_error(a10g: str) -> None:
    tools = smi(a10g, busy(a10g), a10g)
    tools[-1] = Says("nvidia-smi", exit_code=255)
    assert (await vet(world(*tools, burn("OK")))).verdict is Verdict.ERROR


async def test_a_gpu_without_ecc_says_that_memory_errors_are_not_observable(corpus: Path) -> None:
    xml = (corpus / "nvidia-smi" / "gtx-1070-ti.xml").read_text()
    outcome = await vet(world(*smi(xml, busy(xml), xml), burn("OK")))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert "not observable" in outcome.cells[0].reason


async def test_stress_ng_that_cannot_drive_the_gpu_is_no_load(a10g: str) -> None:
    said = recorded("debian12", "cpu")[1]
    render: dict[str, Any] = {"0000:01:00.0/drm/renderD128/dev": "226:128"}
    deps = world(*smi(a10g, a10g, a10g, looks=1), Says("stress-ng", stderr=said, elapsed_s=120), **render)
    outcome = await vet(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "no load tool" in outcome.reason
    assert deps.argvs("stress-ng")[0][3:5] == ("--gpu-devnode", "/dev/dri/renderD128")


def test_a_host_without_gpus_plans_no_time_and_one_with_plans_the_load() -> None:
    assert Gpu().planned_s(job(inventory=inventory())) == 0
    assert Gpu().planned_s(job(profile=QUICK, inventory=inventory(FoundGpu(name="A10G")))) == 120
    assert Gpu().limit_s(job(profile=QUICK)) > 120
