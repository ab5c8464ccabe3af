"""What the boot before left behind: crash records, the BMC's log, and a kernel that sends its words by UDP from here on."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.hurry import HurriedClock
from tests.fakes.orchestrator import TOKEN, ScriptedOrchestrator
from tests.fakes.stage_world import tool_text
from tests.unit.agent.conftest import Bench, TinyStage, stages
from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.aftermath import Aftermath
from vetting.agent.logs import Logs
from vetting.agent.netconsole import target_of
from vetting.agent.settings import settle
from vetting.client import Client
from vetting.domain.errors import BadInput, TooLarge
from vetting.domain.image import IMAGE_JSON
from vetting.domain.outcome import Finding, Severity, ToolRun

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "crash"
PANIC = "Kernel panic - not syncing: sysrq triggered crash"
SEL = tool_text("debian13", "ipmitool/sim-sel")
ROUTE = '[{"dst":"10.9.0.1","gateway":"10.0.0.254","dev":"eno1","prefsrc":"10.0.0.5","flags":[],"uid":0,"cache":[]}]'
ON_LINK = '[{"dst":"10.9.0.1","dev":"eno1","prefsrc":"10.9.0.5","flags":[],"uid":0,"cache":[]}]'
NEIGHBOUR = '[{"dst":"10.0.0.254","dev":"eno1","lladdr":"02:fc:00:00:00:05","state":["REACHABLE"]}]'


@dataclass
class Programs:
    """Answers by the beginning of what is called."""

    answers: dict[str, str | list[str]] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)

    async def __call__(self, argv: Sequence[str]) -> ToolRun:
        said = " ".join(argv)
        self.called.append(said)
        answer = next((self.answers[key] for key in self.answers if said.startswith(key)), None)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return ToolRun(
            argv=tuple(argv), exit_code=0 if answer is not None else 1, signal=None, timed_out=False, started_s=0.0,
            ended_s=0.1, stdout=answer or "", stderr="" if answer is not None else "it does not work",
        )  # fmt: skip


@dataclass
class After:
    """A machine that booted after a crash, before its agent's first step."""

    bench: Bench
    client: Client
    logs: Logs
    programs: Programs = field(default_factory=Programs)

    @property
    def server(self) -> ScriptedOrchestrator:
        return self.bench.orchestrator

    def claim(self, **changes: Any) -> wire.ClaimReply:
        return msgspec.structs.replace(self.server.claim_reply, **changes)

    def held(self, **changes: Any) -> wire.ClaimReply:
        told = {"current_stage": "", "attempt": 0, "failed_stage": "CPUStress", "failed_attempt": 2}
        return self.claim(current_state="FailedHolding", holding=True, **{**told, **changes})

    async def settle_in(self, claim: wire.ClaimReply, **settings: Any) -> None:
        settings = {"live_image": True, **settings}
        made = Aftermath(
            settings=self.bench.settings(**settings), client=self.client, logs=self.logs, ask=self.programs
        )
        await made.settle_in(claim)
        await self.logs.flush(self.client)

    def findings(self) -> list[Finding]:
        return [one for batch in self.server.logs for one in batch.findings]

    def crashed(self) -> Path:
        folder = self.bench.root / "sys/fs/pstore"
        folder.mkdir(parents=True)
        for path in RECORDED.glob("dmesg-erst-*"):
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    def with_bmc(self) -> None:
        (self.bench.root / "dev").mkdir()
        (self.bench.root / "dev/ipmi0").touch()


@pytest.fixture
async def after(bench: Bench) -> AsyncIterator[After]:
    clock = HurriedClock()
    logs = Logs(Activity(boot_id="boot"), clock, echo=io.StringIO())
    async with Client(bench.orchestrator.url, bench.orchestrator.fingerprint, token=TOKEN, clock=clock) as client:
        yield After(bench, client, logs)


async def test_a_crash_record_is_told_for_the_attempt_that_failed_and_then_removed(after: After) -> None:
    folder = after.crashed()
    await after.settle_in(after.held())
    (finding,) = after.findings()
    assert (finding.severity, finding.source) == (Severity.CRITICAL, "pstore")
    assert finding.text == f"pstore holds a crash record from before this boot: {PANIC}"
    names = {(stage, attempt) for stage, attempt, _ in after.server.artifacts}
    assert names == {("CPUStress", 2)} and len(after.server.artifacts) == 2
    assert all(name.startswith("pstore-dmesg-erst-") for _, _, name in after.server.artifacts)
    assert list(folder.iterdir()) == []


async def test_a_record_from_before_the_run_accuses_nobody(after: After) -> None:
    folder = after.crashed()
    await after.settle_in(after.claim())
    (finding,) = after.findings()
    assert finding.severity is Severity.INFO
    assert finding.text == f"pstore holds a crash record from before this run: {PANIC}"
    assert {(stage, attempt) for stage, attempt, _ in after.server.artifacts} == {("Inventory", 1)}
    assert list(folder.iterdir()) == []


async def test_a_record_that_was_refused_stays(after: After) -> None:
    folder = after.crashed()
    after.server.refuse["artifact"] = [TooLarge("the run's share is used up")]
    await after.settle_in(after.held())
    assert len(after.findings()) == 1 and len(list(folder.iterdir())) == 1
    assert any("was refused and stays in pstore" in line for line in after.server.lines)


async def test_a_record_stays_where_the_orchestrator_did_not_hear_of_it(after: After) -> None:
    folder = after.crashed()
    after.server.refuse["log"] = [503] * 50
    await after.settle_in(after.held())
    assert after.findings() == [] and len(list(folder.iterdir())) == 2


async def test_outside_the_live_image_pstore_is_the_installed_system_s(after: After) -> None:
    folder = after.crashed()
    await after.settle_in(after.held(), live_image=False)
    assert after.findings() == [] and len(list(folder.iterdir())) == 2


async def test_records_that_systemd_moved_away_are_found_too(after: After) -> None:
    folder = after.bench.root / "var/lib/systemd/pstore/7710202513844076545"
    folder.mkdir(parents=True)
    (folder / "dmesg.txt").write_text(f"Panic#1 Part1\n<0>[    6.6] {PANIC}\n")
    await after.settle_in(after.held())
    assert [PANIC in one.text for one in after.findings()] == [True]


async def test_what_the_bmc_recorded_since_this_run_looked_last_is_told_in_a_hold(after: After) -> None:
    after.with_bmc()
    after.programs.answers["ipmitool sel elist"] = SEL
    await after.settle_in(after.held(sel_record_id=4))
    found = after.findings()
    assert [one.severity for one in found] == [Severity.CRITICAL, Severity.WARNING]
    assert all(one.source == "sel" and one.text.startswith("the BMC recorded: ") for one in found)
    assert not any("clear" in call for call in after.programs.called)


async def test_a_log_that_nothing_came_to_says_nothing(after: After) -> None:
    after.with_bmc()
    after.programs.answers["ipmitool sel elist"] = SEL
    await after.settle_in(after.held(sel_record_id=6))
    assert after.findings() == []


async def test_a_log_that_was_cleared_meanwhile_is_told_as_such(after: After) -> None:
    after.with_bmc()
    after.programs.answers["ipmitool sel elist"] = SEL
    await after.settle_in(after.held(sel_record_id=900))
    assert "was cleared" in after.findings()[0].text and len(after.findings()) == 7


async def test_a_bmc_that_stays_silent_is_said_to_be_silent(after: After) -> None:
    after.with_bmc()
    await after.settle_in(after.held(sel_record_id=1))
    assert any("what it recorded of the host's death is unknown" in line for line in after.server.lines)


async def test_the_kernel_sends_past_its_own_routing_to_the_next_hop(after: After) -> None:
    (after.bench.root / "sys/kernel/config/netconsole/vetting").mkdir(parents=True)
    target = after.bench.root / "sys/kernel/config/netconsole/vetting"
    for name in ("enabled", "extended", "release"):
        (target / name).write_text("0\n")
    after.programs.answers = {"ip -j route get 10.9.0.1": ROUTE, "ip -j neigh": ["[]", NEIGHBOUR]}
    await after.settle_in(after.claim(), netconsole="10.9.0.1:6666")
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "dev_name": "eno1", "local_ip": "10.0.0.5", "local_port": "6665", "remote_ip": "10.9.0.1", "remote_port": "6666",
        "remote_mac": "02:fc:00:00:00:05", "extended": "1", "release": "0", "enabled": "1",
    }  # fmt: skip
    assert after.programs.called[-1] == "ip -j neigh show to 10.0.0.254 dev eno1"
    assert any("sends its messages to 10.9.0.1:6666 through eno1" in line for line in after.server.lines)


@pytest.mark.parametrize(
    ("told", "answers", "why"),
    [
        ("10.9.0.1", {}, "must be ADDRESS:PORT"),
        ("10.9.0.1:6666", {}, "`ip -j route get 10.9.0.1` exited 1"),
        ("10.9.0.1:6666", {"ip -j route": ON_LINK, "ip -j neigh": "[]"}, "10.9.0.1 does not tell its MAC address"),
        ("10.9.0.1:6666", {"ip -j route": "nonsense"}, "the output of ip cannot be read"),
    ],
)
async def test_a_kernel_that_cannot_send_costs_the_last_words_alone(
    after: After, told: str, answers: dict[str, str | list[str]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetting.agent.netconsole.LOOK_S", 0.0)
    (after.bench.root / "sys/kernel/config/netconsole").mkdir(parents=True)
    after.programs.answers = answers
    await after.settle_in(after.claim(), netconsole=told)
    (line,) = (line for line in after.server.lines if "last words will be lost" in line)
    assert why in line


async def test_a_kernel_without_netconsole_is_said_to_be_one(after: After) -> None:
    await after.settle_in(after.claim(), netconsole="10.9.0.1:6666")
    assert any("built without dynamic netconsole targets" in line for line in after.server.lines)


@pytest.mark.parametrize(
    "told", ["", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", "host:6666", "10.0.0.1:６６６６", ":1"]
)
def test_a_target_is_an_address_and_a_port(told: str) -> None:
    with pytest.raises(BadInput):
        target_of(told)


def test_targets_may_be_of_either_family() -> None:
    assert target_of("10.0.0.1:6666") == ("10.0.0.1", 6666)
    assert target_of("[fd00::1]:6666") == ("fd00::1", 6666)


def test_the_word_on_the_kernel_command_line_counts_in_the_live_image_alone(machine: Path) -> None:
    (machine / "proc/cmdline").write_text("vetting.netconsole=10.0.0.1:6666")

    def told() -> str:
        return settle(url="https://10.0.0.1:8443", fingerprint="ab" * 32, root=str(machine)).netconsole

    assert told() == ""
    (machine / "etc").mkdir()
    (machine / "etc/vetting-live").touch()
    assert told() == "10.0.0.1:6666"


async def test_the_claim_tells_what_the_image_carries(bench: Bench) -> None:
    packages = {f"package-{number}-with-a-longer-name": f"1:{number}.4.2-1+deb13u1" for number in range(500)}
    path = bench.root / IMAGE_JSON
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"version": "0.2", "kernel": "6.12.1", "packages": packages}))
    bench.orchestrator.command = wire.Command(cmd="shutdown")
    assert await bench.agent(stages(TinyStage("Inventory")), live_image=True) == 0
    (claim,) = (message for _, message in bench.orchestrator.claims)
    assert claim.image is not None and claim.image.version == "0.2" and len(claim.image.packages) == 500
    assert len(wire.encode(claim)) < 64 * 1024


@pytest.mark.parametrize(
    "text", [None, "{", '{"version": 7}', json.dumps({"version": "1", "packages": {"x" * 50: "y" * 100_000}})]
)
async def test_an_image_that_does_not_tell_costs_its_part_of_the_report_alone(bench: Bench, text: str | None) -> None:
    path = bench.root / IMAGE_JSON
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    bench.orchestrator.command = wire.Command(cmd="shutdown")
    assert await bench.agent(stages(TinyStage("Inventory")), live_image=True) == 0
    (claim,) = (message for _, message in bench.orchestrator.claims)
    assert claim.image is None or claim.image.packages == {}
    assert any(IMAGE_JSON in line for line in bench.orchestrator.lines)


async def test_what_was_left_behind_is_told_before_the_hold(bench: Bench) -> None:
    folder = bench.root / "sys/fs/pstore"
    folder.mkdir(parents=True)
    (folder / "dmesg-erst-1").write_text(f"Panic#1 Part1\n<0>[    6.6] {PANIC}\n")
    bench.orchestrator.claims_again(
        current_state="FailedHolding", current_stage="", attempt=0, holding=True, failed_stage="Burn", failed_attempt=1
    )
    async with bench.running({}, live_image=True):
        await bench.orchestrator.until(lambda: bench.orchestrator.holds)
    assert [one.source for batch in bench.orchestrator.logs for one in batch.findings] == ["pstore"]
    order = bench.orchestrator.order
    assert order.index("artifact") < order.index("hold") and order.index("log") < order.index("hold")
    assert list(folder.iterdir()) == []
