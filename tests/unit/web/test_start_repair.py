"""A run after a repair, by the form that starts it: guesses are offered and not acted on, and the run's page says what came of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.browser.hand import Hand
from tests.browser.machines import Machine
from tests.browser.scene import SPRINT, Scene
from tests.unit.web.visitor import Seen, Visitor
from vetting import wire
from vetting.domain.outcome import Cell, Verdict
from vetting.store import attempts, audit, hosts, repairs, runs

pytestmark = pytest.mark.asyncio(loop_scope="module")
BY_HAND = (("profile", SPRINT.name), ("start_by", "manual"), ("non_destructive", "yes"))
NEW = "77F0AA01"
ROW = (
    ("after_repair", "yes"), ("replaced_kind", "dimm"), ("replaced_slot", "A1"), ("replaced_old", "34A1B2CA"),
    ("replaced_new", NEW), ("confidence", "90"),
)  # fmt: skip


async def broken(scene: Scene, number: int) -> Machine:
    """A host whose last run failed in CPUStress, late, with the DIMM that it accused."""
    machine = await scene.machine(f"repair-{number}")
    hand = await scene.running("CPUStress", machine.host, non_destructive=True)
    await hand.work(3 * await hand.planned_s())
    cells = (
        Cell(component="cpu", verdict=Verdict.PASS),
        Cell(component="memory", verdict=Verdict.FAIL, reason="bits flipped"),
        Cell(component="dimm:P1-DIMMA1", verdict=Verdict.FAIL, reason="3 uncorrected errors"),
    )
    await hand.fail("bits flipped in P1-DIMMA1 <b>34A1</b>", cells=cells)
    await scene.server.desk.progress.release(hand.run_id, who="mira", because=wire.Because(reason="bench"))
    return machine


async def runs_of(scene: Scene, machine: Machine) -> list[int]:
    """Newest first."""

    def look() -> list[int]:
        host = hosts.by_name(machine.host)
        assert host is not None
        return [one.id for one in runs.listing(host_id=host.id)]

    return await scene.server.store.read(look)


def values(page: Seen, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]*)"', page.raw)


def chosen(page: Seen) -> list[str]:
    return re.findall(r'<option value="(\w+)" selected>', page.raw)


async def test_what_was_probably_replaced_is_filled_in_and_counts_only_where_somebody_says_so(
    scene: Scene, operator: Visitor
) -> None:
    machine = await broken(scene, 1)
    path = f"/hosts/{machine.host}/start"
    page = await operator.see(path)
    assert "failed in CPUStress: bits flipped in P1-DIMMA1 <b>34A1</b>" in page.text
    assert "<b>34A1</b>" not in page.raw
    assert "Filled in with what was probably replaced" in page.text
    assert (chosen(page), values(page, "replaced_slot")[0], values(page, "replaced_old")[0]) == (
        ["dimm"], "P1-DIMMA1", "34A1B2CA",
    )  # fmt: skip
    assert 'name="after_repair" value="yes" aria' in page.raw  # not ticked
    sent = await operator.send_all(path, [*BY_HAND, *ROW[1:]])
    assert sent.status == 200
    run_id = (await runs_of(scene, machine))[0]
    assert await scene.server.store.read(lambda: repairs.find(run_id)) is None


async def test_what_a_repair_adds_is_shown_before_anything_starts(scene: Scene, operator: Visitor) -> None:
    machine = await broken(scene, 2)
    path = f"/hosts/{machine.host}/start"
    page = await operator.send_all(path, [*BY_HAND, *ROW, ("look", "yes")])
    assert page.status == 200
    assert "cpu_stress.ram_s" in page.text
    assert re.search(r"the memory is tested for longer, for DIMM A1 was replaced", page.text)
    assert re.search(r"CPUStress failed before the repair and is passed (twice|\d times): 90 % sure", page.text)
    assert re.search(r"each, \d ×, for it failed before the repair", page.text)
    assert 'name="confidence" type="number" min="50" max="99.9" step="any" value="90"' in page.raw
    assert values(page, "replaced_new")[0] == NEW
    assert re.search(r'value="sprint" required checked', page.raw)
    assert re.search(r'value="manual" required checked', page.raw)
    assert len(await runs_of(scene, machine)) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([("after_repair", "yes")], "names at least one part"),
        ([("after_repair", "yes"), ("replaced_kind", ""), ("replaced_slot", "A1")], "say what kind of part 'A1' is"),
        ([("after_repair", "yes"), ("replaced_kind", "ram"), ("replaced_slot", "A1")], "say what kind of part 'A1' is"),
        ([*ROW[:-1], ("confidence", "sure")], "a number of per cent"),
        ([*ROW[:-1], ("confidence", "100")], "from 50 % to 99.9 %"),
        ([*ROW[:2], ("replaced_slot", "Z9")], "no slot of repair-3 is called"),
        ([("after_repair", "yes"), ("replaced_kind", "disk"), ("replaced_new", "WD-1")], "does not have the new disk WD-1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("look", [True, False])
async def test_what_cannot_be_is_said_and_what_was_typed_stays(
    scene: Scene, operator: Visitor, fields: list[tuple[str, str]], says: str, look: bool
) -> None:
    machine = await broken(scene, 3) if "repair-3" not in scene.machines else scene.machines["repair-3"]
    path = f"/hosts/{machine.host}/start"
    sent = await operator.send_all(path, [*BY_HAND, *fields, *([("look", "yes")] if look else [])])
    assert sent.status in (400, 409)
    assert says in sent.text
    assert 'name="after_repair" value="yes" checked' in sent.raw
    for name, typed in fields:
        if name in ("replaced_slot", "replaced_new", "confidence"):
            assert f'value="{typed}"' in sent.raw
    assert len(await runs_of(scene, machine)) == 1


async def test_a_run_after_a_repair_says_on_its_page_what_was_proved_and_how_sure_it_is(
    scene: Scene, operator: Visitor, viewer: Visitor
) -> None:
    machine = await broken(scene, 4)
    sent = await operator.send_all(f"/hosts/{machine.host}/start", [*BY_HAND, *ROW])
    assert sent.status == 200
    ticket = re.search(r'<span id="ticket">([^<]+)</span>', sent.raw)
    run_id = (await runs_of(scene, machine))[0]
    page = await viewer.see(f"/runs/{run_id}")
    assert "After a repair" in page.text
    assert "Not looked at yet" in page.text
    assert ticket
    hand = Hand(scene, replace(machine, first_dimm=NEW), run_id, ticket[1], SPRINT, non_destructive=True)
    await hand.claim()
    await hand.reach("Storage")
    rows = await scene.server.store.read(lambda: attempts.attempts_of(run_id))
    passes = sum(row.stage == "CPUStress" for row in rows)
    assert passes >= 2
    page = await viewer.see(f"/runs/{run_id}")
    assert "DIMM P1-DIMMA1 was replaced: 34A1B2CA → 77F0AA01" in page.text
    assert f"After the repair it passed {'twice' if passes == 2 else f'{passes} times'}" in page.text
    assert "90 % was asked for" in page.text
    assert 'id="run-repair"' in page.raw
    told = await scene.server.desk.views.run(run_id)
    assert "proved: DIMM P1-DIMMA1 was replaced: 34A1B2CA → 77F0AA01" in told.repair
    deeds = await scene.server.store.read(lambda: audit.entries(run_id=run_id))
    assert [one.detail["replaced"] for one in deeds if one.what == "run.start"] == [["DIMM A1"]]
    assert "after a repair of DIMM A1" in (await operator.see("/audit")).text


async def test_a_new_board_asks_for_the_identity_to_be_learned_anew(scene: Scene, operator: Visitor) -> None:
    machine = await broken(scene, 5)
    board = [("after_repair", "yes"), ("replaced_kind", "board"), ("replaced_slot", "")]
    page = await operator.send_all(f"/hosts/{machine.host}/start", [*BY_HAND, *board, ("look", "yes")])
    assert "have its identity learned anew first (`vetting host relearn repair-5`)" in page.text
    sent = await operator.send_all(f"/hosts/{machine.host}/start", [*BY_HAND, *board])
    assert "have its identity learned anew first" in sent.text


async def test_a_host_without_a_failure_is_offered_nothing(scene: Scene, operator: Visitor) -> None:
    machine = await scene.machine("repair-6")
    page = await operator.see(f"/hosts/{machine.host}/start")
    assert "Something was replaced" in page.text
    assert "Filled in with" not in page.text
    assert chosen(page) == []
    assert "hidden" in re.findall(r'<section id="run-repair"[^>]*>', (await _run_page(scene, operator)).raw)[0]


async def _run_page(scene: Scene, operator: Visitor) -> Seen:
    hand = await scene.claimed("repair-6", non_destructive=True)
    return await operator.see(f"/runs/{hand.run_id}")
