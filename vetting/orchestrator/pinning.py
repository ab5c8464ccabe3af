"""Measure, then pin: what a run of a host measured becomes floors and ceilings of its expected spec, or of every host of its class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from vetting import wire
from vetting.clock import Clock
from vetting.config import Config
from vetting.domain.adopting import pin_now
from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.inventory import Inventory
from vetting.domain.pinning import Proposal, fitting, hottest_allowed, pinned, propose
from vetting.domain.specchanges import changes
from vetting.domain.states import STAGE_ORDER, RunState
from vetting.domain.thresholds import Op
from vetting.domain.yardsticks import Measured, measured
from vetting.orchestrator.baselines import REPORTING, passed
from vetting.orchestrator.bus import Bus
from vetting.orchestrator.found import last_inventory
from vetting.orchestrator.latest import TEMPERATURES
from vetting.orchestrator.moves import inventory_of
from vetting.orchestrator.people import check_host
from vetting.store import audit, firmware, hosts, peaks, runs
from vetting.store.db import Store
from vetting.store.rows import HostRow, RunRow

HEAT = "max_temp_c"  # the key of the highest temperature among the proposals
CHANGES_KEPT = 50
CHANGED = "the expected spec of {} was changed by somebody else meanwhile; look at it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks to be pinned. `margin`: a share; None: as much as each kind of figure needs."""

    run_id: int | None = None  # None: the last good run
    margin: float | None = None
    class_name: str = ""
    firmware: bool = False
    keys: Collection[str] | None = None  # None: all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A host whose spec would change. `left_out`: proposals that it has no such part for, or was never seen to have."""

    host: HostRow
    spec: ExpectedSpec
    changes: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What would be pinned, and in whose spec: nothing is written yet."""

    host: HostRow
    run: RunRow
    virtual: str
    proposals: tuple[Proposal, ...]
    max_temp_c: float  # 0: nothing to pin
    hottest_c: float
    firmware: int  # versions that would be pinned
    own_class: str  # that the host belongs to by vetting.yaml; empty: none
    targets: tuple[Target, ...]


class Pinning:
    def __init__(self, *, store: Store, clock: Clock, bus: Bus, config: Config) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._config = config

    async def offer(self, name: str, wish: Wish) -> Offer:
        """Raises NotFound for an unknown host, Conflict where it has no good run to pin, BadInput for a class or margin that is none."""
        return await self._store.read(lambda: self._look(name, wish))

    async def pin(self, name: str, wish: Wish, *, who: str, why: str = "", was: ExpectedSpec | None = None) -> Offer:
        """Writes it, all hosts or none. `was`: the spec of the named host that the person saw.

        Raises as `offer`, and Conflict where a spec was changed meanwhile, or where nothing is left to pin.
        """

        offered = await self.offer(name, wish)
        if was is not None and offered.host.spec != was:
            raise Conflict(CHANGED.format(name))
        changing = [one for one in offered.targets if one.changes]
        if not changing:
            raise Conflict("nothing would change: all of it is pinned so already, or nothing was chosen")
        now = self._clock.now()
        await self._store.write(lambda: _write(offered, changing, wish, now=now, who=who, why=why))
        for one in changing:
            self._bus.publish("host.changed", at=now, host_id=one.host.id)
        return offered

    def _look(self, name: str, wish: Wish) -> Offer:
        host = hosts.by_name(name)
        if host is None:
            raise NotFound(f"there is no host named {name[:80]!r}; `vetting host list` shows those that there are")
        run = _good_run(host, wish.run_id)
        inventory = inventory_of(run.id)
        if inventory is None:
            raise Conflict(f"run {run.id} has no inventory that can be read, so nothing can be pinned from it")
        proposals = propose(
            [row for stage in STAGE_ORDER for row in _measured(run, stage, inventory)], inventory,
            profile=run.profile.name, margin=wish.margin, for_class=bool(wish.class_name),
        )  # fmt: skip
        heat = peaks.highest(run.id, TEMPERATURES)
        items = firmware.firmware_of(run.id)
        limit_c = self._hottest(host)
        offered = Offer(
            host=host, run=run, virtual=inventory.virtual, proposals=proposals, max_temp_c=hottest_allowed(heat, limit_c),
            hottest_c=max(heat.values(), default=0.0), firmware=len(items), own_class=self._config.class_named(host.spec), targets=(),
        )  # fmt: skip
        targets = tuple(self._target(one, offered, wish, inventory) for one in self._hosts(host, wish.class_name))
        return replace(offered, targets=targets)

    def _hottest(self, host: HostRow) -> float:
        """The temperature that this host fails at as it is."""
        rows = self._config.thresholds_for(host.spec)
        return min(
            (row.limit for row in rows if row.series == "temp.*" and row.op in (Op.AT_MOST, Op.BELOW)), default=150.0
        )

    def _hosts(self, host: HostRow, class_name: str) -> list[HostRow]:
        if not class_name:
            return [host]
        if class_name not in self._config.classes:
            known = ", ".join(self._config.classes) or "none"
            raise BadInput(f"vetting.yaml has no class {class_name[:80]!r}; there are: {known}")
        if self._config.class_named(host.spec) != class_name:
            raise BadInput(
                f"{host.name} is not of the class {class_name}: its pinned product does not match that class first"
            )
        return [one for one in hosts.listing() if self._config.class_named(one.spec) == class_name]

    def _target(self, host: HostRow, offered: Offer, wish: Wish, inventory: Inventory) -> Target:
        found: Inventory | None = inventory
        if host.id != offered.host.id:
            last = last_inventory(host.id)
            found = last.inventory if last else None
        fit = tuple(fitting(offered.proposals, found)) if found else ()
        spec = pinned(host.spec, fit, keys=wish.keys)
        if offered.max_temp_c and (wish.keys is None or HEAT in wish.keys) and found:
            spec = replace(spec, max_temp_c=offered.max_temp_c)
        if wish.firmware and host.id == offered.host.id:
            spec = pin_now(spec, firmware.firmware_of(offered.run.id))
        left_out = len(offered.proposals) - len(fit)
        return Target(host=host, spec=spec, changes=changes(host.spec, spec), left_out=left_out)


def _write(offered: Offer, changing: Sequence[Target], wish: Wish, *, now: float, who: str, why: str) -> None:
    for one in changing:
        there = hosts.find(one.host.id)
        if there is None or there.removed_at or there.spec != one.host.spec:
            raise Conflict(CHANGED.format(one.host.name))
        check_host(wire.HostEdit(name=there.name, spec=one.spec))
        hosts.edit(there.id, spec=one.spec)
        detail = {
            "run": offered.run.id, "of": offered.host.name, "class": wish.class_name,
            "changes": [text[:300] for text in one.changes[:CHANGES_KEPT]], "in_all": len(one.changes),
        }  # fmt: skip
        audit.add(at=now, who=who, what="host.pin", target=there.name, why=why, detail=detail)


def _good_run(host: HostRow, run_id: int | None) -> RunRow:
    if run_id is None:
        found = runs.listing(host_id=host.id, states=(RunState.COMPLETED,), limit=1)
        if not found:
            raise Conflict(f"no run of {host.name} has completed yet, so there is nothing to pin; vet it first")
        return found[0]
    run = runs.get(run_id)
    if run.host_id != host.id:
        raise BadInput(f"run {run_id} is one of {run.host_name}, not of {host.name}")
    if run.state is not RunState.COMPLETED:
        raise Conflict(f"run {run_id} is {run.state}; only what a completed run measured can be pinned", run=run_id)
    return run


def _measured(run: RunRow, stage: str, inventory: Inventory) -> tuple[Measured, ...]:
    outcome = passed(run.id, stage) if stage != REPORTING else None
    return measured(stage, outcome, inventory, run.expected_disks) if outcome else ()
