"""What the boot before this one left behind, told before anything else is done: pstore's records, the BMC's event log.

In a hold it belongs to the attempt that the host died in. At a run's first claim it is from the host's life before: told,
kept, and held against nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vetting import wire
from vetting.agent import netconsole, pstore
from vetting.agent.delivery import ARTIFACT
from vetting.agent.eventlog import Ask, EventLog, since
from vetting.agent.logs import Logs
from vetting.agent.settings import Settings
from vetting.client import Client
from vetting.domain.errors import NotAllowed, ProtocolMismatch, Refusal
from vetting.domain.outcome import Finding, Severity
from vetting.parsers import pstore as records
from vetting.parsers.errors import bounded

SAID_CHARS = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    settings: Settings
    client: Client
    logs: Logs
    ask: Ask = field(default=netconsole.ask_plainly)

    @property
    def root(self) -> Path:
        return self.settings.root

    async def settle_in(self, claim: wire.ClaimReply) -> None:
        """Once, after the claim and before the first step. Raises NotAllowed, ProtocolMismatch."""
        if claim.holding:
            await self._event_log(claim)
        if self.settings.live_image:
            await self._crashes(claim)
        if self.settings.netconsole:
            await netconsole.set_up(self.settings.netconsole, self.root, self.logs, self.ask)

    async def _event_log(self, claim: wire.ClaimReply) -> None:
        bmc = EventLog(self.root, self.ask)
        if not bmc.there:
            return
        found = await bmc.read()
        if found is None:
            self.logs.say(
                "the BMC does not tell its event log: what it recorded of the host's death is unknown", "warning"
            )
            return
        for finding in since(claim.sel_record_id, found):
            self.logs.find(finding)

    async def _crashes(self, claim: wire.ClaimReply) -> None:
        await pstore.mounted(self.root, self.ask)
        kept = await asyncio.to_thread(pstore.records, self.root)
        if not kept:
            return
        self.logs.find(finding_of(kept, held=claim.holding))
        stage, attempt = claim.current_stage, claim.attempt
        if claim.holding:
            stage, attempt = claim.failed_stage, claim.failed_attempt
        taken = [one for one in kept if stage and await self._uploaded(one, stage, attempt)]
        if not await self.logs.flush(self.client):
            return  # nobody has heard of them yet: they stay where they are
        for one in taken:
            if why := one.forget():
                self.logs.say(f"the crash record {one.name} stays in pstore: {why}", "warning")

    async def _uploaded(self, one: pstore.Kept, stage: str, attempt: int) -> bool:
        query = {"stage": stage, "attempt": str(attempt), "name": f"pstore-{one.name}"}
        try:
            await self.client.upload(ARTIFACT, one.raw, media_type="text/plain", query=query)
        except (NotAllowed, ProtocolMismatch):
            raise
        except Refusal as why:
            self.logs.say(f"the crash record {one.name} was refused and stays in pstore: {why}", "warning")
            return False
        return True


def finding_of(kept: Sequence[pstore.Kept], *, held: bool) -> Finding:
    """All records in one sentence. Those of a run's own host in its hold accuse it; those from before accuse nobody."""
    said = records.said(records.parse(one.name, one.raw) for one in kept)
    when = "a crash record from before this boot" if held else "a crash record from before this run"
    severity = Severity.CRITICAL if held else Severity.INFO
    text = bounded(f"pstore holds {when}: {said}", SAID_CHARS)
    return Finding(severity=severity, component="host", text=text, source="pstore")
