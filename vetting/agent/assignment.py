"""What a stage is told: the run's assignment of one attempt, made of the claim and of what was found so far."""

from __future__ import annotations

import msgspec

from vetting.agent.orders import Work
from vetting.domain.inventory import Inventory
from vetting.domain.outcome import Outcome
from vetting.parsers.errors import ParseError
from vetting.stages.base import Job
from vetting.wire import ClaimReply

NEAR_S = 30.0  # between two clocks that agree


def ahead_s(there_s: float, here_s: float) -> float:
    """Seconds from this machine's clock to the orchestrator's; 0 where it is near enough, or was not told (0).

    A host whose clock battery died, or that keeps local time, must not find every permit not yet or no longer valid.
    """
    offset_s = there_s - here_s if there_s > 0 else 0.0
    return float(round(offset_s)) if abs(offset_s) > NEAR_S else 0.0


def job_of(
    claim: ClaimReply, work: Work, *, live_image: bool, inventory: Inventory | None, clock_ahead_s: float = 0.0
) -> Job:
    """Flags and permit are of this attempt, everything else of the run."""
    return Job(
        run_id=claim.run_id,
        host=claim.host,
        profile=claim.profile,
        expected=claim.expected,
        expected_disks=claim.expected_disks,
        non_destructive=claim.non_destructive,
        live_image=live_image,
        iperf_host=claim.iperf.host if claim.iperf else "",
        iperf_port=claim.iperf.port if claim.iperf else 0,
        override_flags=work.override_flags,
        permit=work.permit,
        permit_key=claim.permit_key,
        permit_refused=work.permit_refused,
        clock_ahead_s=clock_ahead_s,
        inventory=inventory,
    )


def inventory_of(outcome: Outcome) -> Inventory:
    """What the Inventory stage found. Raises ParseError where its outcome carries no inventory."""
    try:
        return msgspec.convert(outcome.data.get("inventory"), Inventory, from_attributes=True)
    except msgspec.ValidationError as error:
        raise ParseError("the Inventory stage", str(error)) from None
