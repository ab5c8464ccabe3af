"""What was and was not tested: each part of the host in each stage, and the parts that nobody could or would test."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FoundDisk, Inventory
from vetting.domain.ledger import LOOPBACK, WHOLE, LedgerCell
from vetting.domain.limits import covers
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Cell, Verdict, Work
from vetting.domain.specdiff import find_disk
from vetting.domain.states import STAGE_ORDER
from vetting.orchestrator.records import REPORTING, Records
from vetting.report.model import Coverage, Mark, WorkShown
from vetting.report.text import disk_size, finite, percent, size

SENSORS = "Sensors"  # what stands in the stage's place where a sensor did not speak in any
LEFT_OUT = "left out by the profile"
WHOLE_NAMES = {  # of the one cell of a stage without components of its own
    "Inventory": "all parts, as the host tells them",
    "Firmware": "all firmware versions",
    "SpecValidate": "the host against its expected spec",
    "SMART": "all disks",
    "Storage": "all disks",
    "Network": "all network cards",
    "GPU": "graphics cards",
}
NO_PARTS = ("loop", "zram", "ram", "sr", "fd")  # kernel names of block devices that are no part of the host


def coverage(records: Records, series: Collection[str]) -> tuple[Coverage, ...]:
    """The whole table in the order of the stages. `series`: the names of all that ever arrived."""
    rows = [*_promised(records), *_beyond(records), *_left_out(records), *unasked(records), *_silent(records, series)]
    order = {name: number for number, name in enumerate((*STAGE_ORDER, SENSORS))}
    return tuple(sorted((row for row in rows if row.stage != REPORTING), key=lambda row: order.get(row.stage, 99)))


def _promised(records: Records) -> Iterator[Coverage]:
    for row in records.ledger:
        attempt = records.last.get(row.stage)
        if attempt is not None and row.component == WHOLE and _speaks_of_parts(records.cells_of(attempt)):
            continue  # they stand for themselves
        cell = (
            next((one for one in records.cells_of(attempt) if one.component == row.component), None)
            if attempt
            else None
        )
        mark, reason = Mark(row.verdict), row.reason
        if attempt is not None and records.verdict_of(attempt) is None:
            mark, reason = Mark.RUNNING, f"attempt {attempt.attempt} has not ended"
        elif mark is Mark.MISSING:
            reason = _why_missing(records, row)
        yield Coverage(
            stage=row.stage,
            component=row.component,
            name=WHOLE_NAMES.get(row.stage, "the host") if row.component == WHOLE else name_of(row.component, records),
            mark=mark,
            tested=mark in (Mark.PASS, Mark.FAIL),
            attempt=row.attempt,
            work=_work(cell),
            reason=reason,
        )


def _speaks_of_parts(cells: Collection[Cell]) -> bool:
    return bool(cells) and all(cell.component != WHOLE for cell in cells)


def _why_missing(records: Records, row: LedgerCell) -> str:
    attempt = records.last.get(row.stage)
    if attempt is None:
        return "this stage was never reached"
    ended = f"attempt {attempt.attempt} ended {attempt.verdict} without a result for it"
    return f"{ended}: {attempt.reason}" if attempt.reason and attempt.verdict is not Verdict.FAIL else ended


def _beyond(records: Records) -> Iterator[Coverage]:
    """What a stage reported although nobody had asked for it: shown, and of no weight."""
    promised = {(row.stage, row.component) for row in records.ledger}
    for stage, attempt in records.last.items():
        for cell in records.cells_of(attempt):
            if (stage, cell.component) not in promised:
                yield Coverage(
                    stage=stage,
                    component=cell.component,
                    name=name_of(cell.component, records),
                    mark=Mark(cell.verdict),
                    tested=cell.verdict in (Verdict.PASS, Verdict.FAIL),
                    attempt=attempt.attempt,
                    work=_work(cell),
                    reason=cell.reason,
                )


def _left_out(records: Records) -> Iterator[Coverage]:
    for stage in records.run.profile.drop:
        yield _untested(stage, WHOLE, WHOLE_NAMES.get(stage, "the host"), LEFT_OUT)


def unasked(records: Records) -> Iterator[Coverage]:
    """Parts that were found and that no stage was asked to test."""
    inventory = records.inventory
    if inventory is None:
        return
    for disk in unexpected_disks(records):
        name = f"disk {disk.serial or disk.name} ({_model(disk)})"
        yield _untested(
            "Storage", f"disk:{disk.serial or disk.name}", name, "found, and not in the host's expected spec"
        )
    for nic in inventory.nics:
        if nic.physical and nic.link is not True:
            why = "no link" if nic.link is False else "its link could not be read"
            yield _untested("Network", f"nic:{nic.mac}", name_of(f"nic:{nic.mac}", records), why)
    for what, why in inventory.unreadable.items():
        yield _untested("Inventory", what, what, f"could not be read: {why}")


def unexpected_disks(records: Records) -> tuple[FoundDisk, ...]:
    """Disks that were found and stand in no expected spec."""
    inventory = records.inventory
    if inventory is None:
        return ()
    expected = [found for disk in records.run.expected_disks if (found := find_disk(disk, inventory.disks)) is not None]
    return tuple(disk for disk in inventory.disks if disk not in expected and not disk.name.startswith(NO_PARTS))


def _silent(records: Records, series: Collection[str]) -> Iterator[Coverage]:
    """Sensors that never spoke: limits on nothing, and sensors that Inventory found."""
    if "Inventory" not in records.last:
        return
    for row in records.thresholds:
        if not any(covers(row, name) for name in series):
            limit = f"limit {row.op} {row.limit:g} could not be watched"
            yield _untested(SENSORS, f"series:{row.series}", f"series {row.series}", f"not observable, {limit}")
    for sensor in records.inventory.sensors if records.inventory else ():
        if sensor.series not in series:
            name = f"sensor {sensor.series} ({sensor.source})"
            yield _untested(SENSORS, f"series:{sensor.series}", name, "found by Inventory and never heard")


def _untested(stage: str, component: str, name: str, reason: str) -> Coverage:
    return Coverage(
        stage=stage, component=component, name=name, mark=Mark.MISSING, tested=False, attempt=0, work=(), reason=reason
    )


def _work(cell: Cell | None) -> tuple[WorkShown, ...]:
    return tuple(map(_work_shown, cell.work)) if cell else ()


def _work_shown(work: Work) -> WorkShown:
    done, of = finite(work.done), finite(work.of)
    return WorkShown(what=work.what, done=done, of=of, unit=work.unit, percent=percent(done, of))


def name_of(component: str, records: Records) -> str:
    """What a person would call a component: with model and size where Inventory knows them."""
    inventory = records.inventory
    kind, _, identity = component.partition(":")
    match kind:
        case "disk" if identity:
            return _disk_name(identity, records.run.expected_disks, inventory)
        case "nic" if component == LOOPBACK:
            return "loopback (no network card is between host and orchestrator)"
        case "nic" if inventory and identity:
            found = next((nic for nic in inventory.nics if mac_of(nic.mac) == mac_of(identity)), None)
            return f"network card {found.name} ({identity})" if found else component
        case "gpu" if inventory and identity:
            gpu = next((one for one in inventory.gpus if identity in (one.uuid, one.pci)), None)
            return f"GPU {gpu.name} ({identity})" if gpu else component
        case "cpu" if not identity:
            return f"processor ({inventory.cpu.model}, {inventory.cpu.threads} threads)" if inventory else "processor"
        case "memory":
            return f"memory ({size(inventory.memory_bytes)})" if inventory else "memory"
        case _:
            return {WHOLE: "the host", "psu": "power supply", "nic:any": "any network card"}.get(component, component)


def _disk_name(serial: str, expected: Iterable[ExpectedDisk], inventory: Inventory | None) -> str:
    disk = next((one for one in expected if one.serial == serial), None)
    if disk is not None and disk.kind == "scratch":
        return f"scratch device {serial} ({disk_size(disk.size_bytes)}, no real disk)"
    found = next((one for one in inventory.disks if known(one.serial) == known(serial)), None) if inventory else None
    if found is not None:
        return f"disk {serial} ({_model(found)})"
    return f"disk {serial}" + (f" ({disk.model})" if disk and disk.model else "")


def _model(disk: FoundDisk) -> str:
    return f"{disk.model or 'model unknown'}, {disk_size(disk.size_bytes)}"
