"""Runs the rows, some at a time, all of them beside one orchestrator: a guest each, from power-on to the stage that should catch it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.campaign import guest, matching, settings
from tests.campaign.bench import Bench, Spoiled
from tests.campaign.controls import OF_A_VIRTUAL_HOST
from tests.campaign.fault import Control, Fault
from tests.campaign.result import Came, Result
from tests.lab import settings as lab
from tests.lab.hardware import Firmware, Hardware
from tests.lab.host import Host
from tests.lab.network import ADDRESS, NetworkError
from tests.lab.orchestrator import Orchestrator
from tests.lab.qemu import Direct
from tests.lab.qmp import QmpError
from tests.lab.rack import Rack
from tests.lab.run import ENDS, LOOK_EVERY_S, Run
from tests.lab.waiting import InVain, until
from vetting.boot.scripts import Ticket
from vetting.client import Unreachable
from vetting.domain.errors import Refusal
from vetting.domain.outcome import Verdict
from vetting.domain.states import STATE_OF

NAME = "campaign"
PROGRAMS = ("stress-ng", "stressapptest", "fio", "iperf3", "smartmontools", "nvme-cli", "ipmitool", "util-linux")
CLAIM_S = 420.0  # a guest's power-on to its agent's first word, on slow cores that others load too
STAGE_S = 600.0
CONTROL_S = 1500.0
AGAIN = "-again"
BOOTS_AGAIN = (
    "host-reset",
    "kernel-panic",
)  # rows whose hosts come back by themselves: over the network, as in the field
TROUBLE = (Spoiled, InVain, QmpError, NetworkError, Unreachable, Refusal, TimeoutError, OSError)


@dataclass(slots=True)
class Campaign:
    rack: Rack
    serve: Orchestrator
    image: Path
    screwing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    @contextlib.asynccontextmanager
    async def built(
        cls,
        faults: Sequence[Fault],
        controls: Sequence[Control],
        *,
        image: Path,
        name: str = NAME,
        zipapp: Path | None = None,
    ) -> AsyncIterator[Campaign]:
        async with Rack.built(name) as rack:
            await asyncio.to_thread(shutil.copytree, image, rack.folder / "image", copy_function=_laid)
            serve = await rack.orchestrator(changes=settings.changes(faults, controls), zipapp=zipapp)
            yield cls(rack, serve, rack.folder / "image")

    # --- rows

    async def tried(self, fault: Fault, profile: str) -> Result:
        blank = Result(name=fault.name, row=fault.row, title=fault.title, came=Came.SPOILED, profile=profile)
        if fault.not_tried:
            return blank.but(came=Came.NOT_TRIED, words=fault.not_tried)
        began = time.monotonic()
        result = await self._tried(fault, profile, blank)
        return result.but(wall_s=round(time.monotonic() - began, 1))

    async def _tried(self, fault: Fault, profile: str, blank: Result) -> Result:
        over = guest.laid_over(boot=fault.boot, modules=fault.modules, files=fault.files)
        host: Host | None = None
        try:
            host = await self.screwed_in(fault.hardware, over_network=fault.row in BOOTS_AGAIN)
            bench = Bench(fault, self.rack, self.serve, host)
            if fault.prepare is not None:
                await fault.prepare(bench)
            await self.serve.know(host, spec=fault.spec)
            async with self.on(
                bench, settings.profile_of(fault, profile), over, fault.kernel_words, fault.start
            ) as run:
                injected_at = await self.injected(bench, fault)
                await self.judged(run, fault)
                return await self.result(bench, run, fault, injected_at, blank)
        except TROUBLE as why:
            return blank.but(words=_short(why), again=True)
        except AssertionError as why:  # a recipe saw what must not be
            return blank.but(came=Came.MISSED, words=_short(why))
        finally:
            if host is not None:
                await self.taken_out(host)

    async def watched(self, control: Control) -> Result:
        """A healthy host, through all the stages."""
        began = time.monotonic()
        blank = Result(name=control.name, row="", title=control.title, came=Came.SPOILED, profile="campaign")
        host: Host | None = None
        try:
            host = await self.screwed_in(control.hardware, over_network=control.over_network)
            bench = Bench(control, self.rack, self.serve, host)
            await self.serve.know(host, spec=control.spec)
            over = guest.laid_over(files=control.files)
            async with self.on(bench, f"campaign-{control.name}", over, "", control.start) as run:
                with contextlib.suppress(InVain):  # a hold: the report says why
                    await run.reaches("Completed", limit_s=CONTROL_S)
                report = await report_of(self.serve, run)
            alarms = matching.false_alarms(report, (*OF_A_VIRTUAL_HOST, *control.true_warnings))
            came = Came.FALSE_ALARM if alarms else Came.HEALTHY
            result = blank.but(
                came=came,
                instead=alarms,
                versions=matching.versions([report], PROGRAMS),
                again=matching.unmeasured(report),
            )
        except TROUBLE as why:
            result = blank.but(words=_short(why), again=True)
        finally:
            if host is not None:
                await self.taken_out(host)
        return result.but(wall_s=round(time.monotonic() - began, 1))

    # --- a row's steps

    async def screwed_in(self, hardware: Hardware, *, over_network: bool = False) -> Host:
        direct = hardware.firmware is Firmware.BIOS and not over_network
        firmware = Firmware.DIRECT if direct else hardware.firmware
        async with self.screwing:  # the rack counts its hosts
            before = sum(host.name.partition(AGAIN)[0] == hardware.name for host in self.rack.hosts)
            name = f"{hardware.name}{AGAIN}{before + 1}" if before else hardware.name
            return await self.rack.host(replace(hardware, name=name, firmware=firmware, second_console=True))

    @contextlib.asynccontextmanager
    async def on(self, bench: Bench, profile: str, over: bytes, words: str, more: dict[str, Any]) -> AsyncIterator[Run]:
        """The host at work: its agent has claimed the run. It is off and the run closed afterwards."""
        host = bench.host
        run = bench.run = await self.serve.start_run(host, profile=profile, **more)
        try:
            if host.hardware.firmware is Firmware.DIRECT:
                packed = host.folder / "initrd.img"
                await asyncio.to_thread(guest.initrd, self.image, over, packed)
                host.direct = Direct(self.image / "vmlinuz", packed, f"{self.words(run)} {words}".strip())
            await host.power_on()
            await run.claimed(limit_s=CLAIM_S)
            yield run
        finally:
            await host.power_off()
            (host.folder / "initrd.img").unlink(missing_ok=True)
            with contextlib.suppress(Refusal, Unreachable, InVain):
                await run.decides("cancel", reason="the row is over")

    def words(self, run: Run) -> str:
        """The kernel's words: those that the boot script would carry."""
        ticket = Ticket(
            url=f"https://{ADDRESS}:{lab.API_PORT}", fingerprint=self.serve.fingerprint, ticket=run.ticket, run_id=run.id,
            mac=run.host.macs[0], more=lab.KERNEL_ARGS,
        )  # fmt: skip
        return " ".join(ticket.words)

    async def injected(self, bench: Bench, fault: Fault) -> float | None:
        """Puts the fault in at its time; returns when, None for one that was there at power-on."""
        assert bench.run is not None
        if fault.boot or fault.modules:
            said = f"until [ -e {guest.STATUS} ]; do sleep 0.2; done; cat {guest.STATUS} {guest.STATUS}.said"
            status, _, words = (await bench.guest(said)).partition("\n")
            if status.strip() != "0":
                raise Spoiled(f"the script of {fault.name} ended with {status}: {words.strip()[-400:]}")
        if fault.inject is None:
            return None
        if fault.at:
            await begins(bench.run, fault.at)
        await asyncio.sleep(fault.delay_s)
        at = time.time()
        await fault.inject(bench)
        return at

    async def judged(self, run: Run, fault: Fault) -> None:
        """Waits for a verdict of the stage that should catch it, or for the run's end."""
        expect = fault.expect
        last = max((expect.stage, *expect.or_stages), key=list(STATE_OF).index)
        final = {str(one) for one in Verdict} - {"", str(Verdict.INTERRUPTED)}

        async def done() -> bool:
            view = await self.serve.view(run.id)
            if view is None:
                return False
            run.last = view
            own = [one for one in view.attempts if one.stage in (expect.stage, *expect.or_stages)]
            there = any(one.verdict in expect.verdicts for one in own)
            return there or view.state in ENDS or any(one.stage == last and one.verdict in final for one in own)

        await until(
            done,
            limit_s=STAGE_S,
            said=f"a verdict of {expect.stage} on {fault.name}",
            context=run.words,
            every_s=LOOK_EVERY_S,
        )

    async def result(self, bench: Bench, run: Run, fault: Fault, injected_at: float | None, blank: Result) -> Result:
        report = await report_of(self.serve, run)
        blank = blank.but(notes=tuple(bench.notes), versions=matching.versions([report], PROGRAMS))
        catch = matching.caught(report, fault.expect)
        if catch is None:
            again = Verdict.ERROR not in fault.expect.verdicts and matching.unmeasured(report)
            return blank.but(came=Came.MISSED, instead=matching.said_instead(report), again=again)
        since = catch.began_at if injected_at is None else injected_at
        seconds = round(max(0.0, catch.at - since), 1)
        if seconds > fault.expect.within_s:
            blank = blank.but(notes=(*blank.notes, f"later than the {fault.expect.within_s:.0f} s that it should take"))
        return blank.but(came=Came.CAUGHT, stage=catch.stage, verdict=catch.verdict, words=catch.words, seconds=seconds)

    async def taken_out(self, host: Host) -> None:
        """Consoles stay, disks go."""
        await host.power_off()
        host.drop_disks()
        for packed in (*host.folder.glob("*.img"), *host.folder.glob("*.qcow2")):
            packed.unlink(missing_ok=True)
        if host in self.serve.hosts:
            self.serve.hosts.remove(host)


async def begins(run: Run, stage: str) -> None:
    """The stage has an attempt that runs."""

    async def there() -> bool:
        view = await run.view()
        if view.state in ENDS:
            raise InVain(f"run {run.id} is {view.state} {view.failed_stage} before {stage} began: {view.reason}")
        return view.state == STATE_OF[stage] and any(a.stage == stage and not a.verdict for a in view.attempts)

    await until(there, limit_s=STAGE_S, said=f"{stage} to begin", context=run.words, every_s=0.3)


async def report_of(serve: Orchestrator, run: Run) -> dict[str, Any]:
    path = serve.folder / f"run-{run.id}.json"
    path.unlink(missing_ok=True)
    told = await serve.cli("report", str(run.id), "--format", "json", "-o", str(path), limit_s=120)
    if told.exit_code != 0:
        raise InVain(f"the report of run {run.id} was not written: {told.stderr.strip()[-400:]}")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _laid(source: str, target: str) -> None:
    """The same file by a second name, or a copy where the folders lie on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _short(why: BaseException) -> str:
    said = str(why) or repr(why)
    return said if len(said) < 600 else f"{said[:300]} … {said[-300:]}"
