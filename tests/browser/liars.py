"""Hosts that say the worst in every word that is theirs, and are believed all the same: what they say is only text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

from tests.browser.cast import STRANGER, Cast, beat_all_reporters
from tests.browser.hand import Hand
from tests.browser.machines import Machine
from tests.browser.scene import Scene
from vetting import wire
from vetting.domain.errors import Refusal
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, FirmwarePin, Identity
from vetting.domain.image import LiveImage
from vetting.domain.inventory import Inventory, Sensor
from vetting.domain.outcome import Cell, Counter, Finding, Measurement, Outcome, Severity, ToolRecord, Verdict, Work
from vetting.domain.profiles import Profile
from vetting.domain.roles import Role
from vetting.orchestrator.arrivals import Arrivals
from vetting.store import artifacts

TRAP = "window.trapped = (window.trapped || 0) + 1"
SHORT = (
    f'<script>{TRAP}</script><img src=x onerror="{TRAP}" poison>',
    f'"><b poison onmouseover="{TRAP}" autofocus onfocus="{TRAP}">',
    f"' poison='1' onfocus='{TRAP}' style='position:fixed;inset:0'",
    f"</textarea></title></option></pre></script><svg onload={TRAP} poison>",
    f"javascript:{TRAP}",
    "{{7*7}}${7*7}#{7*7}{%raw%}",
    "\x1b[31mred\x1b]0;title\x07\x08\x7f",
    "nul\x00nul",
    "\u202egnp.exe\u2066 turned \u2069\u200e",
    "\u200bno\u2060width\ufeff\u00ad",
    "\r\n\r\nevent: signed-out\ndata: x\n\n\u2028id: 99\u2029",
    "&lt;&#60;b poison&gt;<!--",
)
LONG = "W" * 10_000


class Mouth:
    """Says the worst after each honest word, another one each time; every fourth time it does not stop."""

    def __init__(self) -> None:
        self._next: Iterator[tuple[int, str]] = cycle(enumerate(SHORT * 4))

    def __call__(self, word: str = "") -> str:
        number, poison = next(self._next)
        return f"{word}{poison}{LONG if number % 4 == 3 else ''}"

    def brief(self, word: str = "") -> str:
        """Where a long message would be refused."""
        return self(word)[:1000]

    def every(self, word: str) -> tuple[str, ...]:
        """All of it, one after another."""
        return tuple(self(word) for _ in SHORT)


@dataclass(frozen=True)
class Liar(Machine):
    """A server whose firmware was written by an enemy."""

    say: Mouth = field(default_factory=Mouth)

    @property
    def serials(self) -> tuple[str, ...]:
        return tuple(f"S{self.number}{letter}{poison}" for letter, poison in zip("MN", SHORT, strict=False))

    @property
    def spec(self) -> ExpectedSpec:
        return ExpectedSpec(
            disks=tuple(ExpectedDisk(serial=serial, model=SHORT[1]) for serial in self.serials),
            firmware=(FirmwarePin(component="bios", version="3.8a"),),
        )

    @property
    def identity(self) -> Identity:
        told = super().identity
        return replace(told, system_serial=f"A{self.number}{SHORT[3]}", board_serial=f"B{self.number}{SHORT[8]}")

    @property
    def inventory(self) -> Inventory:
        honest, say = super().inventory, self.say
        return replace(
            honest,
            manufacturer=say("Supermicro"), product=say("SYS"), kernel=say("6.12"), cpu=replace(honest.cpu, model=say("Xeon"), microcode=say("0x2")),
            dimms=tuple(replace(one, locator=say("P1"), serial=say("34A"), manufacturer=say("Micron"), part_number=say("M3")) for one in honest.dimms or ()),
            disks=tuple(replace(one, model=SHORT[1], firmware=say("HXT"), transport="sata") for one in honest.disks),
            nics=tuple(replace(one, name=say("eno"), driver=say("i40e"), pci=say("0000:18"), neighbour=say("sw1 Eth1/7")) for one in honest.nics),
            sensors=(*honest.sensors, Sensor(series=say("temp.x"), unit=say("C"), source=say("hwmon"))),
            absent_tools=(say("nvidia-smi"),),
        )  # fmt: skip

    def outcome(
        self, stage: str, profile: Profile, *, began_s: float, ended_s: float, non_destructive: bool, **changes: Any
    ) -> Outcome:
        """What is believed, and beside it whatever can be said."""
        honest = super().outcome(
            stage, profile, began_s=began_s, ended_s=ended_s, non_destructive=non_destructive, **changes
        )
        say, end = self.say, ended_s
        tool = ToolRecord(
            argv=(say("tool"), say("--of"), "its-output"), version=say("1.0"), exit_code=0, signal=None, timed_out=False,
            started_s=began_s, ended_s=end, excerpt="\n".join(say.every("said ")),
        )  # fmt: skip
        return replace(
            honest,
            reason=honest.reason or say("all is well"),
            cells=(
                *(replace(cell, reason=say(cell.reason)) for cell in honest.cells),
                Cell(component=say("thing"), verdict=honest.verdict, reason=say("why"), work=(Work(what=say("w"), done=1, of=1, unit=say("u")),)),
            ),
            findings=(*honest.findings, *self.findings()),
            counters=(*honest.counters, Counter(component=say("host"), name=say("mce"), before=0, after=0)),
            measurements=(*honest.measurements, Measurement(series=say("m.x"), value=1.0, unit=say("u"), component=say("cpu"))),
            tools=(*honest.tools, tool),
        )  # fmt: skip

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(severity=Severity.INFO, component=self.say("part"), text=self.say("found"), source=self.say("sel"))
            for _ in range(3)
        )


async def chatter(hand: Hand) -> None:
    """Lines, samples, findings, files and progress, as bad as they can be."""
    say = hand.machine.say if isinstance(hand.machine, Liar) else Mouth()
    for level in ("info", "warning", "error"):
        await hand.say(*say.every("line "), level=level, source=say("kernel"))
    for unit in ("C", say("C"), say("W")):
        await hand.sample({say(f"temp.{number}"): 60.0 + number for number in range(4)}, unit=unit)
    for name in (say.brief("file") for _ in SHORT):
        with contextlib.suppress(Refusal):
            await hand.upload(name, b"text", media_type="text/html")
    for found in hand.machine.findings() if isinstance(hand.machine, Liar) else ():
        await hand.find(found.text, component=found.component, source=found.source)
    await hand.beat(done=1, of=4, unit=say.brief("u"), note=say.brief("note"))


async def claimed(scene: Scene, machine: Machine, **changes: Any) -> Hand:
    if machine.host not in scene.machines:
        await scene.add(machine)
    hand = await scene.queued(machine.host, **changes)
    say = Mouth()
    await hand.claim(image=LiveImage(version=say("1"), kernel=say("6"), packages={say("stress-ng"): say("0.19")}), agent_version=say("1"))  # fmt: skip
    return hand


async def liars(scene: Scene) -> Cast:
    """The same parts as in `cast.fill`, played by liars."""
    person = await scene.operator()
    await scene.viewer()
    say = Mouth()
    done = await claimed(scene, Liar(1))
    await chatter(done)
    await done.reach("")
    again = await claimed(scene, Liar(1))
    await again.reach("CPUStress")
    await chatter(again)
    await again.reach("")
    held = await claimed(scene, Liar(2))
    await held.reach("SMART")
    await chatter(held)
    cells = tuple(
        Cell(component=f"disk:{one}", verdict=Verdict.FAIL, reason=say("bad")) for one in held.machine.serials
    )
    await held.fail(say("SMART says"), cells=cells)
    await held.hold(addresses=("192.0.2.41", say("192.0.2.42")), trouble="")
    shut = await claimed(scene, Liar(3, bios=say("3.4")))
    await shut.reach("Firmware")
    await shut.finish()
    await shut.hold(door=False, trouble=say("sshd"))
    data = await claimed(scene, Liar(4))
    await data.reach("Storage")
    await data.unexpected_data()
    await data.hold()
    gone = await claimed(scene, Liar(5))
    await scene.server.desk.progress.cancel(gone.run_id, who=person.name, because=wire.Because(reason=say("=cmd()")))
    working = await claimed(scene, Liar(6))
    await working.reach("CPUStress")
    await chatter(working)
    await scene.add(Liar(7))
    queued = await scene.queued("pve-07")
    await around(scene, say)
    kept = await scene.server.store.read(lambda: artifacts.artifacts_of(again.run_id))
    return Cast(
        scene=scene, vetted=again, before=done, working=working, held=held, differs=shut, data=data, queued=queued,
        lively=(held, shut, data, working), artifact=kept[0].id, bare="pve-08",
    )  # fmt: skip


async def around(scene: Scene, say: Mouth) -> None:
    """What reaches us without a run."""
    server = scene.server
    for number, poison in enumerate(SHORT):
        mac = STRANGER if number == 0 else f"52:54:00:be:f0:{number:02x}"
        arrivals = Arrivals(store=server.store, bus=server.bus, clock=scene.clock)
        await arrivals.stranger(mac, address=poison, source=say("ipxe"), what=say("Dell") + poison)
    await beat_all_reporters(
        scene, ("pve-01",), version=SHORT[0], hostname=SHORT[1], obstacles=SHORT, ways=("efi", *SHORT[:4])
    )
    await server.accounts.add(name="sam", role=Role.OPERATOR, password="another long password", who="mira")
    await server.accounts.set_disabled("sam", True, who="mira")
    with contextlib.suppress(Refusal):
        await server.desk.people.issue_operator_token(SHORT[1], Role.VIEWER, who="mira")
    await server.desk.people.issue_operator_token("dashboard", Role.VIEWER, who="mira")
    note = wire.HostEdit(name="pve-08", note=say("note") + "".join(SHORT))
    await server.desk.people.add_host(note, who="mira")
