"""What the kernel of a host under test says by UDP: who is believed to be whom, what is kept, and that it judges nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.orchestrator.conftest import World
from vetting import wire
from vetting.domain.outcome import Outcome, Severity
from vetting.domain.states import RunState
from vetting.orchestrator.lastwords import FILE
from vetting.orchestrator.netconsole import KEPT, TOLD_OF_A_RUN, Netconsole, addresses, plain
from vetting.store import artifacts, findings, logs, runs
from vetting.store.rows import ArtifactRow, FindingRow, LogRow, PeerRow

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "crash"
HOST = "10.0.0.5"
PANIC = "Kernel panic - not syncing: sysrq triggered crash"


def recorded(name: str = "netconsole-extended.hex") -> list[bytes]:
    return [bytes.fromhex(line) for line in (RECORDED / name).read_text().split()]


class Ear:
    """The receiver without its socket."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard = Netconsole(
            store=world.store, bus=world.bus, clock=world.clock, room=world.room, reporting=world.reporting
        )

    async def hear(self, *datagrams: bytes, by: str = HOST) -> None:
        for datagram in datagrams:
            self.heard.datagram_received(datagram, (by, 6665))
        await self.heard.once()

    async def log(self, run_id: int) -> list[LogRow]:
        found = await self.world.store.read(lambda: logs.last_lines(run_id, limit=5000))
        return [line for line in found if line.source == "netconsole"]

    async def findings(self, run_id: int) -> list[FindingRow]:
        found = await self.world.store.read(lambda: findings.findings_of(run_id))
        return [one for one in found if one.source == "netconsole"]

    async def files(self, run_id: int) -> list[ArtifactRow]:
        found = await self.world.store.read(lambda: artifacts.artifacts_of(run_id))
        return [one for one in found if one.name.startswith("last-words")]


@pytest.fixture
async def ear(world: World) -> Ear:
    return Ear(world)


async def claimed(world: World, ear: Ear, *, reach: str = "CPUStress", **changes: object) -> int:
    """A run whose agent spoke from the host's address."""
    started = await world.started(**changes)
    run_id = (await world.claim(started.ticket, peer=HOST)).run_id
    await world.reach(run_id, reach)
    await ear.heard.once()
    return run_id


async def reboot(world: World, run_id: int) -> None:
    await world.beat(run_id, boot_id="boot-two")
    assert await world.state(run_id) is RunState.FAILED_HOLDING


async def test_the_last_words_of_a_host_that_rebooted_are_with_the_attempt_that_ran(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded())
    await reboot(world, run_id)
    await ear.heard.once()
    (finding,) = await ear.findings(run_id)
    assert (finding.stage, finding.attempt, finding.severity) == ("CPUStress", 1, Severity.WARNING)
    assert finding.text == f"the kernel's last words: {PANIC}"
    (file,) = await ear.files(run_id)
    assert (file.stage, file.attempt) == ("CPUStress", 1)
    text = world.room.read(file).decode()
    assert text.index(PANIC) < text.index("RIP: 0033:0x47b7a0") < text.index("Rebooting in 2 seconds..")
    report = (await world.reporting.render(run_id, "html")).decode()
    assert PANIC in report and FILE in report and "Last words" in report
    page = await world.run(run_id)
    assert PANIC in Path(page.verdict_detail["report"]).read_text(), "the report on disk was written again"


async def test_errors_and_crashes_are_in_the_log_at_once_and_each_line_once(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded())
    said = await ear.log(run_id)
    assert [line.text for line in said][:2] == ["vetting: a userspace error", PANIC]
    assert {line.level for line in said} == {"error"} and {line.stage for line in said} == {"CPUStress"}
    await reboot(world, run_id)
    await ear.heard.once()
    texts = [line.text for line in await ear.log(run_id)]
    assert texts.count(PANIC) == 1 and "vetting: hello from the guest" in texts


async def test_a_lost_host_s_words_are_kept_and_those_that_come_later_too(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    hello, *panic = recorded()
    await ear.hear(hello)
    world.clock.pass_s(10_000)
    await world.progress.lost(run_id, 10_000)
    assert await world.state(run_id) is RunState.FAILED
    await ear.heard.once()
    (first,) = await ear.findings(run_id)
    assert first.severity is Severity.INFO
    assert first.text == "the kernel spoke of no crash before that; its last line: vetting: hello from the guest"
    world.clock.pass_s(60)
    await ear.hear(*panic)
    _, second = await ear.findings(run_id)
    assert second.text == f"the kernel's last words: {PANIC}"
    (file,) = await ear.files(run_id)
    assert "hello from the guest" in (text := world.room.read(file).decode()) and PANIC in text
    assert PANIC in Path((await world.run(run_id)).verdict_detail["report"]).read_text()


async def test_a_host_that_asks_for_its_boot_script_and_claims_anew_keeps_its_two_boots_apart(
    world: World, ear: Ear
) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded())
    ticket = await world.progress.boot_requested((await world.run(run_id)).host_id)
    assert await world.state(run_id) is RunState.FAILED_HOLDING
    await world.claim(ticket, peer="10.0.0.77", boot_id="boot-two")
    await ear.heard.once()  # both happened between two looks
    assert [one.text for one in await ear.findings(run_id)] == [f"the kernel's last words: {PANIC}"]
    world.clock.pass_s(10)
    await ear.hear(b"6,1,1,-;Linux version of the new boot\n", by="10.0.0.77")
    (file,) = await ear.files(run_id)
    assert "new boot" not in world.room.read(file).decode()
    world.clock.pass_s(10)
    await ear.hear(b"0,2,2,-;Kernel panic - not syncing: once more, while it is held\n", by="10.0.0.77")
    first, second = await ear.files(run_id)
    assert (first.name, second.name) == (FILE, "last-words-2.txt")
    assert PANIC in world.room.read(first).decode() and PANIC not in world.room.read(second).decode()


async def test_a_forged_sender_is_passed_over_and_counted(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded(), by="10.0.0.66")
    await reboot(world, run_id)
    await ear.heard.once()
    assert await ear.findings(run_id) == [] and await ear.log(run_id) == [] and await ear.files(run_id) == []
    assert ear.heard.dropped["no run has this address"] == len(recorded())


async def test_a_forged_panic_in_the_name_of_a_sound_host_judges_nothing(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded())
    for name in ("CPUStress", "Storage", "Network", "Burn", "GPU", "PSU"):
        reply = await world.post(run_id, name)
        assert reply.verdict in ("PASS", "SKIP"), (name, reply.objections)
        await ear.hear(*recorded())
    assert await world.state(run_id) is RunState.COMPLETED
    assert await ear.findings(run_id) == [] and await ear.files(run_id) == []
    verdict = (await world.run(run_id)).verdict
    assert "fail" not in verdict.lower() and "panic" not in verdict.lower()


@pytest.mark.slow
async def test_a_flood_is_bounded_in_memory_and_on_disk(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    line = b"0,%d,1,-;Kernel panic - not syncing: " + b"x" * 5000
    for turn in range(25):
        for number in range(300):
            ear.heard.datagram_received(line % (turn * 300 + number), (HOST, 6665))
        await ear.heard.once()
        world.clock.pass_s(0.5)
    ring = ear.heard._rings[run_id]
    assert len(ring.heard) == KEPT and sum(len(one.data) for one in ring.heard) <= KEPT * 2048
    assert await world.store.read(lambda: logs.count(run_id)) <= TOLD_OF_A_RUN + 200
    assert (await ear.log(run_id))[-1].text.endswith("further ones are not")
    await reboot(world, run_id)
    for turn in range(30):  # and it goes on after the host was given up, with something new each time
        await ear.hear(b"0,1,1,-;BUG: number %d" % turn, line % turn)
        world.clock.pass_s(5)
    assert len(await ear.files(run_id)) == 1 and len(await ear.findings(run_id)) <= 21
    stored = list((world.room._root / "artifacts" / str(run_id)).iterdir())
    assert len(stored) <= 21


async def test_a_run_that_failed_for_another_reason_has_no_last_words(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(b"3,1,1,-;ata1: COMRESET failed\n")
    await world.post(run_id, "CPUStress", outcome=Outcome.fail("it computed wrong"))
    await ear.heard.once()
    assert await ear.findings(run_id) == [] and await ear.files(run_id) == []
    world.clock.pass_s(3)
    await ear.hear(*recorded())  # it panics while a person looks at it
    assert [one.text for one in await ear.findings(run_id)] == [f"the kernel's last words: {PANIC}"]


async def test_a_stage_that_is_tried_again_has_its_own_last_words(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded())
    await reboot(world, run_id)
    await ear.heard.once()
    await world.progress.retry(run_id, who="tester", because=wire.Because())
    await ear.heard.once()
    await ear.hear(*recorded())
    await world.beat(run_id, boot_id="boot-three")
    await ear.heard.once()
    assert [(one.stage, one.attempt) for one in await ear.files(run_id)] == [("CPUStress", 1), ("CPUStress", 2)]


async def test_an_orchestrator_that_starts_again_has_forgotten_and_goes_on(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    await ear.hear(*recorded()[:1])
    again = Ear(world)
    await again.heard.once()
    await reboot(world, run_id)
    await again.hear(*recorded()[1:])
    assert [one.text for one in await ear.findings(run_id)] == [f"the kernel's last words: {PANIC}"]


async def test_a_claim_keeps_the_address_and_its_words_end_with_the_run(world: World, ear: Ear) -> None:
    run_id = await claimed(world, ear)
    assert (await world.run(run_id)).peer == HOST
    await ear.hear(*recorded()[:1])
    assert run_id in ear.heard._rings
    await world.progress.cancel(run_id, who="tester", because=wire.Because())
    await ear.heard.once()
    assert ear.heard._rings == {}
    assert await world.store.read(runs.peers) == []


def row(run_id: int, state: RunState, peer: str = HOST) -> PeerRow:
    return PeerRow(run_id, peer, state, "CPUStress", "boot")


@pytest.mark.parametrize(
    ("rows", "heard"),
    [
        ([row(2, RunState.BURN), row(1, RunState.FAILED_HOLDING)], 2),
        ([row(2, RunState.FAILED), row(1, RunState.FAILED_HOLDING)], 1),
        ([row(2, RunState.BURN), row(1, RunState.SMART)], None),
        ([row(2, RunState.BURN), row(1, RunState.SMART, "10.0.0.6")], 2),
        ([row(2, RunState.BURN, f"::ffff:{HOST}")], 2),
    ],
)
def test_two_runs_behind_one_address_are_not_mixed_up(rows: list[PeerRow], heard: int | None) -> None:
    found = dict(addresses(rows)).get(plain(HOST))
    assert (found.run_id if found else None) == heard
