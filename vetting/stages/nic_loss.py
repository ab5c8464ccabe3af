"""Whether a link loses what it is asked to carry: a paced flow each way, of which a sound link loses nothing.

At full speed the segments that TCP sends again tell of full queues as much as of a sick wire. A flow far below what the same way has
just carried fills no queue: what had to be sent again was lost on the way or came in spoiled. It is TCP and not UDP, for its flow
control waits for a busy receiver, where datagrams would be dropped in the receiver's socket and look like a bad cable.
"""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.outcome import Verdict
from vetting.stages.base import Deps
from vetting.stages.iperf_load import Carried, Way, carry

PACED_S = 5.0
SHARE = 0.15  # of what the same direction has just carried
MOST_MB_S, LEAST_MB_S = 200.0, 1.0
# Two healthy virtual cards under six times the load that their processors can carry sent again one segment of 30,000 at most.
LOST_LIMIT = 0.005
LEAST_LOST = 20  # segments: fewer are no measure
LEAST_SENT = 100
TRIES = 3  # each of them beyond the limit: a passing crowd on the way is over by then
PAUSE_S = 3.0
LIMIT_S = TRIES * (PACED_S + PAUSE_S)
USUAL_SEGMENT_BYTES = 1448
# What this host was too slow to take in: lost too, and not on the wire.
TOO_SLOW = ("rx_missed_errors", "rx_fifo_errors", "rx_over_errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """One direction. `lost`: the share of segments that were lost, of each try; `reason` says why it is not a PASS."""

    verdict: Verdict
    reason: str = ""
    pace_mb_s: float = 0.0
    seconds: float = 0.0
    lost: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    carried: Carried
    sent: float = 0.0  # segments
    lost: float = 0.0
    too_slow: float = 0.0

    @property
    def share(self) -> float:
        return self.lost / self.sent if self.sent > 0 else 1.0

    @property
    def beyond(self) -> bool:
        return self.lost >= LEAST_LOST and not self.share <= LOST_LIMIT


def paced_s(seconds: float) -> float:
    """How long each direction is paced, in a profile that measures for `seconds`."""
    return min(PACED_S, seconds)


async def paced(deps: Deps, way: Way, *, mode: str, seconds: float, carried_mb_s: float, keep: str) -> Paced:
    """`carried_mb_s`: what the direction carried at full speed. Raises ToolMissing."""
    pace = min(max(round(carried_mb_s * SHARE, 1), LEAST_MB_S), MOST_MB_S)
    tried: list[_Try] = []
    for number in range(TRIES):
        if number:
            await deps.sleep(PAUSE_S)
        one = await _try(deps, way, mode=mode, seconds=seconds, pace=pace, keep=keep)
        if one.carried.verdict is not Verdict.PASS:
            return Paced(verdict=Verdict.ERROR, reason=one.carried.reason, pace_mb_s=pace)
        tried.append(one)
        if not one.beyond:
            break
        deps.log(f"a flow of {pace:g} Mb/s lost {one.share:.2%} of its segments", "warning")
    return _judged(tried, pace, way.interface)


def _judged(tried: list[_Try], pace: float, name: str) -> Paced:
    last, lost = tried[-1], tuple(one.share for one in tried)

    def said(verdict: Verdict, reason: str = "") -> Paced:
        flow = next(iter(last.carried.flows), None)
        return Paced(verdict=verdict, reason=reason, pace_mb_s=pace, lost=lost, seconds=flow.seconds if flow else 0.0)

    if last.beyond:
        shares = ", ".join(f"{one:.2%}" for one in lost)
        flow = f"a flow of {pace:g} Mb/s, far below what {name} just carried,"
        if all(
            one.lost - one.too_slow < LEAST_LOST or (one.lost - one.too_slow) / one.sent <= LOST_LIMIT for one in tried
        ):
            return said(
                Verdict.ERROR,
                f"{flow} lost {shares} of its segments, and this host itself was too slow to take them in",
            )
        tail = "its plug, cable, transceiver or switch port"
        return said(Verdict.FAIL, f"{flow} lost {shares} of its segments, limit {LOST_LIMIT:.1%}: {tail}")
    if not last.sent >= LEAST_SENT:
        return said(
            Verdict.ERROR, f"a flow of {pace:g} Mb/s sent {last.sent:.0f} segments, too few to tell what is lost"
        )
    return said(Verdict.PASS)


async def _try(deps: Deps, way: Way, *, mode: str, seconds: float, pace: float, keep: str) -> _Try:
    before = _too_slow(deps, way.interface)
    carried = await carry(deps, way, seconds=seconds, parallel=1, mode=mode, keep=keep, pace_mb_s=pace, again=1)
    flow = next(iter(carried.flows), None)
    if carried.verdict is not Verdict.PASS or flow is None or carried.told is None:
        return _Try(carried=carried)
    if flow.retransmits is None:
        why = "iperf3 does not tell how many segments it sent again"
        return _Try(carried=Carried(verdict=Verdict.ERROR, reason=why, told=carried.told, ran=carried.ran))
    if not flow.sent_bits_s <= 2 * pace * 1e6:
        why = f"iperf3 was asked for {pace:g} Mb/s and sent {flow.sent_bits_s / 1e6:.0f} Mb/s"
        return _Try(carried=Carried(verdict=Verdict.ERROR, reason=why, told=carried.told, ran=carried.ran))
    return _Try(
        carried=carried,
        sent=flow.sent_bytes / (carried.told.segment_bytes or USUAL_SEGMENT_BYTES),
        lost=float(flow.retransmits),
        too_slow=float(max(_too_slow(deps, way.interface) - before, 0)) if mode else 0.0,
    )


def _too_slow(deps: Deps, name: str) -> int:
    total = 0
    for each in TOO_SLOW:
        try:
            total += int(deps.read(f"/sys/class/net/{name}/statistics/{each}"))
        except (OSError, ValueError):
            continue
    return total
