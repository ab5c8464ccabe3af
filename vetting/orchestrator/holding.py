"""A held host and the way into it: a key pair of its own for every hold, whose private half goes to operators alone.

The pair is made when the host says that it waits, given out while it waits, and forgotten when the hold ends, in whatever way.
What the host tells of itself (addresses, the keys of its SSH server) is checked word by word: it ends in the known_hosts file
and on the command line of whoever enters.
"""

from __future__ import annotations

import ipaddress
import re

from vetting import wire
from vetting.clock import Clock
from vetting.domain.errors import Conflict
from vetting.domain.states import Event, RunState
from vetting.orchestrator.moves import Turn
from vetting.store import audit, runs
from vetting.store.db import Store
from vetting.store.rows import RunRow

USER = "root"  # the image has nobody else
HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) ([A-Za-z0-9+/]{40,1400}={0,2})(?: .*)?")
MOST_ADDRESSES, MOST_KEYS = 16, 8


def hold(turn: Turn, run: RunRow, message: wire.Hold, key_pair: tuple[str, str]) -> wire.HoldReply:
    """The agent is parked and tells where it can be reached; it gets the public half of the hold's key.

    The same again gets the same key. A second message with `trouble` says that the door did not open after all.
    """
    if run.state is RunState.FAILED:
        run = turn.move(run, Event.HELD, why=message.reason[:500])
    if run.state is not RunState.FAILED_HOLDING:
        raise Conflict(f"run {run.id} is {run.state}, there is nothing to hold", state=str(run.state))
    if not run.hold_public_key:
        private, public = key_pair
        runs.change(run.id, hold_private_key=private, hold_public_key=public)
    trouble = f"nobody can sign in over SSH: {message.trouble[:300]}" if message.trouble else ""
    reason = f"{run.reason}; {trouble}" if trouble and trouble not in run.reason else run.reason
    found = addresses(message.addresses)
    runs.change(
        run.id, hold_addresses=found, hold_host_keys=() if trouble else host_keys(message.host_keys), reason=reason
    )
    turn.say("run.hold", run.id, addresses=list(found), trouble=trouble)
    run = runs.get(run.id)
    return wire.HoldReply(
        authorized_key=run.hold_public_key,
        message=f"run {run.id} of {run.host_name} is held: {run.failed_stage}: {run.reason}"[:1000],
    )


def addresses(told: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are addresses."""
    found = []
    for text in told[:MOST_ADDRESSES]:
        try:
            found.append(str(ipaddress.ip_address(text)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def host_keys(told: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are public keys, without their comments."""
    matches = [HOST_KEY.fullmatch(text) for text in told[:MOST_KEYS]]
    return tuple(dict.fromkeys(f"{match[1]} {match[2]}" for match in matches if match))


def why_not_enterable(run: RunRow) -> str:
    """Why nobody can sign in to a run's host now; empty where an operator can."""
    if run.state is not RunState.FAILED_HOLDING:
        return f"run {run.id} is {run.state}, and only a held host can be entered"
    if not run.hold_private_key or not run.hold_addresses:
        return f"run {run.id} is held, and its agent has not told yet where it waits; try again in a moment"
    if not run.hold_host_keys:
        return (
            f"run {run.id} is held, and its host has no door open: it is not in the live image, or its SSH server did not "
            f"start ({run.reason[:300]}); use its console"
        )
    return ""


class Doors:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def key(self, run_id: int, *, who: str) -> wire.HoldKey:
        """The way into a held host; that it was asked for is written down. Raises NotFound, Conflict."""
        now = self._clock.now()

        def look() -> wire.HoldKey:
            run = runs.get(run_id)
            if why := why_not_enterable(run):
                raise Conflict(why, state=str(run.state))
            audit.add(at=now, who=who, what="run.hold_key", target=run.host_name, run_id=run.id)
            return wire.HoldKey(
                run_id=run.id, host=run.host_name, user=USER, addresses=run.hold_addresses,
                private_key=run.hold_private_key, host_keys=run.hold_host_keys,
            )  # fmt: skip

        return await self._store.write(look)
