"""Reporters: who may be ordered to reboot, what an order says, what becomes of a refusal; and how a host gets one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain import order as orders
from vetting.domain.errors import Conflict, Forbidden, NotAllowed, NotFound, TooMany, Unavailable
from vetting.domain.states import RunState
from vetting.orchestrator import keys, registering
from vetting.orchestrator.dispatcher import Dispatcher
from vetting.orchestrator.keys import public_hex
from vetting.orchestrator.registering import CODE_VALID_S, REFUSED, Registering
from vetting.store import audit, hosts

READY = wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",))


async def heard(world: World, name: str = "honest", **changes: Any) -> wire.ReporterReply:
    """A heartbeat of this host's reporter; the host is made where it is not there yet."""
    if name not in {host.name for host in await world.views.hosts()}:
        await world.people.add_host(wire.HostEdit(name=name, macs=(), spec=honest.SPEC), who="ann")
    return await world.progress.reporter_beat(
        (await world.views.host(name)).id, msgspec.structs.replace(READY, **changes)
    )


async def waiting(world: World) -> int:
    """A run that waits for the reboot of the honest host."""
    await heard(world)
    run_id = (await world.started(start_by="reporter")).run_id
    await world.progress.dispatch(run_id)
    assert await world.state(run_id) is RunState.WAITING_REBOOT
    return run_id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"allowed": False}, "touch /etc/vetting/allow-reboot"),
        ({"obstacles": ("2 guests run here: VM 100 (web) running; move or stop them",)}, r"VM 100 \(web\)"),
        ({"ways": ()}, "no way to boot from the network once"),
    ],
)
async def test_a_start_is_refused_with_what_the_reporter_said_and_the_remedy(
    world: World, changes: dict[str, Any], words: str
) -> None:
    await heard(world, **changes)
    with pytest.raises(Conflict, match=words):
        await world.started(start_by="reporter")
    assert (await world.started()).ticket, "who boots the host by hand answers for it"


async def test_an_obstacle_that_came_up_in_the_queue_fails_the_dispatch_once(world: World) -> None:
    await heard(world)
    run_id = (await world.started(start_by="reporter")).run_id
    await heard(world, obstacles=("a backup runs",))
    await world.progress.dispatch(run_id)
    await world.progress.dispatch(run_id)
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")
    assert "a backup runs" in run.reason


async def test_an_order_is_signed_for_this_host_this_boot_and_five_minutes(world: World) -> None:
    run_id = await waiting(world)
    one, two = await heard(world), await heard(world, boot_id="another boot")
    key = public_hex(world.means.signer)
    order = orders.verified(one.order, key)
    assert (one.cmd, one.run_id) == ("reboot_for_vetting", run_id)
    assert orders.order_problems(order, now_s=world.clock.now(), host="honest", boot_id="os") == ()
    assert order.expires_s - order.issued_s == 300
    assert order.nonce != orders.verified(two.order, key).nonce
    assert orders.verified(two.order, key).boot_id == "another boot"
    entries = await world.store.read(lambda: audit.entries(run_id=run_id))
    assert [one.what for one in entries][:2] == ["run.reboot_ordered"] * 2


async def test_nobody_is_ordered_anything_before_the_dispatch_and_after_the_boot(world: World) -> None:
    await heard(world)
    run_id = (await world.started(start_by="reporter")).run_id
    assert await heard(world) == wire.ReporterReply()
    await world.progress.dispatch(run_id)
    await world.progress.boot_requested((await world.views.host("honest")).id)
    assert await heard(world) == wire.ReporterReply()


async def test_a_refusal_fails_the_run_in_words_and_orders_no_more(world: World) -> None:
    run_id = await waiting(world)
    host_id = (await world.views.host("honest")).id
    refusal = wire.ReporterRefusal(run_id=run_id, reasons=("1 guest runs here: VM 100", "apt runs"))
    await world.progress.reporter_refused(host_id, refusal)
    run = await world.run(run_id)
    assert (run.state, run.failed_stage) == (RunState.FAILED, "dispatch")
    assert "refused to reboot it: 1 guest runs here: VM 100; apt runs" in run.reason
    assert await heard(world) == wire.ReporterReply()
    entry = (await world.store.read(lambda: audit.entries(run_id=run_id)))[0]
    assert (entry.who, entry.what) == ("reporter of honest", "run.reboot_refused")
    with pytest.raises(Conflict):
        await world.progress.reporter_refused(host_id, refusal)


async def test_a_host_can_refuse_nothing_but_its_own_waiting_run(world: World) -> None:
    run_id = await waiting(world)
    await heard(world, "other")
    for host, run in (("other", run_id), ("honest", run_id + 1)):
        with pytest.raises(Conflict):
            await world.progress.reporter_refused(
                (await world.views.host(host)).id, wire.ReporterRefusal(run_id=run, reasons=("no",))
            )
    await world.progress.boot_requested((await world.views.host("honest")).id)
    with pytest.raises(Conflict):
        await world.progress.reporter_refused(
            (await world.views.host("honest")).id, wire.ReporterRefusal(run_id=run_id, reasons=("no",))
        )
    assert await world.state(run_id) is RunState.BOOTING


async def test_installed_hosts_go_down_one_after_the_other(world: World) -> None:
    dispatcher = Dispatcher(store=world.store, progress=world.progress, clock=world.clock, config=world.config)
    run_ids = []
    for name in ("one", "two"):
        await heard(world, name)
        run_ids.append((await world.started(host=name, start_by="reporter")).run_id)
    await dispatcher.once()
    await dispatcher.once()
    assert [await world.state(run_id) for run_id in run_ids] == [RunState.WAITING_REBOOT, RunState.QUEUED]
    await world.progress.boot_requested((await world.views.host("one")).id)
    await dispatcher.once()
    assert [await world.state(run_id) for run_id in run_ids] == [RunState.BOOTING, RunState.WAITING_REBOOT]


async def test_what_a_reporter_says_is_bounded(world: World) -> None:
    await heard(world, obstacles=("x" * 10_000,) * 1000, boot_id="b" * 1000)
    found = (await world.views.host("honest")).reporter_obstacles
    assert (len(found), len(found[0])) == (20, 300)


# --- registration -------------------------------------------------------------------------------------------------

TOLD = wire.Register(hostname="pve-07", macs=(honest.MAC,), smbios_uuid=honest.IDENTITY.smbios_uuid, version="1")


@pytest.fixture
async def desk(world: World, tmp_path: Path) -> Registering:
    await world.people.add_host(wire.HostEdit(name="honest", macs=(honest.MAC,), spec=honest.SPEC), who="ann")
    certificate = keys.ensure_certificate(tmp_path / "keys")
    return Registering(
        store=world.store, clock=world.clock, url="https://10.0.0.5:8443", certificate=certificate,
        signer=world.means.signer,
    )  # fmt: skip


async def test_a_code_gets_the_hosts_token_and_the_key_of_orders_once(world: World, desk: Registering) -> None:
    code = (await desk.code("honest", who="ann")).code
    answer = await desk.register(code, TOLD, peer="10.0.0.7")
    assert (answer.host, answer.order_key) == ("honest", public_hex(world.means.signer))
    assert await world.people.host_of(answer.token) == (await world.views.host("honest")).id
    with pytest.raises(NotAllowed, match="used already"):
        await desk.register(code, TOLD, peer="10.0.0.7")
    entry = (await world.store.read(lambda: audit.entries()))[0]
    assert (entry.what, entry.who, entry.detail["code_by"]) == ("host.register", "reporter at 10.0.0.7", "ann")
    assert code not in repr(await world.store.read(lambda: audit.entries()))


async def test_every_bad_code_gets_the_same_words(world: World, desk: Registering) -> None:
    withdrawn = (await desk.code("honest", who="ann")).code
    late = (await desk.code("honest", who="ann")).code
    world.clock.pass_s(CODE_VALID_S)
    for bad in ("", "nonsense", withdrawn, late, "\udc80"):
        with pytest.raises(NotAllowed) as refused:
            await desk.register(bad, TOLD, peer="10.0.0.7")
        assert str(refused.value) == REFUSED


async def test_the_code_of_a_removed_host_opens_nothing(world: World, desk: Registering) -> None:
    run_id = (await world.started()).run_id
    code = (await desk.code("honest", who="ann")).code
    await world.progress.cancel(run_id, who="ann", because=wire.Because())
    await world.people.remove_host("honest", who="ann", why="sold")
    with pytest.raises(NotAllowed):
        await desk.register(code, TOLD, peer="10.0.0.7")
    with pytest.raises(NotFound):
        await desk.code("honest", who="ann")


async def test_another_machine_is_told_what_is_wrong_and_uses_nothing_up(world: World, desk: Registering) -> None:
    host_id = (await world.views.host("honest")).id
    await world.store.write(lambda: hosts.edit(host_id, identity=honest.IDENTITY, identity_source="learned"))
    code = (await desk.code("honest", who="ann")).code
    foreign_card = wire.Register(hostname="x", macs=("52:54:00:99:99:99",))
    foreign_board = wire.Register(hostname="x", macs=(honest.MAC,), smbios_uuid="4c4c4544-0000-4000-8000-000000000001")
    for told, words in ((foreign_card, "MAC addresses"), (foreign_board, "SMBIOS UUID")):
        with pytest.raises(Forbidden, match=words):
            await desk.register(code, told, peer="10.0.0.9")
    entries = await world.store.read(lambda: audit.entries())
    assert [entry.what for entry in entries[:2]] == ["host.register_refused"] * 2
    assert (await desk.register(code, TOLD, peer="10.0.0.7")).host == "honest"


async def test_a_machine_that_tells_no_address_is_believed_by_its_code(world: World, desk: Registering) -> None:
    code = (await desk.code("honest", who="ann")).code
    assert (await desk.register(code, wire.Register(hostname="x"), peer="10.0.0.7")).host == "honest"


async def test_codes_cannot_be_guessed_in_a_row(world: World, desk: Registering) -> None:
    code = (await desk.code("honest", who="ann")).code
    for _ in range(10):
        with pytest.raises(NotAllowed):
            await desk.register("guess", TOLD, peer="10.0.0.66")
    with pytest.raises(TooMany):
        await desk.register(code, TOLD, peer="10.0.0.66")
    assert (await desk.register(code, TOLD, peer="10.0.0.7")).host == "honest"
    world.clock.pass_s(60)
    with pytest.raises(NotAllowed):
        await desk.register("guess", TOLD, peer="10.0.0.66")


async def test_the_command_pins_our_key_and_hides_the_code_from_other_users(desk: Registering) -> None:
    shown = await desk.code("honest", who="ann")
    assert "--pinnedpubkey sha256//" in shown.command
    assert shown.command.endswith(f"https://10.0.0.5:8443/register/quick.sh | VETTING_CODE={shown.code} sh")


async def test_without_a_program_to_install_there_is_no_script(
    desk: Registering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registering, "__file__", str(tmp_path / "vetting/orchestrator/registering.py"))
    with pytest.raises(Unavailable, match=r"build\.sh zipapp"):
        await desk.script()
