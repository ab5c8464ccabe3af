"""Every branch of the control loop, against an orchestrator that really speaks HTTPS."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from tests.fakes.orchestrator import KEY, TICKET, TOKEN, certificate, onward, over
from tests.unit.agent.conftest import BOOT, Bench, TinyStage, never_ends, stages
from vetting import wire
from vetting.domain.errors import BadInput, Conflict, Forbidden, NotAllowed, ProtocolMismatch, StageMismatch, TooLarge
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, Inventory
from vetting.domain.outcome import Outcome, Verdict
from vetting.stages.base import Deps


def order(cmd: str, **parts: object) -> wire.Command:
    return wire.Command(cmd=cmd, **parts)  # type: ignore[arg-type]


async def test_it_walks_the_stages_that_it_is_told_and_ends_when_told(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): onward("Firmware"), ("Firmware", 1): over()}
    async with bench.running(stages(TinyStage("Inventory"), TinyStage("Firmware"))) as agent:
        await server.until(lambda: len(server.results) == 2 and server.beats[-1].doing == "idle")
        server.command = order("shutdown")
        assert await asyncio.wait_for(agent, 10) == 0
    assert [(r.stage, r.attempt, r.outcome.verdict) for r in server.results] == [
        ("Inventory", 1, Verdict.PASS),
        ("Firmware", 1, Verdict.PASS),
    ]
    assert server.claims[0][0] == TICKET
    assert server.claims[0][1].identity == Identity(
        smbios_uuid="4c4c4544-0042-4a10-8052-b4c04f4e3233", macs=("52:54:00:ab:cd:ef",), disk_serials=("WD-123",)
    )
    assert not server.claims[0][1].live_image
    assert server.hellos[0].boot_id == BOOT


async def test_a_stage_that_passed_runs_again_where_it_is_told_to_with_evidence_of_its_own(bench: Bench) -> None:
    """After a repair the test that failed before it is passed more than once; nothing of one pass is left to the next."""
    server = bench.orchestrator
    server.answers = {("Inventory", 1): onward("Inventory", 2), ("Inventory", 2): over()}
    found: list[bool] = []

    async def act(deps: Deps) -> Outcome:
        mark = Path(deps.lasting("checkpoint"))
        found.append(mark.exists())
        mark.write_text("finished")
        deps.artifact("answer.txt", str(len(found)).encode(), "text/plain")
        return Outcome.ok()

    async with bench.running(stages(TinyStage("Inventory", act))):
        await server.until(lambda: len(server.results) == 2)
    assert [(one.attempt, one.outcome.verdict) for one in server.results] == [(1, Verdict.PASS), (2, Verdict.PASS)]
    assert [server.artifacts["Inventory", attempt, "answer.txt"] for attempt in (1, 2)] == [b"1", b"2"]
    assert found == [False, False]


async def test_heartbeats_tell_stage_attempt_and_progress(bench: Bench) -> None:
    async def act(deps: Deps) -> Outcome:
        deps.progress(3, 10, "MiB", "surface")
        return await never_ends(deps)

    async with bench.running(stages(TinyStage("Inventory", act))):
        await bench.orchestrator.until(lambda: any(b.progress.done == 3 for b in bench.orchestrator.beats))
    beat = bench.orchestrator.beats[-1]
    assert (beat.doing, beat.stage, beat.attempt, beat.boot_id) == ("running", "Inventory", 1, BOOT)
    assert beat.progress == wire.Progress(done=3, of=10, unit="MiB", note="surface")
    assert [b.seq for b in bench.orchestrator.beats] == list(range(1, len(bench.orchestrator.beats) + 1))


async def test_samples_logs_and_thermals_arrive_before_the_result_and_are_tagged_with_the_stage(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over()}

    async def act(deps: Deps) -> Outcome:
        deps.sample("net.eno1.tx_mb_s", 941.0, "MB/s")
        deps.log("half way")
        deps.artifact("answer.json", b"{}", "application/json")
        return Outcome.ok()

    async with bench.running(stages(TinyStage("Inventory", act))):
        await server.until(lambda: server.results)
    before = server.order[: server.order.index("result")]
    assert {"sensor", "log", "artifact"} <= set(before)
    batch = next(b for b in server.sensors if "net.eno1.tx_mb_s" in b.names)
    assert batch.stage == "Inventory"
    assert any("temp.coretemp.package-id-0" in b.names for b in server.sensors)
    assert any(line.stage == "Inventory" and line.text == "half way" for b in server.logs for line in b.lines)
    assert server.artifacts["Inventory", 1, "answer.json"] == b"{}"
    assert server.results[0].outcome.artifacts[0].name == "answer.json"


async def test_cancel_stops_the_stage_posts_cancelled_and_waits_for_the_end(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over("Cancelled", "CANCELLED")}
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)) as agent:
        await asyncio.wait_for(stage.begun.wait(), 10)
        server.command = order("cancel_stage", reason="cancelled by an operator")
        await server.until(lambda: server.results and server.beats[-1].doing == "idle")
        server.command = order("shutdown")
        assert await asyncio.wait_for(agent, 10) == 0
    outcome = server.results[0].outcome
    assert outcome.verdict is Verdict.CANCELLED
    assert outcome.reason == "cancelled by an operator"
    assert len(server.results) == 1


async def test_a_cancel_for_another_attempt_is_not_ours(bench: Bench) -> None:
    server = bench.orchestrator
    stage = TinyStage("Inventory", never_ends)
    server.command = order("cancel_stage", stage="Inventory", attempt=9)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
        heard = len(server.beats)
        await server.until(lambda: len(server.beats) > heard + 3)
        assert server.beats[-1].doing == "running"
    assert not server.results


async def test_a_failed_stage_is_held_and_a_retry_brings_flags_and_permit(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over("FailedHolding", "FAIL"), ("Inventory", 2): over()}
    stage = TinyStage("Inventory", Outcome.fail("UnexpectedData"))
    async with bench.running(stages(stage)):
        await server.until(lambda: server.holds)
        assert server.holds[0].reason == "Inventory: UnexpectedData"
        assert server.holds[0].addresses
        heard = len(server.beats)
        await server.until(lambda: len(server.beats) > heard + 2)
        assert server.beats[-1].doing == "holding"
        server.command = order(
            "retry_stage", stage="Inventory", attempt=2, override_flags=("wipe_probe",), permit="signed"
        )
        await server.until(lambda: len(server.results) == 2 and server.beats[-1].doing == "idle")
        heard = len(server.beats)  # the order is repeated for a while; it was carried out already
        await server.until(lambda: len(server.beats) > heard + 3)
    assert [job.override_flags for job in stage.jobs] == [(), ("wipe_probe",)]
    assert stage.jobs[1].permit == "signed"
    assert len(server.results) == 2


async def test_nothing_is_done_to_a_machine_that_is_not_the_live_image(bench: Bench) -> None:
    server = bench.orchestrator
    server.claims_again(holding=True, current_stage="", current_state="FailedHolding")
    async with bench.running(stages()) as agent:
        await server.until(lambda: server.holds)
        server.command = order("reboot")
        assert await asyncio.wait_for(agent, 10) == 0
    assert "the machine stays as it is" in bench.said.getvalue()
    assert KEY not in bench.said.getvalue()
    assert not (bench.root / "root/.ssh").exists()


async def test_a_claim_that_says_holding_runs_nothing(bench: Bench) -> None:
    stage = TinyStage("Inventory")
    bench.orchestrator.claims_again(holding=True, current_state="FailedHolding")
    async with bench.running(stages(stage)):
        await bench.orchestrator.until(lambda: bench.orchestrator.holds)
    assert not stage.jobs


async def test_abort_ends_at_once_and_posts_nothing(bench: Bench) -> None:
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)) as agent:
        await asyncio.wait_for(stage.begun.wait(), 10)
        bench.orchestrator.command = order("abort", reason="this is not the host on record")
        assert await asyncio.wait_for(agent, 10) == 1
    assert not bench.orchestrator.results
    assert "this is not the host on record" in bench.said.getvalue()


async def test_a_shutdown_mid_stage_still_posts_the_cancelled_outcome(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over("Cancelled")}
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)) as agent:
        await asyncio.wait_for(stage.begun.wait(), 10)
        server.command = order("shutdown")
        assert await asyncio.wait_for(agent, 10) == 0
    assert [r.outcome.verdict for r in server.results] == [Verdict.CANCELLED]


async def test_a_stale_token_stops_the_stage_and_says_so(bench: Bench) -> None:
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)) as agent:
        await asyncio.wait_for(stage.begun.wait(), 10)
        bench.orchestrator.token = "another incarnation's"
        assert await asyncio.wait_for(agent, 10) == 3
    assert not bench.orchestrator.results
    assert "does not know this run's token" in bench.said.getvalue()


async def test_after_a_finished_run_the_dead_token_is_the_end(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): over()}
    async with bench.running(stages(TinyStage("Inventory"))) as agent:
        await server.until(lambda: server.beats and server.beats[-1].doing == "idle" and server.results)
        server.token = "gone with the run"
        assert await asyncio.wait_for(agent, 10) == 0


async def test_another_protocol_is_said_plainly_and_no_token_is_sent(bench: Bench) -> None:
    bench.orchestrator.protocol = 2
    with pytest.raises(ProtocolMismatch, match="this agent speaks protocol 1 and the orchestrator 2"):
        await bench.agent(stages())
    bench.orchestrator.refuse = {"hello": [ProtocolMismatch("this orchestrator speaks protocol 2 and the agent 1")]}
    with pytest.raises(ProtocolMismatch, match="speaks protocol 2 and the agent 1"):
        await bench.agent(stages())
    assert not bench.orchestrator.claims


async def test_another_protocol_in_the_middle_ends_the_agent(bench: Bench) -> None:
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)) as agent:
        await asyncio.wait_for(stage.begun.wait(), 10)
        bench.orchestrator.refuse = {"heartbeat": [ProtocolMismatch("upgraded")]}
        assert await asyncio.wait_for(agent, 10) == 4


async def test_a_server_with_another_certificate_hears_nothing(bench: Bench) -> None:
    _, _, other = certificate(bench.state_dir.parent, "other")
    with pytest.raises(Forbidden, match="not the pinned one"):
        await bench.agent(stages(), fingerprint=other)
    assert not bench.orchestrator.order


async def test_a_ticket_that_is_refused_is_said(bench: Bench) -> None:
    with pytest.raises(NotAllowed):
        await bench.agent(stages(), ticket="used-up")


async def test_without_any_secret_it_says_what_to_give(bench: Bench) -> None:
    with pytest.raises(NotAllowed, match="--ticket-file"):
        await bench.agent(stages(), ticket="")


async def test_the_server_may_be_away_at_the_start_and_in_the_middle(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): onward("Firmware"), ("Firmware", 1): over()}
    go_on = asyncio.Event()

    async def act(deps: Deps) -> Outcome:
        await go_on.wait()
        deps.sample("temp.x", 1.0, "C")
        return Outcome.ok("done while nobody listened")

    stage = TinyStage("Inventory", act)
    await server.leave()
    async with bench.running(stages(stage, TinyStage("Firmware"))):
        await bench.until(lambda: "trying again" in bench.said.getvalue())
        await server.come_back()
        await asyncio.wait_for(stage.begun.wait(), 20)
        await server.leave()
        go_on.set()
        await bench.until((bench.state_dir / "result.json").exists)
        await server.come_back()
        await server.until(lambda: len(server.results) == 2)
    assert server.results[0].outcome.reason == "done while nobody listened"
    assert any("temp.x" in batch.names for batch in server.sensors)
    assert "the orchestrator answers again" in bench.said.getvalue()


async def test_a_result_without_an_answer_is_posted_again_as_it_was(bench: Bench) -> None:
    server = bench.orchestrator
    server.refuse = {"result": [500, 503, 502]}
    server.answers = {("Inventory", 1): over()}
    async with bench.running(stages(TinyStage("Inventory"))):
        await server.until(lambda: server.results)
    assert server.order.count("result") == 4


async def test_a_result_for_another_stage_holds_the_host(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {("Inventory", 1): StageMismatch("Inventory (expected CPUStress)")}
    async with bench.running(stages(TinyStage("Inventory"))):
        await server.until(lambda: server.holds)
    assert server.holds[0].reason == "Inventory (expected CPUStress)"


@pytest.mark.parametrize("refusal", [TooLarge("over 8 MiB"), BadInput("a number is missing")])
async def test_a_result_refused_for_its_form_is_told_without_its_bulk(bench: Bench, refusal: Exception) -> None:
    server = bench.orchestrator
    server.refuse = {"result": [refusal, refusal]}  # type: ignore[list-item]
    server.answers = {("Inventory", 1): over("FailedHolding", "ERROR")}
    async with bench.running(stages(TinyStage("Inventory"))):
        await server.until(lambda: server.holds)
    assert server.results[0].outcome.verdict is Verdict.ERROR
    assert str(refusal) in server.results[0].outcome.reason


async def test_an_artifact_that_is_refused_does_not_stop_the_run(bench: Bench) -> None:
    server = bench.orchestrator
    server.refuse = {"artifact": [TooLarge("the run's quota is used up")]}
    server.answers = {("Inventory", 1): over()}

    async def act(deps: Deps) -> Outcome:
        deps.artifact("big.txt", b"x")
        return Outcome.ok()

    async with bench.running(stages(TinyStage("Inventory", act))):
        await server.until(lambda: server.results)
    assert not server.artifacts
    assert [ref.name for ref in server.results[0].outcome.artifacts] == ["big.txt"]  # promised, so its absence is seen


async def test_an_agent_restarted_within_the_same_boot_goes_on_where_it_is_told(bench: Bench) -> None:
    server = bench.orchestrator
    first, second = TinyStage("CPUStress", never_ends), TinyStage("CPUStress")
    server.claims_again(current_stage="CPUStress", current_state="CPUStress")
    async with bench.running(stages(first)):
        await asyncio.wait_for(first.begun.wait(), 10)
    server.claims_again(attempt=2)
    server.answers = {("CPUStress", 2): over()}
    async with bench.running(stages(second)):
        await server.until(lambda: server.results)
    assert [bearer for bearer, _ in server.claims] == [TICKET, TOKEN]
    assert (server.results[0].stage, server.results[0].attempt) == ("CPUStress", 2)
    assert "the agent was restarted: going on with run 7 at CPUStress, attempt 2" in bench.said.getvalue()


async def test_after_a_reboot_the_old_token_is_not_used(bench: Bench) -> None:
    server = bench.orchestrator
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
    (bench.root / "proc/sys/kernel/random/boot_id").write_text("another-boot\n")
    async with bench.running(stages(TinyStage("Inventory", never_ends))):
        await server.until(lambda: len(server.claims) == 2)
    assert [bearer for bearer, _ in server.claims] == [TICKET, TICKET]


async def test_a_new_ticket_is_a_new_run(bench: Bench) -> None:
    server = bench.orchestrator
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
    with pytest.raises(NotAllowed):
        await bench.agent(stages(), ticket="of-another-run")
    assert server.claims[-1][0] == "of-another-run"


async def test_a_result_that_outlived_its_agent_is_delivered_before_the_next_claim(bench: Bench) -> None:
    server = bench.orchestrator
    go_on = asyncio.Event()

    async def act(deps: Deps) -> Outcome:
        deps.artifact("log.txt", b"evidence")
        await go_on.wait()
        return Outcome.ok("eighteen hours of burn")

    stage = TinyStage("Inventory", act)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
        await server.leave()
        go_on.set()
        await bench.until((bench.state_dir / "result.json").exists)
    await server.come_back()
    server.order.clear()
    server.answers = {("Inventory", 1): onward("Firmware"), ("Firmware", 1): over()}
    server.claims_again(current_stage="Firmware", current_state="Firmware")
    async with bench.running(stages(TinyStage("Firmware"))):
        await server.until(lambda: len(server.results) == 2)
    assert [r.outcome.reason for r in server.results] == ["eighteen hours of burn", "fine"]
    assert server.order.index("result") < server.order.index("claim")
    assert server.artifacts["Inventory", 1, "log.txt"] == b"evidence"


async def test_the_inventory_reaches_later_stages_also_after_a_restart(bench: Bench) -> None:
    import msgspec

    server = bench.orchestrator
    found = Inventory(
        identity=Identity(), cpu=FoundCpu(model="EPYC", sockets=1, cores=8, threads=16), memory_bytes=2**34
    )
    server.answers = {("Inventory", 1): onward("SMART"), ("SMART", 2): over()}
    inventory = TinyStage("Inventory", Outcome.ok(data={"inventory": msgspec.to_builtins(found)}))
    smart = TinyStage("SMART", never_ends)
    async with bench.running(stages(inventory, smart)):
        await asyncio.wait_for(smart.begun.wait(), 10)
    server.claims_again(current_stage="SMART", attempt=2)
    again = TinyStage("SMART")
    async with bench.running(stages(again)):
        await server.until(lambda: len(server.results) == 2)
    assert inventory.jobs[0].inventory is None
    assert smart.jobs[0].inventory == found
    assert again.jobs[0].inventory == found


async def test_two_agents_do_not_share_a_state_directory(bench: Bench) -> None:
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
        with pytest.raises(BadInput, match="another agent runs"):
            await bench.agent(stages())


async def test_secrets_stay_out_of_logs_and_in_files_that_only_the_owner_reads(bench: Bench) -> None:
    server = bench.orchestrator
    server.refuse = {"claim": [503], "heartbeat": [500, Conflict("no")]}
    stage = TinyStage("Inventory", never_ends)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
        await server.until(lambda: server.logs and len(server.beats) > 3)
    said = bench.said.getvalue() + "\n".join(server.lines)
    assert TOKEN not in said
    assert TICKET not in said
    assert TICKET not in repr(bench.settings())
    for path in bench.state_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert TICKET not in (bench.state_dir / "agent.json").read_text()


async def test_a_retry_ordered_while_the_old_attempt_runs_replaces_it(bench: Bench) -> None:
    server = bench.orchestrator
    server.answers = {
        ("Inventory", 1): StageMismatch("that attempt is over"),
        ("Inventory", 2): over(),
    }
    acts = iter([never_ends, None])

    async def act(deps: Deps) -> Outcome:
        this = next(acts)
        return await this(deps) if this else Outcome.ok()

    stage = TinyStage("Inventory", act)
    async with bench.running(stages(stage)):
        await asyncio.wait_for(stage.begun.wait(), 10)
        server.command = order("retry_stage", stage="Inventory", attempt=2)
        await server.until(lambda: len(server.results) == 2)
    assert [r.outcome.verdict for r in server.results] == [Verdict.CANCELLED, Verdict.PASS]


async def test_an_order_that_comes_between_two_stages_is_not_lost(bench: Bench) -> None:
    server = bench.orchestrator

    def answer(result: wire.Result) -> wire.ResultReply:
        assert bench.agent_now is not None
        bench.agent_now.orders.heard(order("abort"))
        return onward("Firmware")

    server.answers = {("Inventory", 1): answer}
    firmware = TinyStage("Firmware", never_ends)
    async with bench.running(stages(TinyStage("Inventory"), firmware)) as agent:
        assert await asyncio.wait_for(agent, 10) == 1


async def test_sessions_of_another_boot_name_strangers(bench: Bench) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        (bench.state_dir / "sessions").mkdir(parents=True)
        up = Path("/proc/uptime").read_text().split()[0]
        (bench.state_dir / "sessions" / str(stranger.pid)).write_text(up)
        stage = TinyStage("Inventory", never_ends)
        async with bench.running(stages(stage)):
            await asyncio.wait_for(stage.begun.wait(), 10)
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()
