"""From Start to the claim: how a host is sent into the image, and whose claim is believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vetting import wire
from vetting.domain.errors import NotAllowed
from vetting.domain.hostspec import Identity
from vetting.domain.identity import identity_conflicts
from vetting.domain.naming import known, mac_of
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.permit import DISK
from vetting.domain.profiles import shortfalls
from vetting.domain.states import BEFORE_CLAIM, CLOSED, IN_STAGE, ORCHESTRATOR_STAGES, Event, RunState
from vetting.orchestrator import permits, planning, repairs
from vetting.orchestrator.admission import DISPATCH, admit
from vetting.orchestrator.moves import NO_KEY, Turn, inventory_of
from vetting.orchestrator.stopping import why_stopped
from vetting.orchestrator.ways import START_EVENTS, gone_wrong
from vetting.store import attempts, audit, findings, hosts, runs, thresholds, tokens
from vetting.store import repairs as repairs_on_record
from vetting.store.rows import HostRow, NewRun, RunRow

TICKET_VALID_S = 30 * 60.0
BOOT_SCRIPT = "boot script"  # as source of a finding
MOST_ALARMS = 20  # of one run, about machines that asked in its host's name
CLAIM_ANSWER = "this ticket or token opens nothing here; start the run again to get a new ticket"


def start(turn: Turn, request: wire.StartRun, *, who: str, scaled: dict[str, Any]) -> RunRow:
    """A new run in Queued. Raises what `admit` does.

    `scaled` says what about this run is not as in the field: `loopback` (orchestrator and host are one machine) and
    `remarks` (sentences that stand beside the verdict).
    """
    config = turn.means.config
    host, profile = admit(turn, request)
    after = repairs.planned(host, profile, request.repair, config.limits) if request.repair else None
    profile = after.profile if after else profile
    run = runs.create(
        NewRun(
            host_id=host.id,
            host_name=host.name,
            profile=profile,
            non_destructive=request.non_destructive,
            start_by=request.start_by,
            requested_by=who,
            spec=config.expected(host.spec),
            expected_disks=host.spec.disks,
            shortfalls=shortfalls(profile),
            scaled=scaled,
            cut_power=request.cut_power,
        ),
        now=turn.at,
    )
    thresholds.seed(run.id, config.thresholds_for(host.spec))
    detail: dict[str, Any] = {"profile": profile.name, "non_destructive": request.non_destructive}
    if after is not None:
        repairs_on_record.add(run.id, after.ordered)
        detail["replaced"] = [part.named for part in after.ordered.repair.parts]
    audit.add(at=turn.at, who=who, what="run.start", target=host.name, run_id=run.id, detail=detail)
    turn.say("run.moved", run.id, state=str(run.state), event="created")
    return run


def dispatch(turn: Turn, run: RunRow) -> RunRow:
    """Sends a queued run on its way; a host whose reporter fell silent in the queue fails it, once.

    One that somebody sent, or cancelled, since it was seen in the queue is left as it is.
    """
    if run.state is not RunState.QUEUED:
        return run
    if why := gone_wrong(run, hosts.get(run.host_id), turn.at):
        return dispatch_failed(turn, run, why)
    return turn.move(run, START_EVENTS[run.start_by])


def dispatch_failed(turn: Turn, run: RunRow, why: str, *, states: tuple[RunState, ...] = BEFORE_CLAIM) -> RunRow:
    """Gives up on a host that did not come. One that came since it was looked at, or was cancelled, is left as it is."""
    if run.state not in states:
        return run
    return turn.move(run, Event.DISPATCH_FAILED, why=why, failed_stage=DISPATCH, reason=why, ended_at=turn.at)


def boot_requested(turn: Turn, run: RunRow) -> str:
    """The host asks for its boot script: a one-time ticket. In the middle of a stage, it rebooted unasked; so did one
    that was given up as lost and starts again after all."""
    if run.state in IN_STAGE:
        run = rebooted(turn, run, boot_id="")
    if run.state is RunState.FAILED:
        text = f"it had been silent since {run.failed_stage} and started again"
        turn.find(run, Severity.CRITICAL, "host", text, BOOT_SCRIPT)
        run = turn.move(run, Event.HELD, why=text)
    if run.state is not RunState.FAILED_HOLDING:
        run = turn.move(run, Event.BOOT_REQUESTED)
    ticket, ticket_hash = tokens.issue()
    runs.change(run.id, ticket_hash=ticket_hash, ticket_expires_at=turn.at + TICKET_VALID_S, ticket_used_at=None)
    return ticket


def boot_refused(turn: Turn, run: RunRow, why: str) -> bool:
    """A warning, never more: whoever can send us a request must not be able to fail a run with it, or to fill its record.
    False where it was told already."""
    told = [one.text for one in findings.findings_of(run.id) if one.source == BOOT_SCRIPT]
    if why in told or len(told) >= MOST_ALARMS:
        return False
    turn.find(run, Severity.WARNING, "host", why, BOOT_SCRIPT)
    return True


def rebooted(turn: Turn, run: RunRow, *, boot_id: str) -> RunRow:
    """Another boot while a stage ran: a finding against the host, and a hold."""
    why = f"rebooted unexpectedly during {run.stage}"
    turn.find(run, Severity.CRITICAL, "host", f"{why} (boot {run.boot_id[:8]} → {boot_id[:8] or 'new'})", "boot id")
    if (open_attempt := attempts.running(run.id)) is not None:
        turn.close_attempt(run, open_attempt, Verdict.FAIL, why)
    return turn.park(run, Event.REBOOTED_UNEXPECTEDLY, run.stage, why)


def claim(turn: Turn, secret: str, message: wire.Claim, *, peer: str = "") -> tuple[RunRow, str]:
    """(run, token) for a good ticket, or for the run's token when the agent starts again. Raises NotAllowed."""
    run, token = _claimed(turn, secret, message)
    if token:
        runs.change(run.id, **_told_of_itself(run, message, peer))
    return run, token


def _told_of_itself(run: RunRow, message: wire.Claim, peer: str) -> runs.RunChanges:
    """Address and image, and at the first claim where the BMC's event log stands: later ones ask what came since."""
    told: runs.RunChanges = {"peer": peer[:64]}
    if message.image is not None:
        told["image"] = message.image
    if run.sel_record_id is None and run.state is RunState.INVENTORY:
        told["sel_record_id"] = message.sel_record_id
    return told


def _claimed(turn: Turn, secret: str, message: wire.Claim) -> tuple[RunRow, str]:
    digest = tokens.hash_of(secret)
    if (run := runs.by_token(digest)) is not None and tokens.matches(secret, run.token_hash):
        return _claimed_again(turn, run, message), secret
    run = runs.by_ticket(digest)
    if run is None or not tokens.matches(secret, run.ticket_hash):
        raise NotAllowed(CLAIM_ANSWER)
    if run.state not in (RunState.BOOTING, RunState.FAILED_HOLDING) or not runs.use_ticket(run.id, digest, now=turn.at):
        return _second_claim(turn, run, message)
    why_not = _against(run, message)
    if why_not and run.state is RunState.FAILED_HOLDING:  # not the held host that booted again, but another machine
        turn.find(run, Severity.CRITICAL, "host", why_not, "claim")
        return run, ""
    token, token_hash = tokens.issue()
    runs.change(run.id, **NO_KEY)  # the door of the old boot is gone, and who has its key shall not knock at this one
    runs.change(
        run.id, token_hash=token_hash, token_incarnation=run.token_incarnation + 1, boot_id=message.boot_id,
        heartbeat_at=turn.at,
    )  # fmt: skip
    run = runs.get(run.id)
    if run.state is RunState.FAILED_HOLDING:
        return run, token
    if why_not:
        turn.find(run, Severity.CRITICAL, "host", why_not, "claim")
        return turn.park(run, Event.CLAIM_REFUSED, "claim", why_not), token
    return _admitted(turn, run, message), token


def _against(run: RunRow, message: wire.Claim) -> str:
    """Why the machine that claims may not have this run; empty where it may."""
    if run.scaled.get("loopback"):  # it is this very machine: nobody else can have claimed
        return ""
    host = hosts.get(run.host_id)
    if conflicts := _conflicts(host, message.identity, writes=not run.non_destructive):
        return (
            f"this machine is not {host.name} as we know it: {'; '.join(conflicts)}. Is it {host.name} with a new board or "
            f"card, then `vetting host relearn {host.name}`, cancel this run and start again"
        )
    disks = planning.disks_to_be_written(run.spec, non_destructive=run.non_destructive)
    if not message.live_image and any(disk.kind == DISK for disk in disks):
        return (
            "this run erases disks, and its agent does not run in the live image (or a local disk is mounted there): "
            "boot the host into the live image, or start the run non-destructive"
        )
    return ""


def _conflicts(host: HostRow, found: Identity, *, writes: bool) -> tuple[str, ...]:
    """What speaks against this being the host. One that never claimed is known by the addresses that a person noted."""
    if host.identity is not None:
        return identity_conflicts(replace(host.identity, disk_serials=_disks_on_record(host)), found, writes=writes)
    noted, has = {mac_of(mac) for mac in host.macs}, {mac_of(mac) for mac in found.macs}
    if noted and has and not noted & has:
        return (f"none of its MAC addresses ({', '.join(sorted(has))}) is in the host's record",)
    return ()


def _disks_on_record(host: HostRow) -> tuple[str, ...]:
    """Serials that the machine had and must have still. One that a person took out of the spec was exchanged."""
    serials = host.identity.disk_serials if host.identity else ()
    named = {known(disk.serial) for disk in host.spec.disks}
    return tuple(serial for serial in serials if not named or known(serial) in named)


def _admitted(turn: Turn, run: RunRow, message: wire.Claim) -> RunRow:
    host = hosts.get(run.host_id)
    if host.identity is None and message.identity != Identity():
        hosts.edit(host.id, identity=message.identity, identity_source="learned")
    elif host.identity is not None and message.identity.disk_serials:
        learned = tuple(sorted({*_disks_on_record(host), *message.identity.disk_serials}))
        hosts.edit(host.id, identity=replace(host.identity, disk_serials=learned))
    run = turn.move(run, Event.AGENT_CLAIMED, started_at=turn.at)
    turn.open_attempt(run)
    return run


def _claimed_again(turn: Turn, run: RunRow, message: wire.Claim) -> RunRow:
    if message.boot_id != run.boot_id:
        runs.change(
            run.id, **NO_KEY
        )  # the door of the old boot is gone, and who has its key shall not knock at this one
        if run.state in IN_STAGE:
            run = rebooted(turn, run, boot_id=message.boot_id)
            runs.change(run.id, boot_id=message.boot_id, heartbeat_at=turn.at)
            return runs.get(run.id)
        if run.state is RunState.FAILED_HOLDING:
            runs.change(run.id, boot_id=message.boot_id)
    runs.change(run.id, heartbeat_at=turn.at)
    if run.state is RunState.FAILED:
        return turn.move(run, Event.HELD, why="the agent is back")
    if run.stage in ORCHESTRATOR_STAGES:  # nothing of the agent's was interrupted
        return runs.get(run.id)
    if run.state in IN_STAGE and (interrupted := attempts.running(run.id)) is not None:
        why = "the agent was restarted within the same boot"
        turn.close_attempt(run, interrupted, Verdict.INTERRUPTED, why)
        turn.note(run, f"{why}; {run.stage} runs again as a new attempt")
        turn.open_attempt(run, flags=interrupted.flags)
    return runs.get(run.id)


def _second_claim(turn: Turn, run: RunRow, message: wire.Claim) -> tuple[RunRow, str]:
    """A used ticket. The agent that never got our answer may ask again; anybody else is refused, and it is told."""
    if run.state in CLOSED:  # its record is finished; an old ticket adds nothing to it
        raise NotAllowed(CLAIM_ANSWER)
    if run.ticket_used_at is not None and run.boot_id and run.boot_id != message.boot_id:
        text = "a second agent presented the used boot ticket of this run and was refused"
        if not any(one.text == text for one in findings.findings_of(run.id)):
            turn.find(run, Severity.CRITICAL, "host", text, "claim")
        if run.state in IN_STAGE:  # which of the two is the host nobody can tell from here: a person has to look
            if (open_attempt := attempts.running(run.id)) is not None:
                turn.close_attempt(run, open_attempt, Verdict.INTERRUPTED, text)
            turn.park(run, Event.CLAIM_REFUSED, run.stage, text)
        return run, ""
    fresh = run.ticket_expires_at is not None and turn.at < run.ticket_expires_at
    unheard = run.heartbeat is None or run.heartbeat.boot_id != message.boot_id
    if run.boot_id == message.boot_id and unheard and fresh and run.state in (*IN_STAGE, RunState.FAILED_HOLDING):
        token, token_hash = tokens.issue()
        runs.change(run.id, token_hash=token_hash, token_incarnation=run.token_incarnation + 1)
        return _claimed_again(turn, runs.get(run.id), message), token
    raise NotAllowed(CLAIM_ANSWER)


def claim_reply(
    turn: Turn, run: RunRow, token: str, *, iperf: wire.IperfTarget | None, permit_key: str
) -> wire.ClaimReply:
    """All that the agent has to know to go on."""
    job = turn.job(run)
    working = run.state in IN_STAGE and run.stage not in ORCHESTRATOR_STAGES
    current = attempts.running(run.id) if working else None
    permit = permit_of(turn, run) if current else permits.Issued()
    holding = run.state in (RunState.FAILED, RunState.FAILED_HOLDING)
    failed = attempts.latest(run.id, run.stage) if holding else None
    return wire.ClaimReply(
        run_id=run.id,
        host=run.host_name,
        token=token,
        stages=planning.plan(job, turn.means.stages),
        current_state=str(run.state),
        current_stage=current.stage if current else "",
        attempt=current.attempt if current else 0,
        holding=holding,
        non_destructive=run.non_destructive,
        expected=run.spec,
        expected_disks=run.expected_disks,
        profile=run.profile,
        thresholds=thresholds.thresholds_of(run.id),
        inventory=inventory_of(run.id),
        iperf=iperf,
        override_flags=current.flags if current else (),
        permit=permit.text,
        permit_refused=permit.why_not,
        permit_key=permit_key,
        failed_stage=failed.stage if failed else "",
        failed_attempt=failed.attempt if failed else 0,
        sel_record_id=run.sel_record_id,
        heartbeat_s=turn.means.config.heartbeat.interval_s,
        now_s=turn.at,
    )


def permit_of(turn: Turn, run: RunRow) -> permits.Issued:
    """The permit for the run's open attempt, if its stage writes anything and nobody set STOP."""
    current = attempts.running(run.id)
    if current is None:
        return permits.Issued()
    return permits.issue(
        run, inventory_of(run.id), flags=current.flags, now_s=turn.at, valid_s=current.deadline_s,
        key=turn.means.signer, stopped=why_stopped(turn.means.config),
    )  # fmt: skip
