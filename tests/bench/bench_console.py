"""The console at its largest: 500 hosts, 200 people who look, and what that costs the agents. About two minutes.

`vetting serve` runs in a process of its own, the people who look in another, this one is the agents and measures.

agents    of 500 claimed runs as many as this machine carries with ease speak with the cadence of the field (see bench_api):
          p99 of their calls with nobody looking and with 200 live fleet pages, in turns, so that both see the same minutes
stream    200 people look at one run whose agent sends log lines as fast as they are acknowledged: events that arrive in all
memory    what the server has grown by after 10,000 events to all of them
pages     time of the fleet's page through HTTP and inside the server; its weight and that of all that it loads, as it is and
          packed; what Chromium says of it
"""

from __future__ import annotations

import asyncio
import gzip
import html
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import psutil
from aiohttp.test_utils import make_mocked_request
from playwright.async_api import async_playwright

from tests.bench.bench_api import HEARTBEAT_S, PATIENT, Agent, Field, Meter, enrol, say
from tests.bench.load import Waits, trusting
from tests.bench.lookers import Crowd
from tests.fakes.rig import ServeProcess, free_ports, serving, until
from vetting import serve
from vetting.clock import SystemClock
from vetting.config import load
from vetting.domain.roles import Role
from vetting.orchestrator.accounts import Person
from vetting.web.appliance import Appliance
from vetting.web.pages import fleet
from vetting.web.shell import framed
from vetting.web.site import console_of
from vetting.web.visit import View, Visit
from vetting.web.who import COOKIE

HOSTS = 500
LOOKERS = 200
OF_ONE_SESSION = 20
STEPS = (60, 125, 250, HOSTS)  # agents that speak; all hosts are on the page
SETTLE_S = 1.5
STEP_S = 8.0
ROUNDS = 2
STREAM_S = 5.0
EVENTS = 10_000
MEMORY_S = 120.0  # for them
PASSWORD = "a long enough password"
PROMISED_RENDER_MS = 100.0
PROMISED_WEIGHT = 150_000  # bytes that travel for a first load, all assets
PROMISED_P99_MS = 100.0  # of an agent's call, as bench_api has it …
PROMISED_RATIO = 3.0  # … or, on a machine that does not hold that with nobody looking, so much of what it holds then
PROMISED_GROWTH = 48_000_000
BROWSER_ARGS = ("--no-sandbox", "--disable-gpu", "--disable-component-update")
INTERACTIVE = """() => new Promise(done => {
    let last = performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd;
    new PerformanceObserver(list => { for (const one of list.getEntries()) last = Math.max(last, one.startTime + one.duration) })
        .observe({type: 'longtask', buffered: true});
    setTimeout(() => done([last, performance.getEntriesByType('navigation')[0].loadEventEnd,
        performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint')?.startTime ?? 0]), 1500);
})"""


@dataclass(slots=True)
class Kept:
    """Which promises were kept."""

    broken: list[str]

    def hold(self, true: bool, what: str) -> None:
        if not true:
            self.broken.append(what)


@dataclass(slots=True)
class People:
    """Signed-in sessions over one certificate."""

    server: ServeProcess
    session: aiohttp.ClientSession
    cookies: list[str]

    @classmethod
    @asynccontextmanager
    async def meet(cls, server: ServeProcess, sessions: int) -> AsyncIterator[People]:
        pin = aiohttp.Fingerprint(bytes.fromhex(server.fingerprint))
        connector = aiohttp.TCPConnector(ssl=pin)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            people = cls(server, session, [])
            code = await until(people._setup_code, 10.0, said="the setup code")
            people.cookies.append(
                await people._post("/setup", code=code, name="mira", password=PASSWORD, again=PASSWORD)
            )
            for _ in range(sessions - 1):
                people.cookies.append(await people._post("/sign-in", name="mira", password=PASSWORD))
            yield people

    async def get(self, path: str, *, packed: bool = True) -> tuple[bytes, int, float]:
        """The page, the bytes of its body that travelled, and the time it took."""
        began = time.perf_counter()
        headers = {"Cookie": self.cookies[0], "Accept-Encoding": "gzip" if packed else "identity"}
        async with self.session.get(self.server.url + path, headers=headers, auto_decompress=False) as answer:
            body = await answer.read()
            took = time.perf_counter() - began
            assert answer.status == 200, (path, answer.status)
            whole = gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body
            return whole, len(body), took

    async def streams(self, path: str, count: int) -> list[tuple[str, str]]:
        """Where so many live pages connect to, and with which cookie."""
        page, _, _ = await self.get(path)
        found = re.search(r'hx-sse:connect="([^"]+)"', page.decode())
        assert found is not None
        address = html.unescape(found[1])
        return [(address, self.cookies[number // OF_ONE_SESSION]) for number in range(count)]

    async def _setup_code(self) -> str:
        """It is written a moment after the server answers; empty until then."""
        path = self.server.data / "setup.code"
        return path.read_text().strip() if path.exists() else ""

    async def _post(self, path: str, **form: str) -> str:
        headers = {"Origin": self.server.url}
        url = self.server.url + path
        async with self.session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return f"{COOKIE}={answer.cookies[COOKIE].value}"


async def as_many_as_fit(now: Field, agents: list[Agent]) -> int:
    """Lets so many agents speak as this machine carries with ease while nobody looks; returns how many."""
    held = 0
    for many in STEPS:
        now.tasks += [asyncio.create_task(agent.live(now)) for agent in agents[held:many]]
        await asyncio.sleep(SETTLE_S)
        waits = now.waits = Waits()
        await asyncio.sleep(STEP_S / 2)
        if held and not waits.ms(0.99) < PROMISED_P99_MS / 2:
            for task in now.tasks[held:]:
                task.cancel()
            await asyncio.gather(*now.tasks[held:], return_exceptions=True)
            del now.tasks[held:]
            await asyncio.sleep(STEP_S / 2)  # until what they left behind is answered
            break
        held = many
    return held


async def agents_beside(people: People, agents: list[Agent], meter: Meter, kept: Kept) -> None:
    """p99 of all agents with and without people who look."""
    now, certificate = Field(), people.server.data / "keys" / "tls.crt"
    found: dict[bool, list[float]] = {False: [], True: []}
    try:
        many = await as_many_as_fit(now, agents)
        for looked in (False, True) * ROUNDS:
            crowd = None
            if looked:
                crowd = await Crowd.open(people.server.port, certificate, await people.streams("/", LOOKERS))
                await asyncio.sleep(SETTLE_S)
            before = await crowd.seen() if crowd else (0, 0, 0)
            waits = now.waits = Waits()
            meter.start()
            await asyncio.sleep(STEP_S)
            now.waits = Waits()
            found[looked].append(waits.ms(0.99))
            who = f"{LOOKERS} live fleet pages" if looked else "nobody looks"
            say(f"{many} agents, {who}: p50; p99 of their calls", f"{waits.ms(0.5):.1f} ms; {waits.ms(0.99):.1f} ms")
            say("    the server's process", meter.said(waits.count()))
            kept.hold(not waits.refused, f"calls of agents were refused: {dict(waits.refused)}")
            if crowd:
                events, size, there = await crowd.seen()
                rate, weight = (events - before[0]) / STEP_S, (size - before[1]) / STEP_S
                say("    events/s and bytes/s to all who look", f"{rate:,.0f}/s; {weight / 1e6:.2f} MB/s")
                kept.hold(there == LOOKERS and rate > 0, "somebody who looked was let go, or saw nothing")
                await crowd.close()
                await asyncio.sleep(SETTLE_S)
    finally:
        for task in now.tasks:
            task.cancel()
        await asyncio.gather(*now.tasks, return_exceptions=True)
    alone, beside = min(found[False]), min(found[True])
    say("    p99 with people who look, of p99 with nobody", f"{beside / alone:.2f}")
    kept.hold(beside < max(PROMISED_P99_MS, PROMISED_RATIO * alone), "people who look slow the agents down")


async def stream(people: People, agent: Agent, meter: Meter, kept: Kept) -> None:
    """Events/s to everybody who looks at one run, and what is left of 10,000 of them in the server's memory."""
    certificate = people.server.data / "keys" / "tls.crt"
    asked = await people.streams(f"/runs/{agent.run_id}", LOOKERS)
    crowd = await Crowd.open(people.server.port, certificate, asked)
    try:
        waits, sent = Waits(), 0

        async def tell(until: float, most: int) -> None:
            nonlocal sent
            while sent < most and (began := time.perf_counter()) < until:
                sent += 1
                await agent.log(waits, began)

        await tell(time.perf_counter() + 2.0, EVENTS)
        before, sent_before = await crowd.seen(), sent
        meter.start()
        began = time.perf_counter()
        await tell(began + STREAM_S, EVENTS * 10)
        await asyncio.sleep(0.3)
        took = time.perf_counter() - began
        after = await crowd.seen()
        say(
            f"events/s that arrive at {len(asked)} people who look at one run (log batches/s)",
            f"{(after[0] - before[0]) / took:,.0f} ({(sent - sent_before) / took:,.0f})",
        )
        say("    the server's process", meter.said(0))
        kept.hold(not waits.refused, f"log lines were refused: {dict(waits.refused)}")
        kept.hold(after[2] == len(asked), "somebody who looked at a run was let go")
        grown_from, first = meter.process.memory_info().rss, after[0]
        sent = 0
        await tell(time.perf_counter() + MEMORY_S, EVENTS)
        await asyncio.sleep(1.0)
        grown = meter.process.memory_info().rss - grown_from
        events = (await crowd.seen())[0] - first
        say(f"    grown after {sent:,} more events, {events:,} delivered", f"{grown / 1e6:.1f} MB")
        kept.hold(sent == EVENTS, f"only {sent} events in {MEMORY_S:.0f} s")
        kept.hold(grown < PROMISED_GROWTH, "the server grows with the events")
    finally:
        await crowd.close()


async def weigh(people: People, path: str, what: str, kept: Kept, *, promised: bool = True) -> None:
    """A first load: the page, and every asset that it names."""
    page, page_packed, _ = await people.get(path)
    raw, packed = len(page), page_packed
    for asset in sorted(set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.decode()))):
        whole, travelled, _ = await people.get(asset)
        raw, packed = raw + len(whole), packed + travelled
    say(f"first load of {what}, all assets: as it is; packed", f"{raw / 1000:,.0f} kB; {packed / 1000:,.1f} kB")
    say("    of that the page itself", f"{len(page) / 1000:,.0f} kB; {page_packed / 1000:,.1f} kB")
    kept.hold(not promised or packed < PROMISED_WEIGHT, f"{what} weighs {packed} bytes")


async def times(people: People, what: str, path: str) -> float:
    """Median time in ms through HTTP."""
    found = sorted([(await people.get(path))[2] * 1000 for _ in range(15)])
    say(f"{what} through HTTP and TLS, packed: median; slowest of 15", f"{found[7]:.0f} ms; {found[-1]:.0f} ms")
    return found[7]


async def in_chromium(people: People, pages: dict[str, str]) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        say("Chromium", "is not on this machine")
        return
    name, _, value = people.cookies[0].partition("=")
    cookie = {"name": name, "value": value, "url": people.server.url, "secure": True, "httpOnly": True}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGS))
        for what, path in pages.items():
            found = []
            for _ in range(3):
                context = await browser.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
                await context.add_cookies([cookie])  # type: ignore[list-item]
                page = await context.new_page()
                await page.goto(people.server.url + path)
                found.append(await page.evaluate(INTERACTIVE))
                await context.close()
            interactive, loaded, painted = (statistics.median(one[place] for one in found) for place in range(3))
            say(
                f"Chromium, first load of {what}: first paint; loaded; interactive",
                f"{painted:.0f}; {loaded:.0f}; {interactive:.0f} ms",
            )
        await browser.close()


async def inside(folder: Path, kept: Kept) -> None:
    """The fleet's page on what the server left behind: everything from the first read to the last byte, without HTTP."""
    config = load(folder / "vetting.yaml")
    config = replace(config, server=replace(config.server, port=0))
    async with serve.running(config) as server:
        console = console_of(
            desk=server.desk, store=server.store, services=server.services, bus=server.bus, clock=SystemClock(),
            config=config, data=folder / "data", fingerprint="", image_dir=folder, appliance=Appliance(),
        )  # fmt: skip
        person = Person(name="mira", role=Role.OPERATOR, csrf="00" * 32, expires_at=0.0)
        found: list[tuple[float, float]] = []
        for _ in range(15):
            visit = Visit(request=make_mocked_request("GET", "/"), person=person, peer="", mark=console.hub.now())
            began = time.perf_counter()
            view = await fleet.show(console, visit)
            read = time.perf_counter()
            assert isinstance(view, View)
            assert len(await framed(console, view, visit)) > 100_000
            found.append(((read - began) * 1000, (time.perf_counter() - read) * 1000))
        whole = sorted(sum(one) for one in found)
        read_ms, made_ms = (statistics.median(one[place] for one in found) for place in range(2))
        say(
            f"the fleet's page at {HOSTS} hosts inside the server: best; median of 15",
            f"{whole[0]:.0f}; {whole[7]:.0f} ms",
        )
        say("    of that reading; making", f"{read_ms:.0f} ms; {made_ms:.0f} ms")
        best = whole[0]  # what it takes where nobody else wants this machine
        kept.hold(best < PROMISED_RENDER_MS, f"the fleet's page takes {best:.0f} ms")


async def bench() -> int:
    kept = Kept([])
    with tempfile.TemporaryDirectory(prefix="vetting-bench-") as folder:
        one = free_ports(1)
        async with serving(Path(folder), profiles=(PATIENT,), heartbeat_s=HEARTBEAT_S, iperf=one) as server:
            tls = trusting(server.data / "keys" / "tls.crt")
            assert server.process is not None
            meter = Meter(psutil.Process(server.process.pid))
            async with People.meet(server, -(-LOOKERS // OF_ONE_SESSION)) as people:
                await weigh(people, "/", "an empty fleet", kept)
                agents: list[Agent] = []
                while len(agents) < HOSTS:
                    agents += await enrol(server, tls, range(len(agents), HOSTS))
                say("the server with so many runs: resident", f"{meter.process.memory_info().rss / 1e6:.0f} MB")
                await agents_beside(people, agents, meter, kept)
                await stream(people, agents[0], meter, kept)
                run = f"/runs/{agents[0].run_id}"
                await weigh(people, "/", f"the fleet at {HOSTS} hosts", kept)
                await weigh(people, run, "a run", kept)
                await weigh(people, f"{run}/charts", "a run's charts", kept)
                await times(people, f"the fleet's page at {HOSTS} hosts", "/")
                await times(people, "a run's page", run)
                await in_chromium(people, {f"the fleet at {HOSTS} hosts": "/", "a run": run})
        await inside(Path(folder), kept)
    for broken in kept.broken:
        say("NOT KEPT", broken)
    return 1 if kept.broken else 0


def main() -> int:
    """0 when what was promised of the console was kept."""
    began = time.perf_counter()
    status = asyncio.run(bench())
    say("this bench took", f"{time.perf_counter() - began:.0f} s")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
