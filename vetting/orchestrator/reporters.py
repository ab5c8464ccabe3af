"""What we know of reporters on installed hosts: whether one is ready to be ordered, and the orders themselves."""

from __future__ import annotations

import secrets

from vetting import wire
from vetting.domain import order as orders
from vetting.domain.errors import Conflict
from vetting.domain.states import RunState
from vetting.orchestrator.moves import Turn
from vetting.store import audit, hosts, runs
from vetting.store.rows import HostRow, RunRow

REPORTER_FRESH_S = 60.0
MOST = 20  # reasons and ways that are kept of one heartbeat
LONGEST = 300


def reporter_age_s(host: HostRow, now: float) -> float | None:
    return None if host.reporter_seen_at is None else now - host.reporter_seen_at


def is_fresh(host: HostRow, now: float) -> bool:
    age_s = reporter_age_s(host, now)
    return age_s is not None and age_s < REPORTER_FRESH_S


def why_not_ready(host: HostRow) -> str:
    """What the host's reporter itself said against a reboot, and what to do; empty where it said nothing."""
    if not host.reporter_allowed:
        return (
            f"{host.name} does not allow us to reboot it; its own administrator does, as root on it: "
            "touch /etc/vetting/allow-reboot"
        )
    if host.reporter_obstacles:
        return f"the reporter of {host.name} says what speaks against a reboot: {'; '.join(host.reporter_obstacles)}"
    if not host.reporter_ways:
        return f"{host.name} knows no way to boot from the network once; `vetting reporter status` on it says more"
    return ""


def demand_ready(turn: Turn, host: HostRow) -> None:
    """Raises Conflict for a host whose reporter is silent, or says that it would refuse."""
    if not is_fresh(host, turn.at):
        age_s = reporter_age_s(host, turn.at)
        seen = "never spoke to us" if age_s is None else f"was last heard {age_s:.0f} s ago"
        url = turn.means.config.server.public_url
        raise Conflict(
            f"the reporter of {host.name} {seen}; install or start it with {url}/register/quick.sh "
            f"(`vetting host code {host.name}` shows the whole line), or start the run with --start-by manual",
            quick=f"{url}/register/quick.sh",
        )
    if why_not := why_not_ready(host):
        raise Conflict(why_not, obstacles=list(host.reporter_obstacles))


def heard(turn: Turn, host_id: int, beat: wire.ReporterBeat, waiting: RunRow | None) -> wire.ReporterReply:
    """Keeps what a reporter said. `waiting`: its host's run that waits for the reboot; the answer orders it."""
    hosts.edit(
        host_id,
        reporter_seen_at=turn.at,
        reporter_boot_id=beat.boot_id[:64],
        reporter_version=beat.version[:40],
        reporter_allowed=beat.allowed,
        reporter_obstacles=bounded(beat.obstacles),
        reporter_ways=bounded(beat.ways),
    )
    if waiting is None:
        return wire.ReporterReply()
    return wire.ReporterReply(cmd=orders.REBOOT, run_id=waiting.id, order=_order(turn, waiting, beat.boot_id))


def _order(turn: Turn, run: RunRow, boot_id: str) -> str:
    """A fresh one for every heartbeat: each is good for five minutes, and the host acts on a run once."""
    order = orders.Order(
        host=run.host_name,
        run_id=run.id,
        boot_id=boot_id,
        macs=hosts.get(run.host_id).macs,
        issued_s=int(turn.at),
        expires_s=int(turn.at) + orders.VALID_S,
        nonce=secrets.token_hex(16),
    )
    detail = {"boot_id": boot_id[:64], "nonce": order.nonce, "expires_s": order.expires_s}
    audit.add(
        at=turn.at, who="dispatcher", what="run.reboot_ordered", target=run.host_name, run_id=run.id, detail=detail
    )
    return orders.sign(order, turn.means.signer.private_bytes_raw().hex())


def refused(turn: Turn, host_id: int, refusal: wire.ReporterRefusal) -> tuple[RunRow, str]:
    """(run, why) of an order that its host does not carry out. Raises Conflict where no such run of it waits."""
    run = runs.active_run_of_host(host_id, (RunState.WAITING_REBOOT,))
    if run is None or run.id != refusal.run_id:
        raise Conflict(f"run {refusal.run_id} does not wait for a reboot of this host")
    why = "; ".join(bounded(refusal.reasons)) or "it gave no reason"
    audit.add(
        at=turn.at, who=f"reporter of {run.host_name}", what="run.reboot_refused", target=run.host_name, run_id=run.id,
        why=why[:1000],
    )  # fmt: skip
    return run, f"the reporter of {run.host_name} refused to reboot it: {why}"


def bounded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """What a host says is as long as it likes."""
    return tuple(text[:LONGEST] for text in texts[:MOST])
