"""Two hosts that measure at the same moment: what each of them lacks may be what the other took."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes import honest
from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.crowd import BY_THE_WAY
from vetting.domain.outcome import Finding, Outcome, Severity, Verdict
from vetting.store import findings

OTHER_MAC = "52:54:00:00:00:02"


async def _other(world: World) -> int:
    """A run of a second host."""
    await world.people.add_host(wire.HostEdit(name="other", macs=(OTHER_MAC,), spec=honest.SPEC), who="tester")
    request = wire.StartRun(host="other", profile="sprint", start_by="manual", confirm_serials=("D1",))
    ticket = (await world.progress.start(request, who="tester")).ticket
    identity = replace(honest.IDENTITY, smbios_uuid="6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e60", macs=(OTHER_MAC,))
    return (await world.claim(ticket, identity=identity)).run_id


def _slow(by_the_way: bool = True) -> Outcome:
    good = honest.outcome("Network")
    cell = replace(good.cells[0], verdict=Verdict.FAIL, reason="to server: 480 Mb/s, floor 900 Mb/s")
    data = {BY_THE_WAY: [cell.component] if by_the_way else []}
    return good.but(verdict=Verdict.FAIL, reason=cell.reason, cells=(cell,), data=data)


async def _measured(world: World, run_id: int, outcome: Outcome) -> tuple[str, str]:
    await world.post(run_id, "Network", outcome=outcome)
    (attempt,) = await world.attempts(run_id, "Network")
    return str(attempt.verdict), attempt.reason


async def test_a_slow_card_is_not_accused_while_another_host_measured_too(world: World) -> None:
    run_id, other = await world.begun(), await _other(world)
    await world.reach(run_id, "Network")
    await world.reach(other, "Network")
    verdict, reason = await _measured(world, run_id, _slow())
    assert verdict == "ERROR"
    assert "meanwhile other loaded the orchestrator's network too" in reason
    # The other's time with it counts as well, although this one is through by now.
    assert (await _measured(world, other, _slow()))[0] == "ERROR"


async def test_what_grew_on_the_card_itself_accuses_it_in_any_crowd(world: World) -> None:
    run_id, other = await world.begun(), await _other(world)
    await world.reach(run_id, "Network")
    await world.reach(other, "Network")
    assert (await _measured(world, run_id, _slow(by_the_way=False)))[0] == "FAIL"


async def test_a_slow_card_is_accused_where_nobody_else_was_on_the_way(world: World) -> None:
    run_id, other = await world.begun(), await _other(world)
    await world.reach(other, "Storage")
    await world.reach(run_id, "Network")
    assert (await _measured(world, run_id, _slow()))[0] == "FAIL"


async def test_what_the_kernel_said_meanwhile_accuses_the_host_in_any_crowd(world: World) -> None:
    run_id, other = await world.begun(), await _other(world)
    await world.reach(run_id, "Network")
    await world.reach(other, "Network")
    seen = Finding(severity=Severity.CRITICAL, component="cpu:1", text="Machine check", source="kernel log")
    await world.store.write(lambda: findings.add(run_id, "Network", 1, (seen,), at=world.clock.now()))
    assert (await _measured(world, run_id, _slow()))[0] == "FAIL"
