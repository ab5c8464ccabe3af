"""Which sensors this host can read: the kernel's hardware monitors, and the BMC's own where there is a BMC.

The BMC's temperatures are left out: nobody reads them all the time, and a sensor in the inventory is one that is expected
to speak in every stage.
"""

from __future__ import annotations

from collections.abc import Iterable

from vetting.domain.inventory import Sensor
from vetting.parsers import hwmon, ipmitool
from vetting.parsers.hwmon import slug
from vetting.parsers.ipmitool import SensorReading
from vetting.stages.base import Deps
from vetting.stages.probes.asking import ask, text_of

BMC = "bmc"
BMC_DEVICES = ("/dev/ipmi*", "/dev/ipmi/*", "/dev/ipmidev/*")
SDR = ("ipmitool", "sdr", "elist")
SDR_LIMIT_S = 120.0  # a slow BMC with two hundred sensors takes half a minute
FAMILIES = {"Volts": ("volt", "V"), "Watts": ("power", "W"), "RPM": ("fan", "RPM"), "Amps": ("curr", "A")}


def hwmon_sensors(deps: Deps) -> tuple[Sensor, ...]:
    paths = (path for pattern in hwmon.PATTERNS for path in deps.glob(pattern))
    texts = {path: text for path in paths if (text := text_of(deps, path)) is not None}
    return hwmon.discover(texts)


def has_bmc_device(deps: Deps) -> bool:
    return any(deps.glob(pattern) for pattern in BMC_DEVICES)


async def bmc_readings(deps: Deps, keep: str = "") -> tuple[SensorReading, ...]:
    """Every sensor of the BMC now. Raises ToolMissing, Unread."""
    return await ask(deps, SDR, ipmitool.parse_sdr, limit_s=SDR_LIMIT_S, keep=keep)


def bmc_values(readings: Iterable[SensorReading]) -> list[tuple[Sensor, float]]:
    """The readings that are numbers of a kind that we follow; a name that comes twice gets its entity behind it."""
    found: dict[str, tuple[Sensor, float]] = {}
    for each in readings:
        family = FAMILIES.get(each.unit or "")
        if family is None or each.value is None or each.status == "ns":
            continue
        series = f"{family[0]}.{BMC}.{slug(each.name) or slug(each.number)}"
        if series in found:
            series += f"-{slug(each.entity)}"
        found.setdefault(series, (Sensor(series=series, unit=family[1], source=BMC), each.value))
    return list(found.values())
