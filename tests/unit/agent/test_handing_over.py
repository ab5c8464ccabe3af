"""What a stage hands over while it runs, what stops its writing, and what it keeps for the attempt after an agent's death."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.orchestrator import over
from tests.unit.agent.conftest import Bench, TinyStage, stages
from vetting import wire
from vetting.agent.kept import Shelf
from vetting.domain.errors import Conflict, TooLarge
from vetting.domain.outcome import Outcome, Verdict
from vetting.stages.base import Deps, NotTaken

LARGE = 8 * 1024**2 + 300  # saved ends of a disk: beyond the 8 MiB that other evidence is cut at


async def outcome_of(bench: Bench, act: Callable[[Deps], Awaitable[Outcome]]) -> Outcome:
    server = bench.orchestrator
    server.answers = {("Storage", 1): over()}
    server.claims_again(current_stage="Storage")
    async with bench.running(stages(TinyStage("Storage", act))):
        await server.until(lambda: server.results)
    return server.results[0].outcome


async def test_a_file_is_with_the_orchestrator_when_the_upload_returns_and_is_sent_once(bench: Bench) -> None:
    data, there = bytes(range(251)) * (LARGE // 251), []

    async def act(deps: Deps) -> Outcome:
        ref = await deps.upload("heads sda.bin", deps.write_scratch("x", data))
        there.append((dict(bench.orchestrator.artifacts), ref))
        return Outcome.ok()

    outcome = await outcome_of(bench, act)
    ((stored, ref),) = there
    assert stored == {("Storage", 1, "heads-sda.bin"): data}
    assert (ref.sha256, ref.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert ref in outcome.artifacts
    assert bench.orchestrator.order.count("artifact") == 1
    assert not [line for line in bench.orchestrator.lines if "cannot be read" in line]


async def test_two_files_of_one_name_are_two(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        refs = [await deps.upload("heads.bin", deps.write_scratch(str(n), b"%d" % n)) for n in (1, 2)]
        return Outcome.ok(" ".join(ref.name for ref in refs))

    assert (await outcome_of(bench, act)).reason == "heads.bin heads-2.bin"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Conflict("run 7 is over"), "refused heads.bin: run 7 is over"),
        (TooLarge("the quota is used up"), "refused heads.bin: the quota is used up"),
        (503, "did not acknowledge heads.bin within 0.2 s"),
    ],
)
async def test_what_the_orchestrator_did_not_take_is_an_error_and_no_promise(
    bench: Bench, refusal: Conflict | int, words: str
) -> None:
    bench.orchestrator.refuse = {"artifact": [refusal] * (1 if isinstance(refusal, Conflict | TooLarge) else 100_000)}

    async def act(deps: Deps) -> Outcome:
        with pytest.raises(NotTaken, match=words):
            await deps.upload("heads.bin", deps.write_scratch("x", b"1"), limit_s=0.2)
        return Outcome.ok()

    assert not (await outcome_of(bench, act)).artifacts


async def test_a_file_that_is_not_there_is_not_taken(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        with pytest.raises(NotTaken, match="cannot be read"):
            await deps.upload("heads.bin", deps.scratch("none"))
        return Outcome.ok()

    assert (await outcome_of(bench, act)).verdict is Verdict.PASS


async def test_an_answer_about_another_file_is_not_believed(bench: Bench) -> None:
    take = bench.orchestrator._artifact

    async def artifact(request: object, bearer: str) -> wire.ArtifactReply:
        stored = await take(request, bearer)  # type: ignore[arg-type]
        return wire.ArtifactReply(name=stored.name, sha256="00" * 32, size_bytes=stored.size_bytes)

    bench.orchestrator._artifact = artifact  # type: ignore[method-assign]

    async def act(deps: Deps) -> Outcome:
        with pytest.raises(NotTaken, match="stored another file"):
            await deps.upload("heads.bin", deps.write_scratch("x", b"1"))
        return Outcome.ok()

    assert not (await outcome_of(bench, act)).artifacts


@pytest.mark.parametrize("cmd", ["cancel_stage", "abort"])
async def test_the_stop_file_is_there_before_the_programs_of_a_cancelled_stage_are_killed(
    bench: Bench, cmd: str
) -> None:
    seen: list[bool] = []
    begun = asyncio.Event()

    async def act(deps: Deps) -> Outcome:
        seen.append(Path(deps.stop_file).exists())
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(Path(deps.stop_file).exists())
        return Outcome.ok()

    server = bench.orchestrator
    server.claims_again(current_stage="Storage")
    server.answers = {("Storage", 1): over("Cancelled", "CANCELLED")}
    async with bench.running(stages(TinyStage("Storage", act))):
        await asyncio.wait_for(begun.wait(), 20)
        server.command = wire.Command(cmd=cmd, reason="STOP is set")
        await bench.until(lambda: len(seen) == 2)
    assert seen == [False, True]


async def test_what_lasts_is_found_after_the_agents_death_and_gone_once_the_stage_concluded(bench: Bench) -> None:
    found: list[bool] = []
    begun = asyncio.Event()

    async def act(deps: Deps) -> Outcome:
        path = Path(deps.lasting("disk.checkpoint"))
        found.append(path.exists())
        path.write_text("half")
        begun.set()
        if len(found) == 1:
            await asyncio.Event().wait()
        return Outcome.ok()

    server = bench.orchestrator
    server.claims_again(current_stage="Storage")
    async with bench.running(stages(TinyStage("Storage", act))):  # it ends with the task: as SIGTERM does
        await asyncio.wait_for(begun.wait(), 20)
    assert not server.results
    server.claims_again(attempt=2)
    server.answers = {("Storage", 2): over("FailedHolding", "ERROR")}
    async with bench.running(stages(TinyStage("Storage", act))):
        await server.until(lambda: server.holds)
        server.answers = {("Storage", 3): over()}
        server.command = wire.Command(cmd="retry_stage", stage="Storage", attempt=3)
        await server.until(lambda: len(server.results) == 2)
    assert found == [False, True, False]


def test_another_stage_and_another_run_find_nothing_of_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for run_id, stage in ((7, "Storage"), (7, "Burn"), (8, "Burn")):
        folder = shelf.lasting_folder(run_id, stage)
        assert not list(folder.iterdir())
        (folder / "mark").touch()
        assert [one.name for one in (tmp_path / "lasting").iterdir()] == [f"{run_id}-{stage}"]
    assert list(shelf.lasting_folder(8, "Burn").iterdir())
    shelf.forget_run()
    assert not list(shelf.lasting_folder(8, "Burn").iterdir())
