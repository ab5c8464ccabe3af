"""Reporting as a stage: written, read back, recorded, completed in one turn; or held, with the reason."""

from __future__ import annotations

import asyncio
import json as plain
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes import records
from vetting.clock import SystemClock
from vetting.config import Config
from vetting.domain.errors import BadInput, NotFound, Unavailable
from vetting.domain.outcome import Verdict
from vetting.domain.states import Event, RunState
from vetting.orchestrator import reporting
from vetting.orchestrator.moves import Means, Turn
from vetting.orchestrator.reporting import Reporting
from vetting.orchestrator.witness import Witnesses
from vetting.report import json
from vetting.store import Store, artifacts, attempts, runs
from vetting.store.artifacts import Room
from vetting.store.rows import RunRow

T = TypeVar("T")


class Desk:
    """Reporting over a store, and turns as `Progress` takes them."""

    def __init__(self, store: Store, data: Path) -> None:
        self.store, self.data = store, data
        self.room = Room(data, quota_bytes=64 * 1024**2)
        self.reporting = Reporting(store=store, room=self.room, data_dir=data, clock=SystemClock())
        self.means = Means(
            config=Config(), stages={}, signer=Ed25519PrivateKey.generate(), witnesses=Witnesses(SystemClock())
        )
        self.turns = 0

    async def turn(self, act: Callable[[Turn], T]) -> T:
        self.turns += 1
        return await self.store.write(lambda: act(Turn(at=records.BEGIN + 9000, means=self.means)))

    def run(self, story: records.Story) -> RunRow:
        return self.store.read_now(lambda: runs.get(story.run_id))


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path / "data")


async def test_the_stage_tells_what_was_hot_and_then_completes_the_run_in_one_turn(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    await desk.reporting.complete(story.run_id, desk.turn)
    run = desk.run(story)
    assert (run.state, desk.turns) == (RunState.COMPLETED, 2)
    assert run.verdict == "Vetted: every stage passed (GPU skipped: no GPU in this host)."
    assert run.verdict_detail["word"] == "vetted"
    assert run.ended_at == records.BEGIN + 9000
    page = Path(run.verdict_detail["report"])
    assert page == desk.data / "reports" / f"run-{run.id}" / "report.html"
    assert page.read_text().rstrip().endswith("</html>")
    latest = store.read_now(lambda: attempts.latest(run.id, "Reporting"))
    assert latest is not None
    assert latest.verdict is Verdict.PASS


async def test_the_files_on_disk_are_what_render_gives_afterwards(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    await desk.reporting.complete(story.run_id, desk.turn)
    folder = desk.data / "reports" / f"run-{story.run_id}"
    for kind in ("html", "json"):
        assert (folder / f"report.{kind}").read_bytes() == await desk.reporting.render(story.run_id, kind)


async def test_both_files_are_artifacts_of_the_attempt_and_promised_by_its_outcome(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    await desk.reporting.complete(story.run_id, desk.turn)
    rows = store.read_now(lambda: artifacts.artifacts_of(story.run_id, "Reporting", 1))
    outcome = store.read_now(lambda: attempts.outcome_of(story.run_id, "Reporting", 1))
    assert outcome is not None
    assert {row.name: row.sha256 for row in rows} == {ref.name: ref.sha256 for ref in outcome.artifacts}
    assert {row.name for row in rows} == {"report.html", "report.json"}
    assert [desk.room.objection(row) for row in rows] == ["", ""]
    folder = desk.data / "reports" / f"run-{story.run_id}"
    assert all(desk.room.read(row) == (folder / row.name).read_bytes() for row in rows)


async def test_a_report_that_cannot_be_written_is_our_error_and_holds_the_run(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    (desk.data / "reports").write_text("a file where the folder should be")
    await desk.reporting.complete(story.run_id, desk.turn)
    run = desk.run(story)
    assert (run.state, run.failed_stage) == (RunState.FAILED_HOLDING, "Reporting")
    assert "the report could not be written" in run.reason
    latest = store.read_now(lambda: attempts.latest(run.id, "Reporting"))
    assert latest is not None
    assert latest.verdict is Verdict.ERROR


async def test_a_held_reporting_can_be_entered_again(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    wrong = desk.data / "reports"
    wrong.write_text("a file where the folder should be")
    await desk.reporting.complete(story.run_id, desk.turn)
    wrong.unlink()
    story.move(Event.OPERATOR_RETRIED, after_s=60, failed_stage="", reason="")
    story.begin()
    await desk.reporting.complete(story.run_id, desk.turn)
    data = plain.loads(await desk.reporting.render(story.run_id, "json"))
    assert desk.run(story).state is RunState.COMPLETED
    assert [one["mark"] for one in data["stages"][-1]["attempts"]] == ["ERROR", "PASS"]
    assert any("Reporting passed at attempt 2 after ERROR" in said for said in data["verdict"]["qualifiers"])


async def test_a_disk_that_gives_back_something_else_is_found_out(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = records.vetted(store)
    put = reporting.put
    monkeypatch.setattr(reporting, "put", lambda path, content: put(path, content[: len(content) // 2]))
    await desk.reporting.complete(story.run_id, desk.turn)
    run = desk.run(story)
    assert run.state is RunState.FAILED_HOLDING
    assert "cannot be read back" in run.reason


@pytest.mark.parametrize(
    "damage", [lambda page: page[:-200], lambda page: page.replace(b"Vetted: every stage passed", b"?")]
)
async def test_a_damaged_page_is_found_out(damage: Callable[[bytes], bytes], store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    await desk.reporting.complete(story.run_id, desk.turn)
    folder = desk.data / "reports" / f"run-{story.run_id}"
    report = json.parse((folder / "report.json").read_bytes())
    page = folder / "report.html"
    page.write_bytes(damage(page.read_bytes()))
    with pytest.raises(Unavailable, match="cut short"):
        reporting.read_back(page, folder / "report.json", report)


async def test_a_run_that_is_not_in_reporting_is_left_alone(store: Store, desk: Desk) -> None:
    story = records.failed_hot(store)
    before = desk.run(story)
    await desk.reporting.complete(story.run_id, desk.turn)
    assert desk.run(story) == before
    assert desk.turns == 0


async def test_a_run_that_was_cancelled_while_we_wrote_stays_cancelled(store: Store, desk: Desk) -> None:
    story = records.vetted(store)

    async def late(act: Callable[[Turn], T]) -> T:
        if desk.run(story).state is RunState.REPORTING:
            story.move(Event.OPERATOR_CANCELLED, who="mira", why="changed my mind")
        return await desk.turn(act)

    # `move` is synchronous and belongs into a thread of its own, for the store answers on the loop
    await asyncio.wait_for(desk.reporting.complete(story.run_id, late), 30)
    assert desk.run(story).state is RunState.CANCELLED


async def test_a_held_run_gets_its_verdict_and_a_running_one_does_not(store: Store, desk: Desk) -> None:
    held = records.failed_hot(store)
    running = records.up_to_cpu(records.Story(store, name="pve-r7-09"))
    path = await desk.reporting.write(held.run_id)
    await desk.reporting.write(running.run_id)
    assert desk.run(held).verdict.startswith("Failed in CPUStress: temp.coretemp.package-id-0 reached 97.4")
    assert desk.run(held).verdict_detail["report"] == str(path)
    assert desk.run(running).verdict == ""
    assert not (desk.data / "artifacts").exists(), "files without a row"


async def test_writing_again_replaces_the_files_whole_and_leaves_nothing_behind(store: Store, desk: Desk) -> None:
    story = records.vetted(store)
    await desk.reporting.complete(story.run_id, desk.turn)
    before = {one.name: one.stat().st_ino for one in (desk.data / "reports" / f"run-{story.run_id}").iterdir()}
    await asyncio.gather(*(desk.reporting.write(story.run_id) for _ in range(4)))
    folder = desk.data / "reports" / f"run-{story.run_id}"
    after = {one.name: one.stat().st_ino for one in folder.iterdir()}
    assert set(after) == {"report.html", "report.json"}
    assert after != before
    rows = store.read_now(lambda: artifacts.artifacts_of(story.run_id, "Reporting"))
    assert sorted(row.name for row in rows) == ["report.html", "report.json"]


async def test_a_full_disk_is_one_sentence(store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    story = records.failed_hot(store)

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match=r"full: free some space"):
        await desk.reporting.write(story.run_id)
    monkeypatch.undo()
    folder = desk.data / "reports" / f"run-{story.run_id}"
    assert list(folder.iterdir()) == []


async def test_unknown_runs_and_formats_are_refused(store: Store, desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.reporting.render(5, "html")
    with pytest.raises(BadInput, match="html, json"):
        await desk.reporting.render(5, "pdf")
