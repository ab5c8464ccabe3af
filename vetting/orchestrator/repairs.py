"""Runs after a repair: what is seeded at the start, proved at SpecValidate, and repeated until it may be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vetting.config.values import Limits
from vetting.domain import repairproof, repairweight, repetition
from vetting.domain.difference import Difference
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.profiles import Profile
from vetting.domain.repair import Part, PartKind, Repair, mistakes
from vetting.domain.repairdimms import slot_called, slots_of
from vetting.domain.repairorder import RepairOrder
from vetting.domain.repetition import Bounds, History
from vetting.orchestrator import failures
from vetting.orchestrator.found import Found, last_inventory
from vetting.orchestrator.moves import Turn
from vetting.store import attempts, hosts, repairs
from vetting.store.rows import AttemptRow, HostRow, RunRow

KIND = "repair"  # of a difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a start after a repair would come to."""

    profile: Profile
    ordered: RepairOrder


def demand(host: HostRow, repair: Repair) -> None:
    """Raises BadInput for what nobody can mean, Conflict where the host's record speaks against it. Inside `Store.read`."""
    if wrong := mistakes(repair):
        raise BadInput("; ".join(wrong))
    found = last_inventory(host.id)
    for part in repair.parts:
        if part.kind is PartKind.DISK:
            _demand_disk(host, part)
        if part.kind is PartKind.DIMM and found is not None and found.inventory.dimms and part.slot.strip():
            labels = tuple(slots_of(found.inventory.dimms))
            gone = known(part.old) in {known(one.serial) for one in found.inventory.dimms} - {""}
            if labels and not slot_called(part.slot, labels) and not gone and not part.new:
                raise BadInput(
                    f"no slot of {host.name} is called {part.slot!r}: run {found.run_id} saw {', '.join(labels)}"
                )


def _demand_disk(host: HostRow, part: Part) -> None:
    named = {known(disk.serial) for disk in host.spec.disks} - {""}
    if known(part.old) in named:
        raise Conflict(
            f"the expected spec of {host.name} still has the disk {part.old}, which was replaced: put the new one in its place "
            f"(its page, or `vetting host edit {host.name}`), then start again"
        )
    if known(part.new) and known(part.new) not in named:
        raise Conflict(
            f"the expected spec of {host.name} does not have the new disk {part.new}, and what is not in it is never tested: put "
            f"it in (its page, or `vetting host edit {host.name}`), then start again"
        )


def planned(host: HostRow, profile: Profile, repair: Repair, limits: Limits) -> Planned:
    """What is seeded into the run. Inside `Store.read` or `Store.write`."""
    found = failures.found_before(host.id)
    repair = spelled(repair, host.spec, found)
    weighed = repairweight.weigh(profile, repair, found.inventory if found else None)
    return Planned(
        profile=weighed.profile,
        ordered=RepairOrder(
            repair=repair,
            before_run=found.run_id if found else 0,
            before_at=found.at if found else 0.0,
            history=failures.history_of(host.id),
            bounds=Bounds(times=limits.repeat_times, seconds=limits.repeat_s),
            raised=weighed.raised,
        ),
    )


def notes_of(run: RunRow) -> tuple[str, ...]:
    """`notes` of a run that was started. Inside `Store.read`."""
    told = repairs.find(run.id)
    return notes(hosts.get(run.host_id), told.ordered) if told is not None else ()


def notes(host: HostRow, ordered: RepairOrder) -> tuple[str, ...]:
    """What whoever starts it should know beforehand, one sentence each."""
    kinds = {part.kind for part in ordered.repair.parts}
    told = []
    if host.identity is not None and kinds & {PartKind.BOARD, PartKind.NIC}:
        told.append(
            f"What {host.name} is known by may be other than on record after this ({'UUID, serials and ' * (PartKind.BOARD in kinds)}"
            f"MAC addresses). A machine that is not as on record is refused: have its identity learned anew first (`vetting host "
            f"relearn {host.name}`), and see that its record has its new addresses."
        )
    return tuple(told)


def spelled(repair: Repair, spec: ExpectedSpec, found: Found | None) -> Repair:
    """New disks as the spec spells them. Where nobody told the new serial and the spec has one disk more than the host had, it is
    that one."""
    by_name = {known(disk.serial): disk.serial for disk in spec.disks if known(disk.serial)}
    had = {known(disk.serial) for disk in found.inventory.disks} if found else set()
    fresh = [serial for name, serial in by_name.items() if had and name not in had]
    told = {known(part.new) for part in repair.parts}
    fresh = [serial for serial in fresh if known(serial) not in told]
    parts = []
    for part in repair.parts:
        if part.kind is PartKind.DISK and known(part.new):
            part = replace(part, new=by_name.get(known(part.new), part.new))
        elif part.kind is PartKind.DISK and len(fresh) == 1:
            part = replace(part, new=fresh.pop())
        parts.append(part)
    return replace(repair, parts=tuple(parts))


def proved(run: RunRow, inventory: Inventory) -> tuple[Difference, ...]:
    """What SpecValidate has to say of the run's repair, kept with the run; nothing for a run without one. Inside `Store.write`."""
    told = repairs.find(run.id)
    if told is None:
        return ()
    before = failures.inventory_before(told.ordered.before_run)
    found = repairproof.prove(told.ordered.repair, before, inventory, before_run=told.ordered.before_run)
    found = repairproof.standing(found, inventory, failures.proofs_before(run.host_id, run.id))
    repairs.prove(run.id, found)
    return repairproof.differences(found)


def explained(run: RunRow, rows: Sequence[Difference]) -> list[Difference]:
    """Differences from the spec with those as warnings that the proved repair explains: the spec still names the old part."""
    told = repairs.find(run.id)
    gone = told.proved.gone if told is not None and told.proved is not None else frozenset()
    return [_explained(one, gone) for one in rows]


def _explained(one: Difference, gone: frozenset[str]) -> Difference:
    serial = mac_of(one.expected) if one.field == "nic.missing" else known(one.expected)
    if one.field not in ("dimm.missing", "nic.missing") or serial not in gone or one.unknown:
        return one
    text = f"{one.text}: it was replaced, and the expected spec still names it; adopt what this run found"
    return replace(one, severity=Severity.WARNING, text=text)


def once_more(turn: Turn, run: RunRow) -> bool:
    """Opens another attempt at the stage that just passed, where it failed before the repair and did not pass often enough yet."""
    told = repairs.find(run.id)
    if told is None or told.ordered.history is None or told.ordered.history.stage != run.stage:
        return False
    ordered, history = told.ordered, told.ordered.history
    last = attempts.latest(run.id, run.stage)
    if last is None or last.verdict is not Verdict.PASS:  # what was skipped would be skipped again
        return False
    passes = clean_passes(attempts.attempts_of(run.id), history)
    if not repetition.once_more(history, ordered.repair.confidence, ordered.bounds, passes):
        return False
    so_far = repetition.percent(repetition.reached(history, sum(passes)))
    asked = repetition.percent(ordered.repair.confidence)
    turn.note(
        run, f"{run.stage} passed {len(passes)} × after the repair: {so_far} sure, {asked} was asked for; it runs again"
    )
    turn.open_attempt(run)
    return True


def clean_passes(rows: Iterable[AttemptRow], history: History) -> tuple[float, ...]:
    """Seconds of each pass of the stage that failed before, since the last attempt of this run that failed."""
    passes: list[float] = []
    for row in rows:
        if row.stage != history.stage:
            continue
        if row.verdict is Verdict.PASS:
            passes.append(failures.lasted_s(row))
        elif failures.failed(row):
            passes.clear()
    return tuple(passes)
