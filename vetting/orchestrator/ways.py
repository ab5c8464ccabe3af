"""The four ways of sending a host into the image, and what each of them asks for.

| way | the host | asks for |
| reporter | runs its installed system, which reboots itself | a reporter heard within a minute |
| wol | is off | its MAC addresses |
| power | is off, or may lose its power | a management controller on record |
| manual | is booted by a person | nothing |

A host whose reporter lives is in production. It cannot be woken, for it is awake, and it loses its power only where the person
said so in so many words.
"""

from __future__ import annotations

from vetting import wire
from vetting.domain.errors import BadInput, Conflict
from vetting.domain.states import Event
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.reporters import demand_ready, is_fresh, reporter_age_s, why_not_ready
from vetting.store.rows import HostRow, RunRow

START_EVENTS = {
    "reporter": Event.REBOOT_COMMANDED,
    "wol": Event.WOL_SENT,
    "power": Event.POWER_COMMANDED,
    "manual": Event.POWER_COMMANDED,
}
BY_US = ("wol", "power")  # we do something to the host once the run is dispatched


def demand_way(turn: Turn, host: HostRow, request: wire.StartRun) -> None:
    """Raises BadInput for a way that there is not, Conflict where this host cannot be sent by it now."""
    if request.start_by not in START_EVENTS:
        raise BadInput(f"start_by {request.start_by!r} is not known; use {', '.join(START_EVENTS)}")
    if request.cut_power and request.start_by != "power":
        raise BadInput("cut_power goes with start_by power alone: nothing else cuts a host's power")
    if request.start_by == "reporter":
        demand_ready(turn, host)
    if request.start_by == "wol" and not host.macs:
        raise Conflict(
            f"{host.name} has no MAC address on record to be woken by; note it with vetting host edit {host.name} --mac …"
        )
    if request.start_by == "power" and host.bmc is None:
        raise Conflict(
            f"{host.name} has no management controller on record; note it with vetting host bmc {host.name} --kind … "
            "--address … --user …, or start the run by hand (--start-by manual)"
        )
    if why := in_production(host, request.start_by, cut_power=request.cut_power, now=turn.at):
        raise Conflict(why)


def in_production(host: HostRow, start_by: str, *, cut_power: bool, now: float) -> str:
    """Why a host that lives may not be woken, or switched; empty where it may."""
    if start_by not in BY_US or cut_power or not is_fresh(host, now):
        return ""
    heard = f"{host.name} is on: its reporter was heard {reporter_age_s(host, now):.0f} s ago"
    if start_by == "wol":
        return f"{heard}, and who is awake cannot be woken; let the reporter reboot it (--start-by reporter)"
    busy = f" It says: {'; '.join(host.reporter_obstacles)[:300]}." if host.reporter_obstacles else ""
    return (
        f"{heard}, and whatever runs on it would lose its power.{busy} Let the reporter reboot it (--start-by reporter), "
        "shut it down first, or say that its power may be cut (--cut-power)"
    )


def gone_wrong(run: RunRow, host: HostRow, now: float) -> str:
    """Why a run that waited in the queue may not be sent any more; empty where it may."""
    if run.start_by == "reporter":
        return (
            why_not_ready(host) if is_fresh(host, now) else "the reporter fell silent while the run waited in the queue"
        )
    if run.start_by == "power" and host.bmc is None:
        return "its management controller was taken out of the record while the run waited in the queue"
    return in_production(host, run.start_by, cut_power=run.cut_power, now=now)
