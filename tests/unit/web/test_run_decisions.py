"""Deciding about a run in the console: the buttons that fit its state are those that the orchestrator takes, and no others."""

from __future__ import annotations

import re

import pytest

from tests.browser.scene import Scene
from tests.unit.web.visitor import Visitor
from vetting import wire
from vetting.domain.decisions import DECISIONS, Decision, decisions_open
from vetting.domain.errors import Refusal
from vetting.domain.states import IN_STAGE, RunState
from vetting.orchestrator import deciding
from vetting.orchestrator.moves import Turn
from vetting.store import attempts, audit, runs

pytestmark = pytest.mark.asyncio(loop_scope="module")
SEEN = re.compile(r'name="seen" value="([^"]*)"')


class _Undone(Exception):
    """What was done is rolled back."""


async def takes(scene: Scene, run_id: int, one: Decision) -> bool:
    """Whether the orchestrator would do it: it does, and nothing of it is kept."""

    def act() -> None:
        turn = Turn(at=scene.clock.now(), means=scene.server.desk.progress._means)
        because = wire.Because(reason="to try it", flags=one.flags)
        getattr(deciding, one.verb)(turn, runs.get(run_id), who="mira", because=because)
        raise _Undone

    try:
        await scene.server.store.write(act)
    except _Undone:
        return True
    except Refusal:
        return False
    raise AssertionError("it was kept")


async def buttons(visitor: Visitor, run_id: int) -> set[str]:
    """The decisions that the run's page links to."""
    page = await visitor.see(f"/runs/{run_id}")
    assert page.status == 200
    return set(re.findall(rf'href="/runs/{run_id}/([a-z-]+)" data-dialog', page.raw)) - {"key"}


async def put(scene: Scene, run_id: int, state: RunState, **changes: object) -> None:
    """Into a state by force, so that each of them is there to be tried."""

    def act() -> None:
        run = runs.get(run_id)
        assert run.state is state or runs.move(run_id, run.state, state, **changes)  # type: ignore[arg-type]

    await scene.server.store.write(act)


async def test_in_every_state_the_buttons_are_what_the_orchestrator_takes(
    scene: Scene, operator: Visitor, viewer: Visitor
) -> None:
    run = await scene.running("SMART")
    holds = [(RunState.FAILED_HOLDING, stage) for stage in (None, *IN_STAGE)]
    every = [(state, None) for state in RunState]
    for state, held_from, why in [
        *((*one, "UnexpectedData: LVM") for one in (*every, *holds)),
        *((*one, "fio lost") for one in holds),
    ]:
        stage = str(held_from or "claim")
        failed = {"failed_stage": stage, "held_from": held_from} if state is RunState.FAILED_HOLDING else {"failed_stage": "", "held_from": None}  # fmt: skip
        await put(scene, run.run_id, RunState.COMPLETED)
        await put(scene, run.run_id, state, reason=why, **failed)
        taken = {one.name for one in DECISIONS if await takes(scene, run.run_id, one)}
        shown = await buttons(operator, run.run_id)
        one_cancel = {"cancel", "cancel-reboot"}  # one verb, told in two ways
        assert shown - one_cancel == taken - one_cancel, (state, held_from, why)
        assert len(shown & one_cancel) == bool(taken & one_cancel), (state, held_from)
        assert await buttons(viewer, run.run_id) == set(), (state, held_from)
    await put(scene, run.run_id, RunState.COMPLETED)


async def test_a_decision_that_is_not_open_says_so_and_does_nothing(scene: Scene, operator: Visitor) -> None:
    run = await scene.running("SMART")
    page = await operator.see(f"/runs/{run.run_id}/release")
    assert (page.status, "This is not possible now: the run is SMART" in page.text) == (409, True)
    assert '<form method="post" action="/runs' not in page.raw
    sent = await operator.send(f"/runs/{run.run_id}/release", seen="in a stage")
    assert (sent.status, (await scene.run(run.run_id)).state) == (409, RunState.SMART)


async def test_a_viewer_decides_nothing(scene: Scene, viewer: Visitor) -> None:
    run = await scene.held()
    for one in decisions_open(RunState.FAILED_HOLDING, held_from=RunState.SMART, failed_stage="SMART"):
        assert (await viewer.see(f"/runs/{run.run_id}/{one.name}")).status == 403
        sent = await viewer.send(f"/runs/{run.run_id}/{one.name}", reason="why not", seen="FailedHolding, move 9")
        assert sent.status == 403
    assert (await scene.run(run.run_id)).state is RunState.FAILED_HOLDING


async def test_an_override_without_a_reason_is_refused_and_with_one_is_kept(scene: Scene, operator: Visitor) -> None:
    run = await scene.held(host="pve-over")
    path = f"/runs/{run.run_id}/override"
    page = await operator.see(path)
    assert "The agent on pve-over enters SMART again" in page.text
    seen = SEEN.search(page.raw)
    assert seen
    refused = await operator.send(path, reason="  ", seen=seen[1])
    assert (refused.status, "Nothing was changed. an override needs a reason" in refused.text) == (400, True)
    done = await operator.send(path, reason="the <cable> was loose", seen=seen[1])
    assert (done.status, done.headers["Location"]) == (303, f"/runs/{run.run_id}")
    assert (await scene.run(run.run_id)).state is RunState.SMART
    kept = await scene.server.store.read(lambda: audit.entries(run_id=run.run_id))
    assert ("mira", "run.override", "the <cable> was loose") in [(one.who, one.what, one.why) for one in kept]
    shown = await operator.see(f"/runs/{run.run_id}")
    assert f"Run {run.run_id} goes on." in shown.text
    assert "overridden by mira because: the <cable> was loose" in shown.text


async def test_a_decision_about_a_hold_that_is_past_is_refused_in_words(scene: Scene, operator: Visitor) -> None:
    run = await scene.held(host="pve-stale")
    seen = SEEN.search((await operator.see(f"/runs/{run.run_id}/override")).raw)
    assert seen
    await scene.server.desk.progress.retry(run.run_id, who="ann", because=wire.Because())  # somebody else was faster
    await run.obey()
    assert run.attempt == 2
    again = await operator.send(f"/runs/{run.run_id}/override", reason="mine", seen=seen[1])
    assert (again.status, f"run {run.run_id} has moved on since this page was shown" in again.text) == (409, True)
    await run.fail("once more")  # another hold of the same stage is another occasion
    late = await operator.send(f"/runs/{run.run_id}/override", reason="mine", seen=seen[1])
    assert (late.status, "it is FailedHolding (SMART) now; nothing was done" in late.text) == (409, True)
    assert "mine" in late.raw  # what was typed is not lost
    tried = await scene.server.store.read(lambda: attempts.attempts_of(run.run_id))
    assert [one.attempt for one in tried if one.stage == "SMART"] == [1, 2]
    unseen = await operator.send(f"/runs/{run.run_id}/override", reason="mine")
    assert unseen.status == 409


async def test_a_cancel_meant_for_a_stage_does_not_reach_a_hold(scene: Scene, operator: Visitor) -> None:
    run = await scene.running("CPUStress", "pve-cut")
    page = await operator.see(f"/runs/{run.run_id}/cancel")
    assert "kills every process of CPUStress; then pve-cut powers off and stays off" in page.text
    seen = SEEN.search(page.raw)
    assert seen
    await run.fail("too hot")
    refused = await operator.send(f"/runs/{run.run_id}/cancel", seen=seen[1])
    assert (refused.status, "it is FailedHolding (CPUStress) now" in refused.text) == (409, True)
    assert (await scene.run(run.run_id)).state is RunState.FAILED_HOLDING


async def test_a_cancel_of_a_run_whose_stages_turned_over_is_what_was_meant(scene: Scene, operator: Visitor) -> None:
    run = await scene.running("SMART", "pve-turn")
    seen = SEEN.search((await operator.see(f"/runs/{run.run_id}/cancel")).raw)
    assert seen
    await run.finish()
    done = await operator.send(f"/runs/{run.run_id}/cancel", seen=seen[1])
    assert (done.status, (await scene.run(run.run_id)).state) == (303, RunState.CANCELLED)


async def test_an_override_of_the_wipe_probe_names_the_disks_and_says_erased(scene: Scene, operator: Visitor) -> None:
    run = await scene.unexpected_data("pve-wipe")
    page = await operator.see(f"/runs/{run.run_id}/override-wipe-probe")
    for serial in run.machine.serials:
        assert serial in page.text
    assert "The disks below will be ERASED" in page.text
    assert "LVM physical volume of group pve at 1 MiB" in page.text
    seen = SEEN.search(page.raw)
    assert seen
    done = await operator.send(f"/runs/{run.run_id}/override-wipe-probe", reason="old data, may go", seen=seen[1])
    assert done.status == 303
    await run.obey()
    assert (run.stage, run.attempt, run.flags) == ("Storage", 2, ("wipe_probe",))
    await run.finish()
    shown = await operator.see(f"/runs/{run.run_id}")
    assert "Passed, overridden" in shown.text  # no plain green
