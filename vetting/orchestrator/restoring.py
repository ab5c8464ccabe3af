"""A permit to put saved ends back on one disk of a held host: asked for by a person, short, for this disk alone, written down.

Whoever puts them back wants the disk as it was: so nothing of the run's own test of that disk is gone on from afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import Conflict, NotFound
from vetting.domain.permit import WIPE_PROBE
from vetting.domain.states import RunState
from vetting.orchestrator import permits
from vetting.orchestrator.keys import public_hex
from vetting.orchestrator.moves import inventory_of
from vetting.store import audit, checkpoints, runs
from vetting.store.db import Store

VALID_S = 900.0


class Restoring:
    def __init__(
        self, *, store: Store, clock: Clock, signer: Ed25519PrivateKey, why_stopped: Callable[[], str]
    ) -> None:
        self._store, self._clock, self._signer, self._why_stopped = store, clock, signer, why_stopped

    async def permit(self, run_id: int, message: wire.RestoreHeads, *, who: str) -> wire.RestorePermit:
        """Raises NotFound, and Conflict where nothing may be written."""
        now, stopped = self._clock.now(), self._why_stopped()

        def issue() -> wire.RestorePermit:
            run = runs.get(run_id)
            if run.state is not RunState.FAILED_HOLDING:
                raise Conflict(f"run {run_id} is {run.state}: ends of disks are put back while its host is held")
            if stopped:
                raise Conflict(stopped)
            named = [disk for disk in run.expected_disks if disk.serial == message.serial and disk.write]
            if not named or run.non_destructive:
                raise NotFound(
                    f"run {run_id} writes no disk with the serial {message.serial[:80]!r}: nothing to put back"
                )
            flags = (WIPE_PROBE,) if message.over_data else ()
            issued = permits.for_disks(
                run, inventory_of(run.id), named, flags=flags, now_s=now, valid_s=VALID_S, key=self._signer
            )
            if not issued.text:
                raise Conflict(issued.why_not)
            checkpoints.forget(run.id, component=f"disk:{message.serial}")
            detail = {"serial": message.serial, "over_data": message.over_data}
            audit.add(
                at=now, who=who, what="run.restore_heads", target=run.host_name, run_id=run.id, why=message.reason,
                detail=detail,
            )  # fmt: skip
            return wire.RestorePermit(
                run_id=run.id, host=run.host_name, permit=issued.text, permit_key=public_hex(self._signer),
                valid_s=VALID_S, now_s=now,
            )  # fmt: skip

        return await self._store.write(issue)
