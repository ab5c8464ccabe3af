"""What a GPU's own words before, during and after a load amount to: rules over readings of nvidia-smi.

ECC counts are those since the driver was loaded: growth judges, a whole life's count informs. A row remap or page retirement
that is pending means that bad memory is still in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from vetting.domain.ambient import CORRECTED_LIMIT
from vetting.parsers.nvidia_smi import Gpu

# A corrected error now and then is what ECC is for, on a GPU as in a host's memory.
TOLERATED = {"ecc_corrected": CORRECTED_LIMIT}
PAGES_RETIRED = 60  # from so many on a GPU's maker takes it back (Dynamic Page Retirement, "RMA policy")
BRAKED_LOOKS, BRAKED_SHARE = 2, 0.5  # of the looks under load: a moment of it is told, more is no cooling or no power
BUSY_PERCENT = 50.0  # utilisation that a load must reach at least once; gpu-burn holds a GPU at 100


def counters(gpu: Gpu | None) -> dict[str, float]:
    """The counters that this GPU tells; one that it does not tell is absent."""
    if gpu is None:
        return {}
    values = {
        "ecc_corrected": gpu.ecc_volatile.corrected,
        "ecc_uncorrected": gpu.ecc_volatile.uncorrected,
        "rows_remapped_corrected": gpu.remapped.corrected,
        "rows_remapped_uncorrected": gpu.remapped.uncorrected,
        "pages_retired_single_bit": gpu.retired.single_bit,
        "pages_retired_double_bit": gpu.retired.double_bit,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def readings(gpu: Gpu) -> Iterator[tuple[str, float, str]]:
    """(name, value, unit) of what changes under load."""
    values = (
        ("temperature", gpu.temperature_c, "C"),
        ("memory_temperature", gpu.memory_temperature_c, "C"),
        ("power", gpu.power_w, "W"),
        ("utilization", gpu.utilization_percent, "%"),
        ("sm_clock", gpu.sm_clock_mhz, "MHz"),
    )
    for name, value, unit in values:
        if value is not None and isfinite(value):
            yield name, value, unit


def condemns(old: Gpu, new: Gpu | None, looks: Sequence[Gpu], max_temp_c: float) -> list[str]:
    """What accuses the GPU, in words; `looks` are all readings under load and after it."""
    wrong = list(_standing(new or old))
    was, now = counters(old), counters(new)
    wrong += [
        f"{name.replace('_', ' ')} grew from {was[name]:.0f} to {now[name]:.0f}"
        for name in now
        if name in was and now[name] - was[name] > TOLERATED.get(name, 0)
    ]
    temperatures = [told.temperature_c for told in looks if told.temperature_c is not None]
    braked = [told.brakes for told in looks if told.brakes]
    if len(braked) >= BRAKED_LOOKS and len(braked) >= BRAKED_SHARE * len(looks):
        reasons = ", ".join(sorted(frozenset().union(*braked)))
        wrong.append(f"its hardware slowed it down in {len(braked)} of {len(looks)} looks under load: {reasons}")
    hottest = max(temperatures, default=0.0)
    if temperatures and not (isfinite(hottest) and hottest <= max_temp_c):
        wrong.append(f"it reached {hottest:.0f} C, limit {max_temp_c:.0f} C")
    return wrong


def _standing(gpu: Gpu) -> Iterator[str]:
    if gpu.lost:
        yield f"it is lost: {', '.join(gpu.lost[:3])} cannot be read any more"
    if gpu.remapped.failure:
        yield "a row of its memory could not be remapped"
    if gpu.remapped.pending:
        yield "a row remap is pending: bad memory is in use until its next reset"
    if gpu.retired.pending:
        yield "a page retirement is pending: bad memory is in use until its next reset"
    if gpu.sram_worn:
        yield "its SRAM has had more uncorrected errors than its maker allows"
    if (pages := (gpu.retired.single_bit or 0) + (gpu.retired.double_bit or 0)) >= PAGES_RETIRED:
        yield f"{pages} pages of its memory are retired, at {PAGES_RETIRED} its maker takes it back"
    if gpu.recovery_action and gpu.recovery_action.lower() != "none":
        yield f"its driver asks for recovery: {gpu.recovery_action}"


def unknown(old: Gpu, new: Gpu | None, during: Sequence[Gpu], *, verified: bool) -> list[str]:
    """What had to be seen and was not. `verified`: the load compared its results, so that it surely ran."""
    missing = []
    if new is None:
        return ["it could not be asked after the load"]
    if lost := counters(old).keys() - counters(new).keys():
        missing.append(f"{', '.join(sorted(lost))} can no longer be read")
    if old.ecc_enabled and not {"ecc_corrected", "ecc_uncorrected"} <= counters(old).keys():
        missing.append("its ECC is on, but its error counts are not told")
    if not any(told.temperature_c is not None for told in during):
        missing.append("its temperature was never told during the load")
    busy = [told.utilization_percent for told in during if told.utilization_percent is not None]
    if not busy and not verified:  # a GPU that is shared out (MIG) never tells it
        missing.append("its utilisation was never told during the load, so nobody knows that it worked")
    elif busy and not max(busy) >= BUSY_PERCENT:
        missing.append(f"the load did not reach it: at most {max(busy):.0f} % utilised")
    return missing


def not_observable(gpu: Gpu) -> list[str]:
    if gpu.ecc_enabled:
        return []
    return [f"memory errors not observable: {'its ECC is off' if gpu.ecc_enabled is False else 'it has no ECC'}"]


def _of_old(gpu: Gpu) -> Iterator[str]:
    """What its counts said before the load."""
    if gpu.ecc_enabled is False:
        yield "its ECC is switched off, so nobody hears of its memory errors; nvidia-smi -e 1 and a reset switch it on"
    if life := gpu.ecc_aggregate.uncorrected:
        yield f"{life} uncorrected memory errors in its life"
    if since := gpu.ecc_volatile.uncorrected:
        yield f"{since} uncorrected memory errors since its driver was loaded"
    if rows := gpu.remapped.uncorrected:
        yield f"{rows} rows of its memory were replaced for uncorrected errors"
    if banks := gpu.remapped.used_up_banks:
        yield f"{banks} banks of its memory have no spare row left"
    if pages := (gpu.retired.single_bit or 0) + (gpu.retired.double_bit or 0):
        yield f"{pages} pages of its memory are retired"


def remarks(old: Gpu | None, during: Sequence[Gpu], new: Gpu | None = None) -> list[str]:
    """What a person should know and what condemns nobody."""
    said = list(_of_old(old)) if old else []
    was, now = counters(old), counters(new)
    for name, limit in TOLERATED.items():
        if name in was and name in now and 0 < now[name] - was[name] <= limit:
            said.append(f"{name.replace('_', ' ')} grew from {was[name]:.0f} to {now[name]:.0f}, {limit} are tolerated")
    throttled = sorted({reason for told in during for reason in told.alarming_throttles})
    if throttled:
        said.append(f"its clock was lowered under load: {', '.join(throttled)}")
    links = [told.link for told in during]
    widths = [link.width for link in links if link.width is not None]
    widest = max((link.width_max or 0 for link in links), default=0)
    if widths and max(widths) < widest:
        said.append(f"its PCIe link ran {max(widths)} of {widest} lanes wide under load")
    generations = [link.generation for link in links if link.generation is not None]
    newest = max((link.generation_max or 0 for link in links), default=0)
    if generations and max(generations) < newest:
        said.append(f"its PCIe link ran at generation {max(generations)} of {newest} under load")
    return said
