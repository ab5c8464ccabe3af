"""nvidia-smi on eight recorded GPUs of four schemas, and gpu-burn, which only its text can be believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting.parsers import ParseError, gpu_burn, nvidia_smi
from vetting.parsers.nvidia_smi import EccErrors, Gpu

# file: (name, driver, vbios, serial, temperature, power, ECC on, link generation and width now, most)
GPUS = {
    "a100-sxm4-v12.xml": ("NVIDIA A100-SXM4-80GB", "535.54.03", "92.00.36.00.02", "1650522003820", 27, 67.03, True, (4, 16, 4, 16)),
    "a10g.xml": ("NVIDIA A10G", "515.105.01", "94.02.75.00.01", None, 17, 25.58, True, (1, 8, 4, 16)),
    "gtx-1070-ti.xml": ("GeForce GTX 1070 Ti", None, None, None, 39, None, None, (1, 16, None, None)),
    "gtx-1660-ti.xml": ("Graphics Device", "418.43", "90.16.25.00.4C", None, 40, 8.93, None, (1, 16, 3, 16)),
    "quadro-p400.xml": ("Quadro P400", "418.43", "86.07.3B.00.4A", "0424418054852", 33, None, None, (1, 16, 3, 16)),
    "rtx-3060-v12.xml": ("NVIDIA GeForce RTX 3060", "570.124.04", "94.04.71.00.69", None, 42, 11.63, None, (1, 16, 4, 16)),
    "rtx-3080-v12.xml": ("NVIDIA GeForce RTX 3080", "536.40", "94.02.71.40.72", None, 31, 22.78, None, (4, 16, 4, 16)),
    "rtx-3080-v13.xml": ("NVIDIA GeForce RTX 3080", "595.58.03", "94.02.71.40.72", "REDACTED", 27, 142.33, None, (4, 16, 4, 16)),
}  # fmt: skip


@pytest.mark.parametrize("file", GPUS)
def test_a_gpu_of_every_schema(corpus: Path, file: str) -> None:
    said = nvidia_smi.parse((corpus / "nvidia-smi" / file).read_text())
    (gpu,) = said.gpus
    name, driver, vbios, serial, temperature, power, ecc, link = GPUS[file]
    assert (gpu.name, said.driver, gpu.vbios, gpu.serial) == (name, driver, vbios, serial)
    assert (gpu.temperature_c, gpu.power_w, gpu.ecc_enabled) == (temperature, power, ecc)
    assert (gpu.link.generation, gpu.link.width, gpu.link.generation_max, gpu.link.width_max) == link
    assert gpu.uuid is not None and gpu.uuid.startswith("GPU-")
    assert gpu.alarming_throttles == frozenset() and gpu.lost == ()


def test_a_gpu_without_ecc_has_no_counts_rather_than_noughts(corpus: Path) -> None:
    (with_ecc,) = nvidia_smi.parse((corpus / "nvidia-smi" / "a10g.xml").read_text()).gpus
    (without,) = nvidia_smi.parse((corpus / "nvidia-smi" / "rtx-3060-v12.xml").read_text()).gpus
    assert with_ecc.ecc_volatile == with_ecc.ecc_aggregate == EccErrors(corrected=0, uncorrected=0)
    assert without.ecc_volatile == EccErrors(corrected=None, uncorrected=None)
    assert (with_ecc.remapped.pending, with_ecc.remapped.failure) == (False, False)
    assert without.remapped.failure is None


def gpu(*elements: str) -> Gpu:
    return nvidia_smi.parse(f"<nvidia_smi_log><gpu id='0'>{''.join(elements)}</gpu></nvidia_smi_log>").gpus[0]


def test_errors_of_every_schema_are_summed() -> None:
    """Constructed from the element names of each schema."""
    v10 = "<single_bit><total>2</total></single_bit><double_bit><total>1</total></double_bit>"
    v11 = "<sram_correctable>1</sram_correctable><sram_uncorrectable>2</sram_uncorrectable><dram_uncorrectable>3</dram_uncorrectable>"
    v12 = "<sram_uncorrectable_parity>1</sram_uncorrectable_parity><sram_uncorrectable_secded>4</sram_uncorrectable_secded>"
    counts = [gpu(f"<ecc_errors><volatile>{each}</volatile></ecc_errors>").ecc_volatile for each in (v10, v11, v12)]
    assert counts == [
        EccErrors(corrected=2, uncorrected=1),
        EccErrors(corrected=1, uncorrected=5),
        EccErrors(corrected=None, uncorrected=5),
    ]


def test_rows_pages_throttles_and_losses_are_told() -> None:
    """Constructed."""
    bad = gpu(
        "<remapped_rows><remapped_row_unc>1</remapped_row_unc><remapped_row_pending>Yes</remapped_row_pending>"
        "<remapped_row_failure>Yes</remapped_row_failure></remapped_rows>",
        "<retired_pages><double_bit_retirement><retired_count>3</retired_count></double_bit_retirement>"
        "<pending_retirement>Yes</pending_retirement></retired_pages>",
        "<clocks_event_reasons><clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown>"
        "<clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle></clocks_event_reasons>",
        "<temperature><gpu_temp>GPU is lost</gpu_temp></temperature>",
    )
    assert (bad.remapped.uncorrected, bad.remapped.pending, bad.remapped.failure) == (1, True, True)
    assert (bad.retired.double_bit, bad.retired.pending) == (3, True)
    assert bad.throttled_by == frozenset({"hw_thermal_slowdown", "gpu_idle"})
    assert bad.alarming_throttles == {"hw_thermal_slowdown"}
    assert bad.lost == ("gpu_temp",) and bad.temperature_c is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "No devices were found",
        "<html></html>",
        "<nvidia_smi_log><gpu>",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><nvidia_smi_log>&a;</nvidia_smi_log>',
        "<nvidia_smi_log><gpu><temperature><gpu_temp>warm</gpu_temp></temperature></gpu></nvidia_smi_log>",
        "<nvidia_smi_log><gpu><ecc_mode><current_ecc>perhaps</current_ecc></ecc_mode></gpu></nvidia_smi_log>",
    ],
)
def test_what_is_no_log_of_it_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        nvidia_smi.parse(text)


def test_a_driver_without_gpus_lists_none() -> None:
    assert nvidia_smi.parse("<nvidia_smi_log><attached_gpus>0</attached_gpus></nvidia_smi_log>").gpus == ()


BURN = """GPU 0: NVIDIA A10G (UUID: GPU-1)
GPU 1: NVIDIA A10G (UUID: GPU-2)
Initialized device 0 with 22731 MB of memory (22484 MB available, using 20236 MB of it), using FLOATS
\r50.0%  proc'd: 2680 (14021 Gflop/s) - 2680 (13998 Gflop/s)   errors: 0 - 0   temps: 55 C - 56 C \
\r100.0%  proc'd: 5360 (14021 Gflop/s) - 5360 (13998 Gflop/s)   errors: 0 - {errors}   temps: 61 C - 62 C
Killing processes with SIGTERM (soft kill)
done

Tested 2 GPUs:
\tGPU 0: OK
\tGPU 1: {verdict}
"""


def test_gpu_burn_is_judged_by_its_text() -> None:
    """Constructed after the print statements of gpu-burn."""
    good = gpu_burn.parse(BURN.format(errors="0", verdict="OK"))
    assert good.healthy == {0: True, 1: True} and good.complete and not good.died
    assert (good.errors, good.progress_percent) == ((0, 0), 100.0)
    bad = gpu_burn.parse(BURN.format(errors="17  (WARNING!)", verdict="FAULTY"))
    assert bad.healthy == {0: True, 1: False}
    assert bad.errors == (0, 17)


def test_a_burn_that_was_cut_off_is_not_complete() -> None:
    cut = gpu_burn.parse(BURN.format(errors="0", verdict="OK").partition("Killing")[0])
    assert not cut.complete and cut.healthy == {} and cut.progress_percent == 100.0


def test_a_gpu_missing_from_the_verdicts_is_not_complete() -> None:
    text = BURN.format(errors="0", verdict="OK").replace("\tGPU 1: OK\n", "")
    assert not gpu_burn.parse(text).complete


def test_a_worker_that_died_is_told() -> None:
    assert gpu_burn.parse(BURN.format(errors="1  (DIED!)", verdict="FAULTY")).died


@pytest.mark.parametrize("text", ["", "Couldn't init CUDA\n", "gpu_burn: command not found"])
def test_no_burn_at_all_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        gpu_burn.parse(text)


def test_the_names_of_the_recordings_are_all_covered(corpus: Path) -> None:
    assert {file.name for file in (corpus / "nvidia-smi").iterdir()} == set(GPUS)
