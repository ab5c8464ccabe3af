"""What `nvidia-smi -q -x` says of each GPU, over the schemas v10 to v13. "N/A" is None: not observable is not healthy."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError

TOOL = "nvidia-smi"
NOTHING = frozenset(
    {"", "n/a", "[n/a]", "unknown error", "[unknown error]", "not supported", "[not supported]", "gpu is lost"}
)
# The hardware itself slowed down: too hot, or the supply of power asked for it.
BRAKES = frozenset({"hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown"})
# Reasons for a lowered clock that tell of heat or lack of power; the others are choices of software.
ALARMING = BRAKES | {"sw_thermal_slowdown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EccErrors:
    """Counts since the driver was loaded (volatile) or over the GPU's life (aggregate). None: not told."""

    corrected: int | None
    uncorrected: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemappedRows:
    corrected: int | None
    uncorrected: int | None
    pending: bool | None
    failure: bool | None
    used_up_banks: int | None = None  # banks of memory without a spare row left


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredPages:
    single_bit: int | None
    double_bit: int | None
    pending: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PcieLink:
    generation: int | None
    generation_max: int | None
    width: int | None
    width_max: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    bus: str  # as in the id attribute: 00000000:01:00.0
    name: str
    uuid: str | None
    serial: str | None
    vbios: str | None
    temperature_c: float | None
    temperature_slowdown_c: float | None
    temperature_shutdown_c: float | None
    memory_temperature_c: float | None
    power_w: float | None
    power_limit_w: float | None
    memory_total_bytes: int | None
    utilization_percent: float | None
    ecc_enabled: bool | None
    ecc_volatile: EccErrors
    ecc_aggregate: EccErrors
    remapped: RemappedRows
    retired: RetiredPages
    link: PcieLink
    throttled_by: frozenset[str] | None  # active reasons without their prefix; None: not told
    sm_clock_mhz: float | None
    recovery_action: str | None  # v13: "None", "Reset", "Reboot", "Drain P2P" …
    sram_worn: bool | None = None  # so many uncorrected errors of its SRAM that its maker calls it worn out (v12.4 on)
    lost: tuple[str, ...] = field(default=())  # fields that read "GPU is lost" or "Unknown Error"

    @property
    def brakes(self) -> frozenset[str]:
        return (self.throttled_by or frozenset()) & BRAKES

    @property
    def alarming_throttles(self) -> frozenset[str]:
        return (self.throttled_by or frozenset()) & ALARMING


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaSmi:
    driver: str | None
    cuda: str | None
    gpus: tuple[Gpu, ...]


def parse(text: str) -> NvidiaSmi:
    """stdout. Raises ParseError where it is not the XML of nvidia-smi (no driver, no device: it prints a sentence)."""
    if "<!ENTITY" in text:
        raise ParseError(TOOL, "its XML defines entities", text)
    try:
        root = ElementTree.fromstring(text.strip())
    except (ElementTree.ParseError, ValueError, RecursionError) as why:
        raise ParseError(TOOL, f"not XML ({why})", text) from None
    if root.tag != "nvidia_smi_log":
        raise ParseError(TOOL, f"its XML is a {root.tag[:40]}, not an nvidia_smi_log", text)
    return NvidiaSmi(
        driver=_text(root, "driver_version"),
        cuda=_text(root, "cuda_version"),
        gpus=tuple(_gpu(each) for each in root.findall("gpu")),
    )


def _text(node: ElementTree.Element, *paths: str) -> str | None:
    """The first of these paths that says something."""
    for path in paths:
        value = (node.findtext(path) or "").strip()
        if value.lower() not in NOTHING:
            return value
    return None


def _number(node: ElementTree.Element, *paths: str) -> float | None:
    """ "40 C", "67.03 W", "16x", "1410 MHz"."""
    value = _text(node, *paths)
    match = re.match(r"-?\d{1,12}(?:\.\d{1,6})?", value or "")
    if value is not None and not match:
        raise ParseError(TOOL, f"{paths[0]} is not a number", value)
    return float(match[0]) if match else None


def _whole(node: ElementTree.Element, *paths: str) -> int | None:
    value = _number(node, *paths)
    return None if value is None else int(value)


def _yes(node: ElementTree.Element, *paths: str) -> bool | None:
    value = _text(node, *paths)
    if value is None:
        return None
    if value.lower() in ("yes", "pending", "enabled", "active"):
        return True
    if value.lower() in ("no", "disabled", "not active"):
        return False
    raise ParseError(TOOL, f"{paths[0]} is neither yes nor no", value)


def _gpu(node: ElementTree.Element) -> Gpu:
    memory = _number(node, "fb_memory_usage/total")
    return Gpu(
        bus=(node.get("id") or _text(node, "pci/pci_bus_id") or "").strip(),
        name=_text(node, "product_name") or "",
        uuid=_text(node, "uuid"),
        serial=_serial(node),
        vbios=_text(node, "vbios_version"),
        temperature_c=_number(node, "temperature/gpu_temp"),
        temperature_slowdown_c=_number(node, "temperature/gpu_temp_slow_threshold"),
        temperature_shutdown_c=_number(node, "temperature/gpu_temp_max_threshold"),
        memory_temperature_c=_number(node, "temperature/memory_temp"),
        power_w=_number(
            node,
            "gpu_power_readings/instant_power_draw",
            "gpu_power_readings/power_draw",
            "gpu_power_readings/average_power_draw",
            "power_readings/power_draw",
        ),
        power_limit_w=_number(
            node,
            "gpu_power_readings/current_power_limit",
            "power_readings/enforced_power_limit",
            "power_readings/power_limit",
        ),
        memory_total_bytes=None if memory is None else int(memory) * 2**20,
        utilization_percent=_number(node, "utilization/gpu_util"),
        ecc_enabled=_yes(node, "ecc_mode/current_ecc"),
        ecc_volatile=_ecc(node, "ecc_errors/volatile"),
        ecc_aggregate=_ecc(node, "ecc_errors/aggregate"),
        remapped=RemappedRows(
            corrected=_whole(node, "remapped_rows/remapped_row_corr"),
            uncorrected=_whole(node, "remapped_rows/remapped_row_unc"),
            pending=_yes(node, "remapped_rows/remapped_row_pending"),
            failure=_yes(node, "remapped_rows/remapped_row_failure"),
            used_up_banks=_whole(node, "remapped_rows/row_remapper_histogram/row_remapper_histogram_none"),
        ),
        retired=RetiredPages(
            single_bit=_whole(node, "retired_pages/multiple_single_bit_retirement/retired_count"),
            double_bit=_whole(node, "retired_pages/double_bit_retirement/retired_count"),
            pending=_yes(node, "retired_pages/pending_retirement", "retired_pages/pending_blacklist"),
        ),
        link=PcieLink(
            generation=_whole(node, "pci/pci_gpu_link_info/pcie_gen/current_link_gen"),
            generation_max=_whole(node, "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
            width=_whole(node, "pci/pci_gpu_link_info/link_widths/current_link_width"),
            width_max=_whole(node, "pci/pci_gpu_link_info/link_widths/max_link_width"),
        ),
        throttled_by=_throttles(node),
        sm_clock_mhz=_number(node, "clocks/sm_clock"),
        recovery_action=_text(node, "gpu_recovery_action"),
        sram_worn=_yes(node, "ecc_errors/aggregate/sram_threshold_exceeded"),
        lost=tuple(
            each.tag for each in node.iter() if (each.text or "").strip().lower() in ("gpu is lost", "unknown error")
        )[:50],
    )


def _serial(node: ElementTree.Element) -> str | None:
    """Boards without one answer with noughts."""
    value = _text(node, "serial")
    return value if value and value.strip("0") else None


def _ecc(node: ElementTree.Element, under: str) -> EccErrors:
    """v10: single and double bit totals; v11: SRAM and DRAM; v12.4 on: SRAM split into parity and SEC-DED."""

    def total(*paths: str) -> int | None:
        known = [value for path in paths if (value := _whole(node, f"{under}/{path}")) is not None]
        return sum(known) if known else None

    return EccErrors(
        corrected=total("single_bit/total", "sram_correctable", "dram_correctable"),
        uncorrected=total(
            "double_bit/total",
            "sram_uncorrectable",
            "sram_uncorrectable_parity",
            "sram_uncorrectable_secded",
            "dram_uncorrectable",
        ),
    )


def _throttles(node: ElementTree.Element) -> frozenset[str] | None:
    for kind in ("clocks_event_reason", "clocks_throttle_reason"):
        reasons = node.find(f"{kind}s")
        if reasons is not None:
            active = (each.tag for each in reasons if (each.text or "").strip() == "Active")
            return frozenset(tag.removeprefix(f"{kind}_") for tag in active)
    return None
