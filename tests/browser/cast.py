"""A rack with hosts of every kind on one stage: what the album photographs, and what every page is tried with."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.browser.hand import Hand
from tests.browser.machines import POWER, Machine
from tests.browser.scene import Scene, staged
from vetting import wire
from vetting.config import Config
from vetting.config.values import Channel
from vetting.domain.outcome import Cell, Finding, Severity, Verdict, Work
from vetting.domain.profiles import QUICK
from vetting.domain.roles import Role
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.supervise import Health, Status
from vetting.store import artifacts

DAY_S = 86_400.0
HISTORY_S = 2 * DAY_S + 2000  # so far is the scene's clock moved on while the stage fills: its end is about now
TOKENS: dict[
    tuple[str, str], str
] = {}  # (a scene's address, a host's name) -> its reporter's: a second one would end it
STRANGER = "52:54:00:be:ef:01"
THROTTLED = "mce: CPU12: Core temperature is above threshold, cpu clock is throttled (total events = 3)"
TALK = (
    ("info", "agent", "pass 1 of 3: all 64 threads, method ackermann"),
    ("info", "stress-ng", "stress-ng: info:  [3120] dispatching hogs: 64 cpu"),
    ("debug", "agent", "heartbeat 41 was answered after 3 ms"),
    ("warning", "kernel", THROTTLED),
    ("info", "kernel", "mce: CPU12: Core temperature/speed normal"),
    ("info", "agent", "pass 2 of 3: all 64 threads, method bitops"),
)


@dataclass(frozen=True)
class Cast:
    """Who is on the stage, by what there is to see."""

    scene: Scene
    vetted: Hand  # the third run of its host, after one that was vetted too and one that failed
    before: Hand
    working: Hand  # in CPUStress, with samples and lines
    held: Hand  # in SMART, its door open
    differs: Hand  # held for what differs from its spec
    data: Hand  # held for data on its disks
    queued: Hand  # its host has not come
    lively: tuple[Hand, ...]  # everybody whose agent is to be heard
    artifact: int  # of `vetted`
    bare: str = "pve-10"  # a host without a run
    stranger: str = STRANGER
    person: str = "vic"
    token: str = "dashboard"

    @property
    def host(self) -> str:
        return self.vetted.machine.host

    async def breathe(self) -> None:
        """A sign of life of everyone who would give one."""
        for hand in self.lively:
            if hand.doing == "running":
                await hand.beat(done=96, of=240, unit="s", note="all cores, method bitops")
            else:
                await hand.beat()
        await reporters(self.scene)


@asynccontextmanager
async def whole_rack(folder: Path) -> AsyncIterator[Cast]:
    """A scene with everybody on it."""
    async with staged(folder, begins_s=-HISTORY_S, change=told) as scene:
        yield await fill(scene)


def told(config: Config) -> Config:
    """Somebody is told, at an address of this machine where nobody answers."""
    return replace(config, notify=(Channel(name="on-call", url="json://user:secret@127.0.0.1:9/hook"),))


async def fill(scene: Scene) -> Cast:
    """Everybody comes on: hours go by on the scene's clock, seconds on the wall's."""
    await scene.add(*(Machine(number, bios="3.4" if number == 6 else "3.8a") for number in range(1, 13)))
    first = await scene.running("CPUStress", "pve-01", profile=QUICK.name)
    await first.work(60, of=240, hot=94)
    await first.find(THROTTLED, component="cpu12")
    await first.fail("stress-ng: a stressor got a wrong result on CPU 12", cells=(broken_cpu(),))
    await first.hold()
    await scene.server.desk.progress.release(first.run_id, who="mira", because=wire.Because(reason="CPU 2 is replaced"))
    await first.obey()
    scene.clock.skip(DAY_S)
    before = await scene.vetted("pve-01")
    vetted = await scene.vetted("pve-01")
    scene.clock.skip(DAY_S)
    await scene.completed("pve-11", non_destructive=True)
    await scene.lost("Burn", "pve-08")
    await scene.cancelled("CPUStress", "pve-09")
    held = await bad_disk(scene, "pve-02")
    data = await scene.unexpected_data("pve-03")
    rebooted = await scene.rebooted("CPUStress", "pve-07")
    differs = await other_bios(scene, "pve-06")
    storage = await scene.running("Storage", "pve-12")
    working = await at_work(scene, "pve-04")
    queued = await scene.queued("pve-05")
    await around(scene)
    kept = await scene.server.store.read(lambda: artifacts.artifacts_of(vetted.run_id))
    there = Cast(
        scene=scene, vetted=vetted, before=before, working=working, held=held, differs=differs, data=data, queued=queued,
        lively=(held, data, rebooted, differs, storage, working), artifact=kept[0].id,
    )  # fmt: skip
    await there.breathe()
    return there


async def bad_disk(scene: Scene, host: str) -> Hand:
    """Held in SMART: one of two disks has gone bad, and its numbers say so."""
    hand = await scene.running("SMART", host, profile=QUICK.name)
    bad, good = hand.machine.serials
    why = "14 reallocated sectors after the self-test, 0 before it"
    cells = (
        Cell(component=f"disk:{bad}", verdict=Verdict.FAIL, reason=why),
        Cell(component=f"disk:{good}", verdict=Verdict.PASS, reason="short self-test finished"),
    )
    found = Finding(severity=Severity.CRITICAL, component=f"disk:{bad}", text=why, source="smartctl")
    await hand.say(f"sda: {why}", level="error", source="smartctl")
    await hand.fail(f"disk {bad}: {why}", cells=cells, findings=(found,))
    await hand.hold(addresses=("192.0.2.41", "2001:db8::41"))
    return hand


def broken_cpu() -> Cell:
    return Cell(
        component="cpu", verdict=Verdict.FAIL, reason="a wrong result on CPU 12, method ackermann",
        work=(Work(what="cpus", done=63, of=64, unit="cpus"),),
    )  # fmt: skip


async def other_bios(scene: Scene, host: str) -> Hand:
    """Held in SpecValidate: the machine is not what its spec says."""
    hand = await scene.running("Firmware", host)
    await hand.finish()
    await hand.hold(addresses=("192.0.2.46",))
    return hand


async def at_work(scene: Scene, host: str) -> Hand:
    """In CPUStress, warm, with curves, lines and a warning."""
    hand = await scene.running("CPUStress", host, profile=QUICK.name)
    for number, (level, source, text) in enumerate(TALK):
        await hand.say(text, level=level, source=source)
        await hand.work(16, of=240, hot=70 + 3 * number)
    at = hand.host_s()
    for ago in range(90, 0, -5):
        swing = math.sin((at - ago) / 13)
        await hand.sample(dict(zip(POWER, (212 + 9 * swing, 205 - 7 * swing), strict=True)), unit="W", ago_s=ago)
        await hand.sample({"clock.cpu.mean": 2780 + 40 * swing}, unit="MHz", ago_s=ago)
    await hand.find(THROTTLED, component="cpu12")
    return hand


async def reporters(scene: Scene) -> None:
    """The installed systems of three hosts are up; one of them may not be rebooted now."""
    await beat_all_reporters(scene, ("pve-01", "pve-09"))
    await beat_all_reporters(scene, ("pve-10",), obstacles=("12 guests run here", "Ceph is rebuilding"))


async def beat_all_reporters(scene: Scene, hosts: tuple[str, ...], **told: Any) -> None:
    for name in hosts:
        token = TOKENS.get((scene.url, name)) or await scene.server.desk.people.issue_reporter_token(name, who="mira")
        TOKENS[scene.url, name] = token
        beat = wire.ReporterBeat(
            **{
                "boot_id": "boot-0",
                "version": "1.0",
                "uptime_s": DAY_S,
                "allowed": True,
                "ways": ("efi", "ipmi"),
                **told,
            }
        )
        async with scene.client(token) as client:
            await client.call("/api/reporter/heartbeat", beat, wire.ReporterReply)


async def around(scene: Scene) -> None:
    """Machines that nobody knows, a service in trouble, people and tokens."""
    server = scene.server
    await scene.operator()
    await scene.viewer()
    arrivals = Arrivals(store=server.store, bus=server.bus, clock=scene.clock)
    await arrivals.stranger(
        STRANGER, address="192.0.2.77", source="ipxe", what="Dell Inc. PowerEdge R640, serial 7XK2L13"
    )
    await arrivals.stranger("52:54:00:be:ef:02", address="", source="dhcp", what="")
    await server.accounts.add(name="sam", role=Role.OPERATOR, password="another long password", who="mira")
    await server.accounts.set_disabled("sam", True, who="mira")
    await server.desk.people.issue_operator_token("dashboard", Role.VIEWER, who="mira")
    server.services.told(Status(name="dnsmasq", health=Health.WAITING, restarts=3, why="address already in use"))
