"""Runs that wake their host or switch it on: who may be started so, what is done once and only once, and what a failure says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakes import honest
from tests.fakes.rig import until
from tests.fakes.scripted_bmc import ScriptedBmc
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.bmc import Bmc, BmcKind
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.states import RunState
from vetting.orchestrator import waking
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.dispatcher import Dispatcher
from vetting.orchestrator.waking import Waking
from vetting.power import wol
from vetting.store import audit, hosts, logs

BMC = Bmc(kind=BmcKind.IPMI, address="10.0.0.7", user="vetting")
PASSWORD = "of-the-bmc"


async def a_host(world: World, name: str = "sleeper", **changes: Any) -> int:
    edit = wire.HostEdit(
        **{"name": name, "macs": (honest.MAC,), "spec": honest.SPEC, "bmc": BMC, "bmc_password": PASSWORD, **changes}
    )
    await world.people.add_host(edit, who="ann")
    return (await world.views.host(name)).id


def services(world: World, bmc: ScriptedBmc, ways: Sequence[wol.Way] = ()) -> tuple[Dispatcher, Waking]:
    wakes = Waking(
        store=world.store, progress=world.progress, clock=world.clock, config=world.config, controllers=bmc.open,
        arrivals=Arrivals(store=world.store, bus=world.bus, clock=world.clock), wol_ways=lambda interface: ways,
    )  # fmt: skip
    dispatcher = Dispatcher(
        store=world.store, progress=world.progress, clock=world.clock, config=world.config, waking=wakes
    )
    return dispatcher, wakes


async def turns(dispatcher: Dispatcher, wakes: Waking, times: int = 3) -> None:
    for _ in range(times):
        await dispatcher.once()
        await wakes.idle()


async def did(world: World, run_id: int) -> list[str]:
    """Our deeds in the audit log, oldest first."""
    entries = await world.store.read(lambda: audit.entries(run_id=run_id))
    return [entry.what for entry in reversed(entries) if entry.who == waking.WHO]


async def test_a_host_that_is_off_is_switched_on_once_and_the_run_waits_for_it(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc()
    run_id = (started := await world.started(host="sleeper", start_by="power")).run_id
    assert (started.state, started.ticket) == ("Queued", "")  # the boot service gives the ticket to its MAC address
    await turns(*services(world, bmc))
    assert await world.state(run_id) is RunState.WAITING_POWER
    assert bmc.did == ["network", "on", "closed"]
    assert bmc.opened[0][:2] == (BMC, PASSWORD)
    assert await did(world, run_id) == [waking.STARTED]
    lines = await world.store.read(lambda: [line.text for line in logs.lines(run_id)])
    assert lines == ["told to boot from the network once; switched on by its management controller; not once"]


async def test_a_host_that_is_on_fails_the_run_and_is_left_as_it_is(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc(on=True)
    run_id = (await world.started(host="sleeper", start_by="power")).run_id
    await turns(*services(world, bmc))
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")
    assert "the host is on, and this run may not cut its power" in run.reason
    assert bmc.did == ["closed"]


async def test_power_is_cut_where_the_person_said_so_and_that_is_written_down_first(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc(on=True)
    seen: list[list[str]] = []
    bmc.before_power = lambda: seen.append([entry.what for entry in world.store.read_now(audit.entries)])
    run_id = (await world.started(host="sleeper", start_by="power", cut_power=True)).run_id
    await turns(*services(world, bmc))
    assert bmc.did == ["network", "cut", "closed"]
    assert waking.CUTTING in seen[0]
    assert await did(world, run_id) == [waking.CUTTING, waking.STARTED]


async def test_an_orchestrator_that_starts_again_cuts_no_power_twice(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc(on=True)

    def killed() -> None:
        raise asyncio.CancelledError

    bmc.before_power = killed
    run_id = (await world.started(host="sleeper", start_by="power", cut_power=True)).run_id
    dispatcher, wakes = services(world, bmc)
    await turns(dispatcher, wakes, 2)
    assert await did(world, run_id) == [waking.CUTTING]
    bmc.before_power = lambda: None
    bmc.did.clear()
    await turns(*services(world, bmc))  # the one that starts again
    assert bmc.did == ["closed"]  # it is on, as after a cut: nothing more is done
    assert await did(world, run_id) == [waking.CUTTING, waking.STARTED]
    assert await world.state(run_id) is RunState.WAITING_POWER


async def test_one_that_was_stopped_before_the_power_came_back_switches_it_on(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc(on=True)

    def killed() -> None:
        bmc.on = False
        raise asyncio.CancelledError

    bmc.before_power = killed
    await world.started(host="sleeper", start_by="power", cut_power=True)
    await turns(*services(world, bmc), 2)
    bmc.before_power = lambda: None
    bmc.did.clear()
    await turns(*services(world, bmc))
    assert bmc.did == ["network", "on", "closed"]


async def test_a_run_that_is_cancelled_meanwhile_leaves_the_power_alone(world: World) -> None:
    await a_host(world)
    bmc = ScriptedBmc(slow=asyncio.Event())
    run_id = (await world.started(host="sleeper", start_by="power")).run_id
    dispatcher, wakes = services(world, bmc)
    await dispatcher.once()
    await dispatcher.once()
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    assert bmc.slow is not None
    bmc.slow.set()
    await wakes.idle()
    assert bmc.did == ["network", "closed"]
    assert await world.state(run_id) is RunState.CANCELLED


async def test_a_controller_that_refuses_fails_the_run_in_its_words(world: World) -> None:
    await a_host(world)
    run_id = (await world.started(host="sleeper", start_by="power")).run_id
    await turns(*services(world, ScriptedBmc(refuses="it does not take this password")))
    run = await world.run(run_id)
    assert (run.state, run.failed_stage, run.reason) == (RunState.FAILED, "dispatch", "it does not take this password")


async def test_a_host_that_comes_is_not_given_up_on_for_what_its_controller_says_later(world: World) -> None:
    host_id = await a_host(world)
    bmc = ScriptedBmc()
    run_id = (await world.started(host="sleeper", start_by="power")).run_id
    dispatcher, wakes = services(world, bmc)

    def deaf() -> None:
        bmc.slow, bmc.refuses = asyncio.Event(), "it does not answer any more"

    bmc.before_power = deaf

    async def switched() -> bool:
        return "on" in bmc.did

    await dispatcher.once()
    await dispatcher.once()
    await until(switched, 5)
    assert await world.progress.boot_requested(host_id)
    assert bmc.slow is not None
    bmc.slow.set()
    await wakes.idle()
    assert await world.state(run_id) is RunState.BOOTING


async def test_a_slow_controller_keeps_no_other_host_waiting(world: World) -> None:
    other = Bmc(kind=BmcKind.IPMI, address="10.0.0.8", user="vetting")
    await a_host(world, "slow")
    await a_host(world, "quick", macs=("52:54:00:00:00:02",), bmc=other)
    slow, quick = ScriptedBmc(slow=asyncio.Event()), ScriptedBmc()
    dispatcher, wakes = services(world, slow)
    wakes._controllers = lambda bmc, password, uuid: slow if bmc == BMC else quick
    plain: dict[str, Any] = {"start_by": "power", "non_destructive": True, "confirm_serials": ()}
    first = (await world.started(host="slow", **plain)).run_id
    second = (await world.started(host="quick", **plain)).run_id
    for _ in range(3):
        await asyncio.wait_for(dispatcher.once(), 5)

    async def started() -> bool:
        return waking.STARTED in await did(world, second)

    await until(started, 5)
    assert await did(world, first) == []
    assert slow.slow is not None
    slow.slow.set()
    await wakes.idle()
    assert await did(world, first) == [waking.STARTED]


async def test_wake_on_lan_is_sent_once_and_again_after_a_restart_only_where_it_was_not(world: World) -> None:
    sent: list[str] = []
    way = wol.Way("lo", "127.255.255.255")
    await a_host(world, bmc=None, bmc_password=None)
    run_id = (await world.started(host="sleeper", start_by="wol")).run_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wol, "_send", lambda packet, to, port: sent.append(to.address))
        await turns(*services(world, ScriptedBmc(), [way]))
        await turns(*services(world, ScriptedBmc(), [way]))
    assert sent == [way.address] * wol.TIMES
    assert await did(world, run_id) == [waking.WOKEN]
    assert await world.state(run_id) is RunState.WAITING_WOL


async def test_a_packet_that_cannot_be_sent_fails_the_run(world: World) -> None:
    await a_host(world)
    run_id = (await world.started(host="sleeper", start_by="wol")).run_id
    await turns(*services(world, ScriptedBmc(), []))
    assert "no magic packet could be sent" in (await world.run(run_id)).reason


@pytest.mark.parametrize(
    ("host", "request_", "kind", "says"),
    [
        ({"macs": ()}, {"start_by": "wol"}, Conflict, "no MAC address on record"),
        ({"bmc": None, "bmc_password": None}, {"start_by": "power"}, Conflict, "no management controller on record"),
        ({}, {"start_by": "wol", "cut_power": True}, BadInput, "cut_power goes with start_by power alone"),
        ({}, {"start_by": "kick"}, BadInput, "use reporter, wol, power, manual"),
    ],
)
async def test_a_way_that_this_host_cannot_go_is_refused(
    world: World, host: dict[str, Any], request_: dict[str, Any], kind: type[Exception], says: str
) -> None:
    await a_host(world, **host)
    with pytest.raises(kind, match=says):
        await world.started(host="sleeper", **request_)


async def test_a_host_in_production_is_neither_woken_nor_loses_its_power_unless_that_was_said(world: World) -> None:
    host_id = await a_host(world)
    beat = wire.ReporterBeat(boot_id="os", version="1", obstacles=("3 guests run",))
    await world.progress.reporter_beat(host_id, beat)
    with pytest.raises(Conflict, match="who is awake cannot be woken"):
        await world.started(host="sleeper", start_by="wol")
    with pytest.raises(Conflict, match=r"would lose its power. It says: 3 guests run.*--cut-power"):
        await world.started(host="sleeper", start_by="power")
    assert (await world.started(host="sleeper", start_by="power", cut_power=True)).state == "Queued"


async def test_a_host_that_came_up_while_its_run_waited_keeps_its_power(world: World) -> None:
    host_id = await a_host(world)
    run_id = (await world.started(host="sleeper", start_by="power")).run_id
    await world.progress.reporter_beat(host_id, wire.ReporterBeat(boot_id="os", version="1"))
    bmc = ScriptedBmc(on=True)
    await turns(*services(world, bmc))
    run = await world.run(run_id)
    assert run.state is RunState.FAILED
    assert "its reporter was heard 0 s ago" in run.reason
    assert bmc.opened == []


async def test_a_person_may_always_boot_a_host_by_hand(world: World) -> None:
    host_id = await a_host(world)
    await world.progress.reporter_beat(host_id, wire.ReporterBeat(boot_id="os", version="1"))
    assert (await world.started(host="sleeper")).ticket


# --- the record ---------------------------------------------------------------------------------------------------


async def test_a_password_is_kept_for_its_controller_and_shown_to_nobody(world: World) -> None:
    host_id = await a_host(world)
    plain = wire.HostEdit(name="sleeper", macs=(honest.MAC,), spec=honest.SPEC, bmc=BMC)
    await world.people.edit_host("sleeper", plain, who="ann")
    row = await world.store.read(lambda: hosts.get(host_id))
    assert row.bmc_password == PASSWORD
    assert PASSWORD not in repr(row)
    assert PASSWORD not in repr(await world.views.host("sleeper"))
    for changed in (
        Bmc(kind=BmcKind.IPMI, address="10.6.6.6", user="vetting"),
        Bmc(kind=BmcKind.IPMI, address="10.0.0.7", user="other"),
        Bmc(kind=BmcKind.REDFISH, address="10.0.0.7", user="vetting"),
    ):
        edit = wire.HostEdit(name="sleeper", macs=(honest.MAC,), spec=honest.SPEC, bmc=changed)
        with pytest.raises(BadInput, match="kept for one controller and one user alone"):
            await world.people.edit_host("sleeper", edit, who="ann")
    await world.people.edit_host("sleeper", wire.HostEdit(name="sleeper", macs=(honest.MAC,)), who="ann")
    row = await world.store.read(lambda: hosts.get(host_id))
    assert (row.bmc, row.bmc_password) == (None, "")


@pytest.mark.parametrize(
    ("changes", "password", "says"),
    [
        ({"address": "-oProxyCommand=x"}, "p", "is no address of a management controller"),
        ({"address": "10.0.0.7:0"}, "p", "is no address of a management controller"),
        ({"address": "http://10.0.0.7/"}, "p", "is no address of a management controller"),
        ({"user": ""}, "p", "1 to 64 printable signs"),
        ({"user": "-U"}, "p", "1 to 64 printable signs"),
        ({}, "", "1 to 20 bytes"),
        ({}, "p" * 21, "1 to 20 bytes"),
        ({}, "a\nb", "1 to 20 bytes"),
        ({"fingerprint": "ab" * 32}, "p", "IPMI shows no certificate"),
        ({"kind": BmcKind.REDFISH, "fingerprint": "abc"}, "p", "64 hex digits"),
    ],
)
async def test_a_controller_that_cannot_be_is_refused(
    world: World, changes: dict[str, Any], password: str, says: str
) -> None:
    bmc = Bmc(**{"kind": BmcKind.IPMI, "address": "10.0.0.7", "user": "vetting", **changes})
    with pytest.raises(BadInput, match=says):
        await a_host(world, bmc=bmc, bmc_password=password)
