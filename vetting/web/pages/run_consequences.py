"""What a decision does to which host, in sentences: read before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.decisions import ACCEPT, CANCEL, CANCEL_REBOOT, OVERRIDE, RELEASE, RETRY, Decision
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.states import IN_STAGE, ORCHESTRATOR_STAGES, STAGE_OF, RunState
from vetting.orchestrator.planning import disks_to_be_written
from vetting.store.rows import AttemptRow, CellRow, RunRow

HOST_CHARS = 100
SIGNED_IN = "The hold ends, whoever is signed in over SSH is thrown out, and its key is worthless from then on."


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A disk that will be erased, and what the wipe probe said of it."""

    disk: ExpectedDisk
    found: str


def consequences(decision: Decision, run: RunRow, current: AttemptRow | None) -> tuple[str, ...]:
    """What will physically happen. `current`: the attempt that runs."""
    host = run.host_name[:HOST_CHARS]
    if decision is CANCEL:
        return _cancelled(run, host, current)
    if decision is CANCEL_REBOOT:
        return (
            f"{host} reboots, and its boot from the network falls through to its own disk: what is installed there starts.",
            SIGNED_IN,
            "The run is over, cancelled; what it found stays on record.",
        )
    if decision is RELEASE:
        return (f"{host} powers off and stays off.", SIGNED_IN, "The run is over; its verdict stays what it is.")
    return _going_on(decision, run, host)


def _going_on(decision: Decision, run: RunRow, host: str) -> tuple[str, ...]:
    stage = STAGE_OF[run.held_from] if run.held_from else "its stage"
    again = f"The agent on {host} enters {stage} again, as a new attempt; the failed one stays on every report."
    if decision is RETRY:
        return (again, "Nothing is forgiven: choose this where the trouble was mended.", *_writes(run, stage))
    if decision is OVERRIDE:
        no_pass = "No limit is lifted by it: where the same trouble is met again, the run is held again."
        return (again, no_pass, *_writes(run, stage))
    if decision is ACCEPT:
        on = f"{host} goes on to the next stages with the differences from its expected spec accepted, for this run alone."
        return (on, *_writes(run, "Storage"))
    return (
        f"The agent on {host} enters Storage again and does not stop at what the wipe probe found.",
        "The disks below will be ERASED. Their first and last 4 MiB are kept as files of this run, nothing else of them.",
        "A disk that is mounted, held or part of the running system is refused all the same.",
    )


def _writes(run: RunRow, stage: str) -> tuple[str, ...]:
    disks = disks_to_be_written(run.spec, non_destructive=run.non_destructive)
    if stage in ("Storage", "Burn") and disks:
        return (f"It writes to {', '.join(disk.serial for disk in disks)}, as was confirmed when the run was started.",)
    return ()


def _cancelled(run: RunRow, host: str, current: AttemptRow | None) -> tuple[str, ...]:
    over = "The run is over, cancelled; what it found so far stays on record."
    if run.state in IN_STAGE and current is not None and current.stage not in ORCHESTRATOR_STAGES:
        half = "A disk that is being written is left half written; its first and last 4 MiB are files of this run."
        kill = f"The agent on {host} kills every process of {current.stage}; then {host} powers off and stays off."
        return (kill, *((half,) if _writes(run, current.stage) else ()), over)
    if run.state in IN_STAGE:
        return (f"Nothing runs on {host} at this moment. It powers off at its agent's next heartbeat.", over)
    if run.state is RunState.QUEUED:
        return (f"Nothing has been done to {host} yet, and nothing will be.", over)
    if run.state is RunState.FAILED:
        silent = f"{host} is silent: nothing can be asked of it now. If its agent speaks again, the host reboots to its own disk."
        never = f"Nothing is asked of {host}: it never came."
        return (never if run.failed_stage == "dispatch" else silent, over)
    if run.state is RunState.FAILED_HOLDING:
        return (f"{host} powers off.", over)
    return (
        f"{host} may be on its way already. It then asks us what to boot and is sent to its own disk.",
        "Has it loaded the live image by now, its agent is refused, and the host waits there for a person.",
        over,
    )


def victims(run: RunRow, found: list[CellRow]) -> tuple[Victim, ...]:
    """The disks that an override of the wipe probe erases, with what was found on each."""
    said = {one.component: one.reason for one in found}
    disks = disks_to_be_written(run.spec, non_destructive=run.non_destructive)
    return tuple(Victim(disk=disk, found=said.get(f"disk:{disk.serial}", "")) for disk in disks)
