"""Whether a run may begin: every reason why not, in the words that whoever asked is told.

There is one list of checks. `admit` walks it for a start, `why_not` for a person who has not pressed the button yet, so that what
a page says beforehand is what the start would have been refused with.
"""

from __future__ import annotations

from vetting import wire
from vetting.domain.errors import BadInput, Conflict, NotFound, Refusal
from vetting.domain.profiles import Profile
from vetting.domain.states import RunState
from vetting.orchestrator import planning, repairs
from vetting.orchestrator.moves import Turn
from vetting.orchestrator.stopping import why_stopped
from vetting.orchestrator.ways import demand_way
from vetting.store import hosts, runs
from vetting.store.rows import HostRow, RunRow

DISPATCH = "dispatch"  # as failed stage: the host never came


def admit(turn: Turn, request: wire.StartRun) -> tuple[HostRow, Profile]:
    """Host and profile of a run that may begin. Raises NotFound, BadInput, and Conflict where the host is busy, silent or
    not confirmed."""
    config = turn.means.config
    host = hosts.by_name(request.host)
    if host is None:
        raise NotFound(f"there is no host named {request.host!r}; `vetting host list` shows those that there are")
    profile = config.profiles.get(request.profile)
    if profile is None:
        raise BadInput(f"there is no profile {request.profile!r}; there are {', '.join(sorted(config.profiles))}")
    if request.start_by != "manual" and (why := turn.means.no_image()):
        raise Conflict(f"{host.name} would find nothing to boot: {why}; or boot it yourself with --start-by manual")
    demand_way(turn, host, request)
    if (active := open_run_of_host(host.id)) is not None:
        raise Conflict(f"{host.name} has run {active.id} ({active.state}); cancel or release it first", run=active.id)
    if request.repair is not None:
        repairs.demand(host, request.repair)
    _demand_confirmation(host, request)
    _demand_go(turn, request)
    return host, profile


def why_not(turn: Turn, request: wire.StartRun) -> str:
    """What a start would be refused with at this moment; empty where nothing speaks against it. Inside `Store.read`."""
    try:
        admit(turn, request)
    except Refusal as refusal:
        return refusal.message
    return ""


def open_run_of_host(host_id: int) -> RunRow | None:
    """The host's active run, or the one in which it was lost: that host may speak again at any time, until a person has
    settled its run."""
    active = runs.active_run_of_host(host_id)
    if active is not None:
        return active
    newest = runs.newest_run_of_host(host_id)
    return newest if newest and newest.state is RunState.FAILED and newest.failed_stage != DISPATCH else None


def _demand_confirmation(host: HostRow, request: wire.StartRun) -> None:
    written = sorted(
        disk.serial for disk in planning.disks_to_be_written(host.spec, non_destructive=request.non_destructive)
    )
    if written != sorted(request.confirm_serials):
        raise Conflict(
            f"this run erases the disks {', '.join(written) or '(none)'} of {host.name} and "
            f"{', '.join(sorted(request.confirm_serials)) or 'none'} were confirmed; "
            "confirm exactly these serials, or start it non-destructive",
            serials=written,
        )


def _demand_go(turn: Turn, request: wire.StartRun) -> None:
    """A run that is booted by hand is dispatched at once; any other waits in the queue for the end of STOP."""
    if request.start_by == "manual" and request.confirm_serials and (why := why_stopped(turn.means.config)):
        raise Conflict(f"{why}; or start the run non-destructive")
