"""An honest agent in the test's hand: it speaks the agent's protocol over HTTPS and does what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from tests.browser.machines import SENSORS, Machine
from vetting import wire
from vetting.domain.errors import Refusal
from vetting.domain.image import LiveImage
from vetting.domain.outcome import ArtifactRef, Cell, Finding, Outcome, Severity, Verdict
from vetting.domain.profiles import Profile

if TYPE_CHECKING:
    from tests.browser.scene import Scene

T = TypeVar("T")
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHx8wq5yZyq4b2mJ0Jt5mS0v7S6u9nq0n0m8m7l6k5j4"
IMAGE = LiveImage(
    version="2026.11.1", kernel="6.12.57+deb13-amd64", packages={"stress-ng": "0.19.02-1", "fio": "3.39-1"}
)
DATA = "UnexpectedData: LVM physical volume of group pve at 1 MiB"
STEP_S = 10.0


@dataclass
class Hand:
    """The agent of one run. `did`: what it was told to do with its host, reboot or shutdown, once it has."""

    scene: Scene
    machine: Machine
    run_id: int
    ticket: str
    profile: Profile
    non_destructive: bool
    boot_id: str = "boot-1"
    token: str = field(default="", repr=False)
    stage: str = ""
    attempt: int = 0
    doing: str = "running"
    did: str = ""
    flags: tuple[str, ...] = ()
    on_cancel: list[Callable[[], object]] = field(
        default_factory=list
    )  # what ends the stage's processes, if it has any
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # set once it has carried out `did`
    _seq: int = 0
    _began_s: float = 0.0

    # --- speaking -------------------------------------------------------------------------------------------------

    async def claim(self, **changes: Any) -> wire.ClaimReply:
        """Takes up the run by its ticket, or again by its token."""
        message = wire.Claim(
            **{
                "protocol": wire.PROTOCOL, "agent_version": "test", "boot_id": self.boot_id,
                "identity": self.machine.identity, "live_image": True, "image": IMAGE, **changes,
            }
        )  # fmt: skip
        reply = await self._ask("claim", message, wire.ClaimReply, token=self.token or self.ticket)
        self.token, self.profile = reply.token, reply.profile  # a repair may have raised what its profile asks for
        self.doing = "holding" if reply.holding else "running"
        self._turn_to(reply.current_stage, reply.attempt)
        return reply

    async def beat(self, done: float = 0.0, of: float = 0.0, unit: str = "", note: str = "") -> wire.Command:
        """A heartbeat; what it is answered. Nothing is done about that here: see `obey`."""
        running = self.doing == "running"
        beat = wire.Heartbeat(
            boot_id=self.boot_id, seq=self._next(), doing=self.doing,
            stage=self.stage if running else "", attempt=self.attempt if running else 0, monotonic_s=self.host_s(),
            progress=wire.Progress(done=done, of=of, unit=unit, note=note),
        )  # fmt: skip
        return (await self._ask("heartbeat", beat, wire.HeartbeatReply)).command

    async def say(self, *lines: str, level: str = "info", source: str = "agent", stage: str | None = None) -> None:
        """Log lines, all of one batch."""
        now = int(self.host_s() * 1000)
        said = tuple(
            wire.LogLine(at_ms=now, stage=self.stage if stage is None else stage, level=level, source=source, text=text)
            for text in lines
        )
        await self._ask(
            "log", wire.LogBatch(boot_id=self.boot_id, seq=self._next(), now_ms=now, lines=said), wire.LogReply
        )

    async def find(
        self, text: str, *, severity: Severity = Severity.WARNING, component: str = "host", source: str = "kernel"
    ) -> None:
        """A finding, told while the stage runs."""
        found = Finding(severity=severity, component=component, text=text, source=source)
        now = int(self.host_s() * 1000)
        await self._ask(
            "log", wire.LogBatch(boot_id=self.boot_id, seq=self._next(), now_ms=now, findings=(found,)), wire.LogReply
        )

    async def sample(self, values: Mapping[str, float], *, unit: str = "C", ago_s: float = 0.0) -> None:
        """One sample of each series, of this moment or a little ago."""
        now = int(self.host_s() * 1000)
        at = now - int(ago_s * 1000)
        batch = wire.SensorBatch(
            boot_id=self.boot_id, seq=self._next(), stage=self.stage, now_ms=now,
            names=tuple(values), units=(unit,) * len(values),
            samples=tuple(wire.Sample(place, at, value) for place, value in enumerate(values.values())),
        )  # fmt: skip
        await self._ask("sensor", batch, wire.SensorReply)

    async def upload(self, name: str, data: bytes, media_type: str = "text/plain") -> ArtifactRef:
        """A piece of evidence of the attempt that runs."""
        query = {"stage": self.stage, "attempt": str(self.attempt), "name": name}
        async with self.scene.client(self.token) as client:
            await client.upload("/api/agent/artifact", data, media_type=media_type, query=query)
        sha256 = hashlib.sha256(data).hexdigest()
        return ArtifactRef(name=name, media_type=media_type, sha256=sha256, size_bytes=len(data))

    async def post(self, outcome: Outcome) -> wire.ResultReply:
        """The result of the attempt that runs; the agent goes on with what it is answered."""
        message = wire.Result(boot_id=self.boot_id, stage=self.stage, attempt=self.attempt, outcome=outcome)
        reply = await self._ask("result", message, wire.ResultReply)
        if reply.next_stage:
            self._turn_to(reply.next_stage, reply.next_attempt)
        else:
            self.doing = "idle" if reply.state in ("Completed", "Cancelled", "Released") else "holding"
        return reply

    # --- working --------------------------------------------------------------------------------------------------

    def outcome(self, **changes: Any) -> Outcome:
        """An honest pass of the present stage."""
        return self.machine.outcome(
            self.stage, self.profile, began_s=self._began_s, ended_s=self.host_s(), non_destructive=self.non_destructive,
            **changes,
        )  # fmt: skip

    async def work(self, seconds: float, *, of: float | None = None, hot: float = 71.0) -> None:
        """So many seconds of the stage go by, with a heartbeat, temperatures and now and then a line: none of them is waited for."""
        whole = of or seconds
        done = self.host_s() - self._began_s
        end = done + seconds
        while done < end - 0.001:
            step = min(STEP_S, end - done)
            self.scene.clock.skip(step)
            done += step
            heat = {name: hot - 4 * place + done % 3 for place, name in enumerate(SENSORS)}
            await self.sample(heat, ago_s=step / 2)
            await self.sample(heat)
            await self.beat(
                done=min(done, whole), of=whole, unit="s", note="all cores" if self.stage == "CPUStress" else ""
            )

    async def finish(self, **changes: Any) -> wire.ResultReply:
        """The rest of the stage's planned time, then its pass, with its output as evidence."""
        planned_s = await self.planned_s()
        if planned_s > 2:
            await self.say(f"{self.stage} begins, planned are {planned_s:.0f} s")
            await self.work(planned_s + 1 - (self.host_s() - self._began_s), of=planned_s)
        outcome = self.outcome()
        kept = [await self.upload(f"{tool.argv[-1].strip('-/').replace('/', '-')}-{number}.txt", (tool.excerpt * 20).encode())
                for number, tool in enumerate(outcome.tools, 1)]  # fmt: skip
        tools = tuple(replace(tool, output=ref.name) for tool, ref in zip(outcome.tools, kept, strict=True))
        reply = await self.post(replace(outcome, **{"tools": tools, "artifacts": tuple(kept), **changes}))
        assert changes or reply.verdict in ("PASS", "SKIP"), (reply.verdict, reply.objections)
        return reply

    async def reach(self, stage: str) -> None:
        """Believed passes up to this stage, which then runs; "" for all of them."""
        while self.doing == "running" and self.stage != stage:
            await self.finish()
        assert self.stage == stage or not stage

    async def planned_s(self) -> float:
        view = await self.scene.server.desk.views.run(self.run_id)
        return view.attempts[-1].planned_s

    # --- trouble --------------------------------------------------------------------------------------------------

    async def fail(
        self, reason: str, *, verdict: str = "FAIL", cells: tuple[Cell, ...] = (), **changes: Any
    ) -> wire.ResultReply:
        """The stage ends as FAIL or ERROR."""
        return await self.post(self.outcome(verdict=Verdict(verdict), reason=reason, cells=cells, **changes))

    async def unexpected_data(self) -> wire.ResultReply:
        """As the Storage stage says it where the wipe probe finds something."""
        cells = tuple(Cell(component=f"disk:{one}", verdict=Verdict.ERROR, reason=DATA) for one in self.machine.serials)
        hits = "; ".join(f"{cell.component} holds {DATA.partition(': ')[2]}" for cell in cells)
        return await self.post(
            self.outcome(verdict=Verdict.ERROR, reason=f"UnexpectedData: {hits}", cells=cells, tools=())
        )

    async def hold(self, *, addresses: tuple[str, ...] = ("192.0.2.41",), door: bool = True, trouble: str = "") -> None:
        """Parked: tells where it is, and the key of its SSH server."""
        message = wire.Hold(
            boot_id=self.boot_id,
            addresses=addresses,
            reason="held",
            host_keys=(HOST_KEY,) if door else (),
            trouble=trouble,
        )
        await self._ask("hold", message, wire.HoldReply)
        self.doing = "holding"
        await self.beat()

    async def reboot(self) -> None:
        """The host comes back with another boot, and its agent claims the run again."""
        self.boot_id = f"boot-{int(self.boot_id[-1]) + 1}"
        await self.claim()

    async def fall_silent(self) -> None:
        """Nothing is heard for longer than the profile forgives; the watchdog has looked."""
        silence_s = self.profile.lost_after_s + 5.0
        self.scene.clock.skip(silence_s)
        await self.scene.server.desk.progress.lost(self.run_id, silence_s)

    # --- obeying --------------------------------------------------------------------------------------------------

    async def obey(self, **progress: Any) -> str:
        """One heartbeat, and what it asks for is done: the command's name."""
        command = await self.beat(**progress)
        match command.cmd:
            case "cancel_stage":
                for end in self.on_cancel:
                    end()
                with contextlib.suppress(Refusal):
                    await self.post(self.outcome(verdict=Verdict.CANCELLED, reason=command.reason, cells=()))
                self.doing = "idle" if self.doing == "running" else self.doing
            case "retry_stage":
                self.flags = command.override_flags
                self.doing = "running"
                self._turn_to(command.stage, command.attempt)
            case "reboot" | "shutdown":
                self.did = command.cmd
                self.gone.set()
        return command.cmd

    @contextlib.asynccontextmanager
    async def alive(self, every_s: float = 0.2) -> AsyncIterator[None]:
        """While this is on it beats and obeys, as a real agent does, until it is told to leave."""

        async def live() -> None:
            while not self.did:
                with contextlib.suppress(Exception):  # the orchestrator may be away: an agent goes on
                    await self.obey()
                await asyncio.sleep(every_s)

        living = asyncio.create_task(live())
        try:
            yield
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    # --- itself ---------------------------------------------------------------------------------------------------

    def host_s(self) -> float:
        """The host's own clock: seconds since some boot."""
        return self.scene.clock.monotonic()

    def _turn_to(self, stage: str, attempt: int) -> None:
        self.stage, self.attempt, self._began_s = stage, attempt, self.host_s()

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    async def _ask(self, what: str, message: object, answer: type[T], *, token: str = "") -> T:
        async with self.scene.client(token or self.token) as client:
            return await client.call(f"/api/agent/{what}", message, answer)
