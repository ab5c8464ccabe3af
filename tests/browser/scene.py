"""A real orchestrator in this very process, and honest hosts that are brought into any state through its API.

    async with staged(tmp_path) as scene:
        person = await scene.operator()
        agent = await scene.running("CPUStress")            # believed passes up to there
        await agent.beat(done=120, of=240, unit="s")
        await agent.say("pass 1: all cores", stage="CPUStress")
        page = await surfer.open(scene.url + "/sign-in")     # or, signed in without typing:
        page = await scene.visit(surfer, f"/runs/{agent.run_id}", person)

The scene's clock can be moved on: a stage of two hours takes no time, and a host falls silent when the test says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.hand import Hand
from tests.browser.machines import Machine
from tests.fakes import honest
from tests.fakes.rig import free_ports, until
from vetting import serve, wire
from vetting.client import Client
from vetting.clock import SystemClock
from vetting.config import Config
from vetting.domain.profiles import QUICK, Profile
from vetting.domain.roles import Role
from vetting.domain.states import RunState
from vetting.store import runs
from vetting.store.rows import RunRow
from vetting.web.who import COOKIE

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

    from tests.browser.surfer import Surfer

PASSWORD = "a long enough password"
SPRINT = honest.SPRINT
STAGES = ("Inventory", "Firmware", "SMART", "CPUStress", "Storage", "Network", "Burn", "GPU", "PSU")
"""The agent's own, in their order."""


class MovedClock(SystemClock):
    """The machine's clocks, moved on by the test. `begins_s`: where it stands at first, from the real time."""

    def __init__(self, begins_s: float = 0.0) -> None:
        self._moved_s = 0.0
        super().__init__()
        self._epoch_s += begins_s

    def monotonic(self) -> float:
        return super().monotonic() + self._moved_s

    def skip(self, seconds: float) -> None:
        self._moved_s += seconds


@dataclass(frozen=True)
class Guest:
    """Somebody who is signed in."""

    name: str
    secret: str = field(repr=False)
    csrf: str = field(repr=False)

    @property
    def cookies(self) -> dict[str, str]:
        """For an aiohttp session's `cookies=`, or a request's."""
        return {COOKIE: self.secret}


@dataclass
class Scene:
    """Everything on the stage. `server` is another one after `restart`."""

    folder: Path
    config: Config
    clock: MovedClock
    server: serve.Server = field(init=False)
    machines: dict[str, Machine] = field(default_factory=dict)
    _running: contextlib.AsyncExitStack = field(init=False)
    _known: dict[str, Guest] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def data(self) -> Path:
        return Path(self.config.server.data_dir)

    # --- being there ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._running = contextlib.AsyncExitStack()
        self.server = await self._running.enter_async_context(serve.running(self.config, clock=self.clock, strict=True))

    async def stop(self) -> None:
        await self._running.aclose()

    async def restart(self) -> None:
        """The orchestrator stops and starts again, on the same port and data."""
        await self.stop()
        await self.start()

    # --- people ---------------------------------------------------------------------------------------------------

    async def operator(self, name: str = "mira") -> Guest:
        """An operator, signed in; the first one ever is made with the setup code."""
        if name in self._known:
            return self._known[name]
        accounts = self.server.accounts
        if code := await accounts.setup_code():
            made = await accounts.set_up(code=code, name=name, password=PASSWORD, peer="127.0.0.1")
            self._known[name] = Guest(name, made.secret, made.person.csrf)
            return self._known[name]
        return await self._added(name, Role.OPERATOR)

    async def viewer(self, name: str = "vic") -> Guest:
        """Somebody who may look, signed in."""
        if name in self._known:
            return self._known[name]
        await self.operator()
        return await self._added(name, Role.VIEWER)

    async def _added(self, name: str, role: Role) -> Guest:
        accounts = self.server.accounts
        await accounts.add(name=name, role=role, password=PASSWORD, who="test")
        made = await accounts.sign_in(name=name, password=PASSWORD, peer="127.0.0.1")
        self._known[name] = Guest(name, made.secret, made.person.csrf)
        return self._known[name]

    async def let_in(self, context: BrowserContext, guest: Guest) -> None:
        """This browser is signed in from here on, by its cookie."""
        await context.add_cookies(
            [{"name": COOKIE, "value": guest.secret, "url": self.url, "secure": True, "httpOnly": True, "sameSite": "Lax"}]
        )  # fmt: skip

    async def visit(self, surfer: Surfer, path: str, guest: Guest | None, **looks: Any) -> Page:
        """A page in a browser of its own, signed in; `looks` as `Surfer.person` takes them. None: nobody is signed in."""
        context = await surfer.person(**looks)
        if guest is not None:
            await self.let_in(context, guest)
        surfer.origins.add(self.url.partition("://")[2])
        page = await context.new_page()
        await page.goto(self.url + path)
        return page

    # --- hosts ----------------------------------------------------------------------------------------------------

    async def add(self, *machines: Machine) -> None:
        """These machines' hosts, with their specs, as an operator adds them."""
        for one in machines:
            await self.server.desk.people.add_host(
                wire.HostEdit(name=one.host, macs=one.macs, spec=one.spec), who="mira"
            )
            self.machines[one.host] = one

    async def hosts(self, count: int, *, first: int = 1) -> list[Machine]:
        """So many hosts: pve-01, pve-02, …"""
        made = [Machine(number) for number in range(first, first + count)]
        await self.add(*made)
        return made

    async def machine(self, name: str = "") -> Machine:
        """The host of that name, or the next new one."""
        if name in self.machines:
            return self.machines[name]
        made = Machine(len(self.machines) + 1, name)
        await self.add(made)
        return made

    # --- runs -----------------------------------------------------------------------------------------------------

    async def queued(self, host: str = "", **changes: Any) -> Hand:
        """A run that was started, by hand unless `start_by` says otherwise: Booting, its agent not yet there."""
        machine = await self.machine(host)
        safe = bool(changes.get("non_destructive"))
        request = wire.StartRun(
            **{
                "host": machine.host, "profile": SPRINT.name, "start_by": "manual",
                "confirm_serials": () if safe else machine.serials, **changes,
            }
        )  # fmt: skip
        started = await self.server.desk.progress.start(request, who="mira")
        return Hand(self, machine, started.run_id, started.ticket, self.config.profiles[request.profile], safe)

    async def claimed(self, host: str = "", **changes: Any) -> Hand:
        """A run whose agent is there: Inventory is running."""
        hand = await self.queued(host, **changes)
        await hand.claim()
        return hand

    async def running(self, stage: str, host: str = "", **changes: Any) -> Hand:
        """A run in this stage of the agent's, after believed passes of all before it."""
        hand = await self.claimed(host, **changes)
        await hand.reach(stage)
        return hand

    async def held(
        self, stage: str = "SMART", host: str = "", *, verdict: str = "FAIL", reason: str = "", **changes: Any
    ) -> Hand:
        """A run that is held after FAIL or ERROR in this stage, its host's door open."""
        hand = await self.running(stage, host, **changes)
        await hand.fail(reason or f"{stage} came up short, as the test wants it", verdict=verdict)
        await hand.hold()
        return hand

    async def unexpected_data(self, host: str = "", **changes: Any) -> Hand:
        """Held in Storage: the wipe probe found data on the disks."""
        hand = await self.running("Storage", host, **changes)
        await hand.unexpected_data()
        await hand.hold()
        return hand

    async def rebooted(self, stage: str = "CPUStress", host: str = "", **changes: Any) -> Hand:
        """Held, for the host came back with another boot in the middle of a stage."""
        hand = await self.running(stage, host, **changes)
        await hand.reboot()
        return hand

    async def lost(self, stage: str = "Burn", host: str = "", **changes: Any) -> Hand:
        """Failed, for the host said nothing for longer than its profile forgives."""
        hand = await self.running(stage, host, **changes)
        await hand.fall_silent()
        return hand

    async def cancelled(self, stage: str = "CPUStress", host: str = "", **changes: Any) -> Hand:
        """Cancelled in the middle of a stage; the agent has obeyed."""
        hand = await self.running(stage, host, **changes)
        await self.server.desk.progress.cancel(hand.run_id, who="mira", because=wire.Because(reason="the wrong host"))
        await hand.obey()
        return hand

    async def completed(self, host: str = "", **changes: Any) -> Hand:
        """All eleven stages passed. Profile quick says vetted, a sprint is passed and not vetted."""
        hand = await self.claimed(host, **changes)
        await hand.reach("")
        return hand

    async def vetted(self, host: str = "", **changes: Any) -> Hand:
        """Completed with profile quick: vetted. Its minutes are skipped, its heartbeats, samples and lines are all there."""
        return await self.completed(host, profile=QUICK.name, **changes)

    async def run(self, run_id: int) -> RunRow:
        return await self.server.store.read(lambda: runs.get(run_id))

    async def until_state(self, run_id: int, *states: RunState, limit_s: float = 10.0) -> RunState:
        """Waits for a run to come to one of these states."""

        async def there() -> RunState | None:
            state = (await self.run(run_id)).state
            return state if state in states else None

        found = await until(there, limit_s, said=f"run {run_id} to be {' or '.join(states)}")
        assert found is not None
        return found

    @asynccontextmanager
    async def client(self, token: str = "") -> AsyncIterator[Client]:
        """Speaks to the API; as the local operator where no token is given."""
        token = token or (self.data / serve.LOCAL_TOKEN).read_text().strip()
        async with Client(self.url, self.server.certificate.fingerprint, token=token, first_wait_s=0.05) as client:
            yield client


def config_in(folder: Path, profiles: Iterable[Profile] = (), *, port: int = 0, **changes: Any) -> Config:
    """What `vetting.yaml` would say for a scene: loopback alone, no iperf3, no boot service."""
    plain = Config()
    return replace(
        plain,
        server=replace(plain.server, listen="127.0.0.1", port=port, data_dir=str(folder / "data")),
        netconsole=replace(plain.netconsole, port=0),
        boot=replace(plain.boot, http_port=0),
        iperf=replace(plain.iperf, bind="127.0.0.1", host="127.0.0.1", ports=range(0)),
        limits=replace(plain.limits, max_destructive=1000),
        profiles={**plain.profiles, SPRINT.name: SPRINT, **{one.name: one for one in profiles}},
        **changes,
    )


@asynccontextmanager
async def staged(
    folder: Path, *, begins_s: float = 0.0, change: Callable[[Config], Config] = lambda config: config
) -> AsyncIterator[Scene]:
    """A scene in this folder, gone at the end. `begins_s`: its clock's distance from the real time, for a scene that is to
    end about now; `change`: what vetting.yaml says otherwise."""
    config = change(config_in(folder, port=free_ports(1)[0]))
    scene = Scene(folder, config, MovedClock(begins_s))
    await scene.start()
    try:
        yield scene
    finally:
        await scene.stop()
