"""The agent's smaller parts: settings, client, kernel log, groups, power and names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.hurry import HurriedClock
from tests.fakes.orchestrator import TOKEN, orchestrating
from vetting import wire
from vetting.agent import cgroup
from vetting.agent.assignment import ahead_s
from vetting.agent.blame import component
from vetting.agent.cgroup import Home, StageGroup, find_home, load_limit_bytes
from vetting.agent.evidence import file_name
from vetting.agent.kmsg import DIFFERENT_A_STAGE, SAME_A_STAGE, KernelLog
from vetting.agent.orders import How, Orders, Work
from vetting.agent.power import LiveHands
from vetting.agent.settings import LIVE_MARKER, OnEnd, is_live_image, settle
from vetting.client import Client, Unreachable, waits
from vetting.domain.errors import BadInput, Conflict, NotAllowed, StageMismatch, ToolMissing
from vetting.domain.hostspec import Identity
from vetting.domain.inventory import FoundCpu, FoundDisk, FoundGpu, FoundNic, Inventory
from vetting.domain.outcome import Finding, Severity, ToolRun
from vetting.parsers.kmsg import Kind

PIN = "ab" * 32
URL = "https://10.0.0.5:8443"


# --- settings -----------------------------------------------------------------------------------------------------


def live(root: Path) -> Path:
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / LIVE_MARKER).write_text("")
    return root


def test_the_kernel_command_line_says_where_to_go_and_flags_go_first(machine: Path) -> None:
    line = f"quiet vetting.url={URL} vetting.fingerprint={PIN} vetting.ticket=T vetting.run=42"
    (machine / "proc/cmdline").write_text(line)
    settings = settle(root=str(machine), environment={})
    assert (settings.url, settings.ticket, settings.run, settings.on_end) == (URL, "T", "42", OnEnd.EXIT)
    assert settle(root=str(machine), url="https://other:1", environment={}).url == "https://other:1"
    assert settle(root=str(machine), environment={"VETTING_TICKET": "E"}).ticket == "E"


def test_the_live_image_is_known_by_its_marker_and_by_having_no_local_disk_mounted(machine: Path) -> None:
    assert not is_live_image(machine)
    assert is_live_image(live(machine))
    (machine / "proc/mounts").write_text("/dev/loop0 /usr squashfs ro 0 0\ntmpfs / tmpfs rw 0 0\n")
    assert is_live_image(machine)
    (machine / "proc/mounts").write_text("/dev/sda1 / ext4 rw 0 0\n")
    assert not is_live_image(machine)


def test_power_is_real_in_the_live_image_alone(machine: Path) -> None:
    def told(on_end: str = "") -> OnEnd:
        return settle(root=str(machine), url=URL, fingerprint=PIN, on_end=on_end, environment={}).on_end

    with pytest.raises(BadInput, match="not the live image"):
        told("poweroff")
    live(machine)
    assert told() is OnEnd.POWEROFF
    assert told("exit") is OnEnd.EXIT


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": ""}, "give --url, or vetting.url="),
        ({"fingerprint": "12:34"}, "64 hex digits"),
        ({"url": "http://10.0.0.5"}, "https://host:port"),
        ({"url": "https://u:p@h"}, "https://host:port"),
        ({"url": "https://h:99999999"}, "https://host:port"),
        ({"ticket_file": "/no/such/file"}, "boot ticket cannot be read"),
    ],
)
def test_wrong_settings_say_what_is_wrong(machine: Path, wrong: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        settle(**{"root": str(machine), "url": URL, "fingerprint": PIN, "environment": {}, **wrong})  # type: ignore[arg-type]


# --- client -------------------------------------------------------------------------------------------------------


def test_waits_double_up_to_the_longest_and_no_two_agents_wait_alike() -> None:
    pause = waits(random.Random(1))
    row = [pause.next_s() for _ in range(8)]
    for got, most in zip(row, (2, 4, 8, 16, 30, 30, 30, 30), strict=True):
        assert most * 2 / 3 <= got <= most
    assert row != [waits(random.Random(2)).next_s() for _ in range(8)]


async def test_refusals_come_back_as_what_they_were_and_only_they_are_final(tmp_path: Path) -> None:
    async with (
        orchestrating(tmp_path) as server,
        Client(server.url, server.fingerprint, clock=HurriedClock()) as client,
    ):
        client.token = TOKEN
        beat = wire.Heartbeat(boot_id="b", seq=1, doing="idle")
        server.refuse = {"heartbeat": [StageMismatch("a", got="x"), Conflict("b"), 403, 500, 429, 301, 503]}
        with pytest.raises(StageMismatch) as caught:
            await client.call("/api/agent/heartbeat", beat, wire.HeartbeatReply)
        assert caught.value.detail == {"got": "x"}
        with pytest.raises(Conflict):
            await client.insist("/api/agent/heartbeat", beat, wire.HeartbeatReply)
        with pytest.raises(Exception, match="answered 403"):
            await client.call("/api/agent/heartbeat", beat, wire.HeartbeatReply)
        with pytest.raises(Unreachable):
            await client.call("/api/agent/heartbeat", beat, wire.HeartbeatReply)
        assert (await client.insist("/api/agent/heartbeat", beat, wire.HeartbeatReply)).command.cmd == "none"
        assert len(server.beats) == 1
        client.token = "stale"
        with pytest.raises(NotAllowed):
            await client.insist("/api/agent/heartbeat", beat, wire.HeartbeatReply)


async def test_a_server_that_hangs_is_unreachable_after_the_limit(tmp_path: Path) -> None:
    async with orchestrating(tmp_path) as server, Client(server.url, server.fingerprint, token=TOKEN) as client:
        await server.leave()
        with pytest.raises(Unreachable):
            await client.call(
                "/api/agent/heartbeat", wire.Heartbeat(boot_id="b", seq=1, doing="idle"), wire.HeartbeatReply
            )


# --- kernel log ---------------------------------------------------------------------------------------------------


def follow(path: Path, after: int = 0) -> tuple[KernelLog, list[tuple[Kind | None, Finding]]]:
    heard: list[tuple[Kind | None, Finding]] = []
    log = KernelLog(path, lambda kind, finding: heard.append((kind, finding)))
    log.open(after)
    return log, heard


def test_the_kernel_log_is_read_from_its_end_or_behind_a_known_record(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text("3,10,1,-;I/O error, dev sda, sector 1\n SUBSYSTEM=block\n")
    log, heard = follow(path)
    assert log.sequence == 10
    with path.open("a") as more:
        more.write("3,11,2,-;I/O error, dev sdb, sector 1\n SUBSYSTEM=block I/O error, dev sdz\n")
    log.poll()
    assert [(kind, finding.component) for kind, finding in heard] == [(Kind.IO_ERROR, "sdb")]
    log.close()
    again, heard = follow(path, after=9)
    again.poll()
    assert [finding.component for _, finding in heard] == ["sda", "sdb"]
    again.close()


def test_a_flood_of_equal_complaints_is_bounded_per_stage(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text("")
    log, heard = follow(path)
    with path.open("a") as more:
        more.writelines(f"3,{number},1,-;I/O error, dev sda, sector {number}\n" for number in range(1, 3000))
    log.poll()
    assert len(heard) == SAME_A_STAGE
    assert "not listed" in heard[-1][1].text
    log.new_stage()
    with path.open("a") as more:
        more.write("3,5000,1,-;I/O error, dev sda, sector 9\n")
    log.poll()
    assert len(heard) == SAME_A_STAGE + 1
    log.close()


def test_corrected_errors_are_counted_however_many_are_told(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text("")
    log, heard = follow(path)
    said = "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 6: {status}00004000010090"
    with path.open("a") as more:
        more.writelines(f"0,{number},1,-;{said.format(status='9c')}\n" for number in range(1, 51))
        more.write("0,52,1,-;mce: [Hardware Error]: Machine check events logged\n")
        more.write("4,53,1,-;{1}[Hardware Error]: event severity: corrected\n")
        more.write("4,54,1,-;{1}[Hardware Error]:   error_type: 2, single-bit ECC\n")
    log.poll()
    assert log.corrected == {"cpu:3": 50, "memory": 1}
    assert len(heard) < 2 * SAME_A_STAGE
    log.new_stage()
    assert not log.corrected
    log.close()


def test_a_flood_of_warnings_hides_no_error_of_the_same_part(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text("")
    log, heard = follow(path)
    said = "0,{},1,-;pcieport 0000:00:1c.0: AER: {} error message received from 0000:01:00.0\n"
    with path.open("a") as more:
        more.writelines(said.format(number, "Correctable") for number in range(1, 200))
        more.write(said.format(200, "Uncorrectable (Fatal)"))
    log.poll()
    assert [finding.severity for _, finding in heard] == [Severity.WARNING] * SAME_A_STAGE + [Severity.CRITICAL]
    with path.open("a") as more:
        more.writelines(f"4,{300 + number},1,-;ata{number}: hard resetting link\n" for number in range(500))
        more.write(READ_ERROR := "3,999,1,-;I/O error, dev sda, sector 2048 op 0x0:(READ)\n")
    log.poll()
    assert len(heard) < 2 * DIFFERENT_A_STAGE
    assert heard[-1][1].text in READ_ERROR
    log.close()


def test_complaints_are_bound_to_parts_by_their_serials() -> None:
    found = Inventory(
        identity=Identity(),
        cpu=FoundCpu(model="x", sockets=1, cores=1, threads=1),
        memory_bytes=1,
        disks=(FoundDisk(name="sda", serial="A", size_bytes=1), FoundDisk(name="nvme0n1", serial="N", size_bytes=1)),
        nics=(FoundNic(name="eno1", mac="52:54:00:00:00:01", pci="0000:3b:00.0"),),
        gpus=(FoundGpu(name="H100", uuid="GPU-1", pci="00000000:65:00.0"),),
    )
    for kind, named, part in (
        (Kind.IO_ERROR, "sda", "disk:A"),
        (Kind.IO_ERROR, "sda1", "disk:A"),
        (Kind.IO_ERROR, "sdaa", "host"),
        (Kind.NVME, "nvme0", "disk:N"),
        (Kind.NVME, "nvme0n1p2", "disk:N"),
        (Kind.NIC, "eno1", "nic:52:54:00:00:00:01"),
        (Kind.AER, "0000:3b:00.0", "nic:52:54:00:00:00:01"),
        (Kind.AER, "0000:00:1C.0", "pci:0000:00:1c.0"),
        (Kind.XID, "0000:65:00.0", "gpu:GPU-1"),
        (Kind.XID, "0000:65:00", "gpu:GPU-1"),
        (Kind.MCE, "3", "cpu:3"),
        (Kind.THERMAL, "CPU12", "cpu:12"),
        (Kind.EDAC_UE, "MC0", "memory"),
        (Kind.IO_ERROR, "host", "host"),
    ):
        assert component(kind, named, found) == part, named
    assert component(Kind.IO_ERROR, "sda", None) == "host"


# --- control groups -----------------------------------------------------------------------------------------------


def test_the_loads_limit_leaves_memory_for_the_agent() -> None:
    gib = 1024**3
    assert load_limit_bytes(64 * gib) == 64 * gib - gib // 2
    assert load_limit_bytes(gib) == gib - gib // 10


def unified(root: Path, handed_down: str = "memory cpu") -> Path:
    base = root / "sys/fs/cgroup"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (base / "cgroup.subtree_control").write_text(handed_down)
    return base


def test_version_2_gets_its_limit_no_swap_and_counts_its_kills(tmp_path: Path) -> None:
    base = unified(tmp_path)
    home, why = find_home(tmp_path)
    assert (home, why) == (Home(base, 2), "")
    (base / "vetting-x-load").mkdir()
    (base / "vetting-x-load/memory.swap.max").write_text("max")
    group = StageGroup(Home(base, 2), "x", 4096)
    assert (group.load / "memory.max").read_text() == "4096"
    assert (group.load / "memory.swap.max").read_text() == "0"
    assert group.joining(heavy=True).endswith("vetting-x-load/cgroup.procs")
    assert group.joining(heavy=False).endswith("vetting-x-tools/cgroup.procs")
    assert group.oom_kills() is None
    (group.load / "memory.events").write_text("low 0\noom 2\noom_kill 1\noom_group_kill 0\n")
    assert group.oom_kills() == 1


def test_where_no_memory_controller_can_be_had_the_reason_is_said(tmp_path: Path) -> None:
    assert find_home(tmp_path) == (None, "the memory controller of neither cgroup version is mounted")
    unified(tmp_path, handed_down="cpu")
    assert find_home(tmp_path) == (None, "cgroup version 2 hands no memory controller down to us")


async def test_a_group_that_is_gone_is_clear(tmp_path: Path) -> None:
    assert await cgroup.clear(tmp_path / "nothing") == 0


# --- orders, power, names -----------------------------------------------------------------------------------------


def test_a_stop_goes_before_a_shutdown_and_a_repeated_retry_is_one() -> None:
    orders = Orders()
    orders.heard(wire.Command(cmd="retry_stage", stage="SMART", attempt=2))
    assert orders.retry() == Work(stage="SMART", attempt=2)
    orders.begin(Work(stage="SMART", attempt=2))
    orders.heard(wire.Command(cmd="retry_stage", stage="SMART", attempt=2))
    assert orders.retry() is None
    orders.heard(wire.Command(cmd="shutdown"))
    orders.heard(wire.Command(cmd="reboot"))
    ends = [orders.end]
    orders.finish(How.ABORT)
    orders.finish(How.STOPPED)
    ends.append(orders.end)
    assert [end.how for end in ends if end] == [How.SHUTDOWN, How.ABORT]


class Programs:
    """Remembers what was called; says that some are missing or fail."""

    def __init__(self, missing: Sequence[str] = (), failing: Sequence[str] = ()) -> None:
        self.called: list[str] = []
        self._missing, self._failing = missing, failing

    async def __call__(self, argv: list[str]) -> ToolRun:
        if argv[0] in self._missing:
            raise ToolMissing(argv[0])
        self.called.append(" ".join(argv))
        return ToolRun(
            argv=tuple(argv), exit_code=1 if argv[0] in self._failing else 0, signal=None, timed_out=False,
            started_s=0, ended_s=0, stdout="", stderr="",
        )  # fmt: skip


async def test_power_has_a_second_way(tmp_path: Path) -> None:
    programs, said = Programs(failing=["systemctl"]), list[str]()
    await LiveHands(lambda text, level: said.append(text), root=tmp_path, run=programs).power_off()
    assert programs.called == ["systemctl poweroff", "poweroff -f"]
    missing = Programs(missing=["systemctl", "reboot"])
    await LiveHands(lambda text, level: said.append(text), root=tmp_path, run=missing).reboot()
    assert "none of these worked" in said[-1]


@pytest.mark.parametrize(
    ("text", "name"), [("../../etc/passwd", "etc-passwd"), ("a b;c.txt", "a-b-c.txt"), ("..", "file"), ("", "file")]
)
def test_names_of_evidence_are_never_paths(text: str, name: str) -> None:
    assert file_name(text) == name


@pytest.mark.parametrize(("there_s", "ahead"), [(8000.0, 7000.0), (1010.0, 0.0), (200.0, -800.0), (0.0, 0.0)])
def test_a_clock_that_is_wrong_is_known_from_the_answers(there_s: float, ahead: float) -> None:
    assert ahead_s(there_s, 1000.0) == ahead
