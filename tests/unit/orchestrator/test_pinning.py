"""Measure, then pin, through the whole orchestrator: what is offered is what is written, with who and from which run."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.fakes.siblings import Sibling, ill
from tests.unit.orchestrator.conftest import World
from tests.unit.orchestrator.test_baselines import STAGES, begun, known, post, walked
from vetting.config import Config, HostClass
from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.states import RunState
from vetting.orchestrator.pinning import Pinning, Wish
from vetting.store import audit, hosts


def pinning(world: World, classes: Mapping[str, HostClass] | None = None) -> Pinning:
    config = replace(Config(), classes=classes or {})
    return Pinning(store=world.store, clock=world.clock, bus=world.bus, config=config)


async def spec_of(world: World, name: str) -> ExpectedSpec:
    host = await world.store.read(lambda: hosts.by_name(name))
    assert host is not None
    return host.spec


async def test_what_a_good_run_measured_is_pinned_and_the_next_run_is_held_to_it(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    run_id = await walked(world, twin)
    desk = pinning(world)
    offer = await desk.offer(twin.name, Wish())
    assert (offer.run.id, len(offer.targets), offer.own_class) == (run_id, 1, "")
    assert len(offer.proposals) > 8
    done = await desk.pin(twin.name, Wish(), who="mira", why="as measured", was=offer.host.spec)
    spec = await spec_of(world, twin.name)
    assert spec == done.targets[0].spec == offer.targets[0].spec
    assert len(spec.floors) + len(spec.ceilings) == len(offer.proposals)
    (deed,) = [one for one in await world.store.read(audit.entries) if one.what == "host.pin"]
    assert (deed.who, deed.why, deed.target, deed.detail["run"]) == ("mira", "as measured", twin.name, run_id)
    await walked(world, twin)  # sound, and passes
    sick = await begun(world, twin)
    for stage in STAGES[:4]:
        await post(world, sick, twin, stage)
    assert (await post(world, sick, twin, "Storage", ill("disk:T1D0", 0.5, "iops"))).verdict == "FAIL"
    assert await world.state(sick) is RunState.FAILED_HOLDING


async def test_a_second_time_there_is_nothing_to_change(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    await walked(world, twin)
    desk = pinning(world)
    await desk.pin(twin.name, Wish(), who="mira")
    with pytest.raises(Conflict, match="nothing would change"):
        await desk.pin(twin.name, Wish(), who="mira")
    with pytest.raises(Conflict, match="nothing would change"):
        await desk.pin(twin.name, Wish(keys=()), who="mira")


async def test_a_class_is_pinned_as_a_whole_and_only_hosts_with_such_parts(world: World) -> None:
    classes = {"r650": HostClass(product="PowerEdge R650*"), "rest": HostClass(product="*")}
    twins = [Sibling(number, random.Random(number)) for number in range(3)]
    for twin in twins:
        await known(world, twin, replace(twin.spec, product="PowerEdge R650" if twin.number else ""))
    for twin in twins[:2]:
        await walked(world, twin)
    desk = pinning(world, classes)
    with pytest.raises(BadInput, match="there are: r650, rest"):
        await desk.offer("twin-01", Wish(class_name="r66"))
    with pytest.raises(BadInput, match="not of the class r650"):
        await desk.offer("twin-00", Wish(class_name="r650"))
    offer = await desk.pin("twin-01", Wish(class_name="r650"), who="mira")
    assert {one.host.name: bool(one.changes) for one in offer.targets} == {"twin-01": True, "twin-02": False}
    assert (await spec_of(world, "twin-02")).floors == ()  # it was never seen: nobody knows what it has
    await walked(world, twins[2])
    await desk.pin("twin-01", Wish(class_name="r650"), who="mira")
    assert (await spec_of(world, "twin-02")).floors == (await spec_of(world, "twin-01")).floors
    assert (await spec_of(world, "twin-00")).floors == ()
    await walked(world, twins[2])


async def test_what_cannot_be_pinned_is_refused_in_words(world: World) -> None:
    twin, other = Sibling(1, random.Random(1)), Sibling(2, random.Random(2))
    await known(world, twin)
    await known(world, other)
    desk = pinning(world)
    with pytest.raises(NotFound, match="no host named"):
        await desk.offer("nobody", Wish())
    with pytest.raises(Conflict, match="has completed yet"):
        await desk.offer(twin.name, Wish())
    run_id = await begun(world, twin)
    with pytest.raises(Conflict, match="only what a completed run measured"):
        await desk.offer(twin.name, Wish(run_id=run_id))
    with pytest.raises(BadInput, match="is one of twin-01"):
        await desk.offer(other.name, Wish(run_id=run_id))
    with pytest.raises(NotFound):
        await desk.offer(other.name, Wish(run_id=99))


async def test_a_spec_that_somebody_changed_meanwhile_is_left_alone(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    await walked(world, twin)
    seen = await spec_of(world, twin.name)
    await world.people.change_spec(twin.name, replace(seen, max_temp_c=80), was=seen, who="sam")
    with pytest.raises(Conflict, match="changed by somebody else"):
        await pinning(world).pin(twin.name, Wish(), who="mira", was=seen)
    assert (await spec_of(world, twin.name)).floors == ()


async def test_firmware_is_pinned_where_it_is_asked_for(world: World) -> None:
    twin = Sibling(1, random.Random(1))
    await known(world, twin)
    await walked(world, twin)
    desk = pinning(world)
    await desk.pin(twin.name, Wish(keys=("max_temp_c",), firmware=True), who="mira")
    spec = await spec_of(world, twin.name)
    assert ([pin.component for pin in spec.firmware], spec.floors) == (["bios"], ())
