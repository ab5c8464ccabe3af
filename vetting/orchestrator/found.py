"""What a host was last found to consist of: the newest inventory and firmware snapshot of its runs. Inside `Store.read`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vetting.domain.inventory import FirmwareItem, Inventory
from vetting.domain.naming import known
from vetting.orchestrator.moves import inventory_of
from vetting.store import firmware, measurements, runs
from vetting.store.rows import RunRow

MIB = 1024**2
LOOKED_AT = 20  # newest runs; a host that was not seen whole in so many is as one that never was


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`run_id`, `at`: of the run that found it, and when that began."""

    run_id: int
    at: float
    inventory: Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFound:
    run_id: int
    at: float
    items: tuple[FirmwareItem, ...]


def last_inventory(host_id: int) -> Found | None:
    """None where no run of it came past its Inventory."""
    for run in newest(host_id):
        if (inventory := inventory_of(run.id)) is not None:
            return Found(run_id=run.id, at=run.created_at, inventory=inventory)
    return None


def last_firmware(host_id: int) -> FirmwareFound | None:
    """None where no run of it took its firmware down."""
    for run in newest(host_id):
        if items := firmware.firmware_of(run.id):
            return FirmwareFound(run_id=run.id, at=run.created_at, items=items)
    return None


_SURFACE = re.compile(r"disk\..+\.surface\.(?:write|verify)\.1\.mean")


def surface_rates(host_id: int) -> dict[str, float]:
    """Serial as compared -> bytes a second at which the newest run that scanned the disk wrote or read it, the slower of both."""
    rates: dict[str, float] = {}
    for run in newest(host_id):
        of_run: dict[str, float] = {}
        for row in measurements.measurements_of(run.id, stage="Storage"):
            serial = known(row.component.partition(":")[2])
            if serial and _SURFACE.fullmatch(row.series) and row.value > 0:
                of_run[serial] = min(row.value * MIB, of_run.get(serial, row.value * MIB))
        rates = {**of_run, **rates}
    return rates


def newest(host_id: int) -> Sequence[RunRow]:
    return runs.listing(host_id=host_id, limit=LOOKED_AT)
