"""iperf3 as a load: one call to the orchestrator's server, believed only for bytes that this kernel counted too.

A server that is busy, dead or refuses is our trouble and never the host's: it is asked again, and one that died in the middle
once more. So is a client that hangs after the link was cut, which is why the deadline lies outside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.outcome import ToolRun, Verdict
from vetting.parsers.errors import ParseError
from vetting.parsers.iperf3 import Flow, IperfRun, parse
from vetting.parsers.procfs import parse_net_dev
from vetting.stages.base import Deps
from vetting.stages.stressng_load import least_s

END_LIMIT_S = 30.0
CONNECT_MS = 5000
INTERVALS = 120  # at most: a second each would overflow what is kept of a soak's output
LONGEST_INTERVAL_S = 60
TRIES = 4
FIRST_PAUSE_S = 2.0
LOOPBACK = "lo"
# What iperf3 says when the test never began: somebody else is using the server, nobody serves, or the server was just
# between two tests, when it closes its socket and resets whoever waits there.
NOT_BEGUN = ("busy", "unable to connect", "control message", "refused", "timed out", "no route", "unreachable")
# And when the server went away while the test ran: it was stopped or killed, and whoever keeps it starts it again.
BROKEN_OFF = (
    "socket has closed",
    "reset by peer",
    "server has terminated",
    "unable to receive",
    "unable to read",
    "broken pipe",
)
SMALL_BLOCK = (
    "16K"  # of a paced flow: blocks of the usual 128 KiB would leave as bursts that fill the queue of a slow port
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where to, and through which interface. No `interface`: all are counted; no `address`: the kernel's own route."""

    host: str
    port: int
    interface: str = ""
    address: str = ""

    @property
    def bind(self) -> tuple[str, ...]:
        return ("-B", self.address, "--bind-dev", self.interface) if self.address else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One call of iperf3: the flows that it was asked for, as counted by their receiving ends."""

    verdict: Verdict
    reason: str = ""
    told: IperfRun | None = None
    ran: ToolRun | None = None

    @property
    def flows(self) -> tuple[Flow, ...]:
        return tuple(flow for flow in (self.told.to_server, self.told.from_server) if flow) if self.told else ()


async def carry(
    deps: Deps,
    way: Way,
    *,
    seconds: float,
    parallel: int,
    mode: str,
    keep: str,
    tries: int = TRIES,
    pace_mb_s: float = 0.0,
    again: int = 0,
) -> Carried:
    """Sends for `seconds`. `mode`: "" to the server, "--reverse" from it, "--bidir" both. `pace_mb_s`: megabits per second of
    each stream; 0: as fast as it goes. Tries again what never began, and `again` times what the server
    broke off: not beside other loads, for it would run on when they are through."""
    argv = ["iperf3", "-c", way.host, "-p", str(way.port), "-J", "-t", f"{seconds:g}", "-P", str(parallel)]
    interval_s = min(max(1, round(seconds / INTERVALS)), LONGEST_INTERVAL_S)
    argv += ["-i", str(interval_s), "--connect-timeout", str(CONNECT_MS), *((mode,) if mode else ()), *way.bind]
    if pace_mb_s:
        argv += ["-b", f"{pace_mb_s:g}M", "--fq-rate", f"{pace_mb_s:g}M", "-l", SMALL_BLOCK]
    pause_s, carried = FIRST_PAUSE_S, Carried(verdict=Verdict.ERROR, reason="iperf3 was not run")
    for left in reversed(range(tries)):
        before = carried_bytes(deps, way.interface)
        ran = await deps.run(argv, limit_s=seconds + END_LIMIT_S, heavy=True, keep=keep)
        carried = _judged(ran, seconds=seconds, parallel=parallel, mode=mode)
        if carried.verdict is Verdict.PASS and (why := _unseen(before, carried_bytes(deps, way.interface), carried)):
            return Carried(verdict=Verdict.ERROR, reason=why, told=carried.told, ran=ran)
        if carried.verdict is Verdict.PASS or not left:
            return carried
        if not _never_began(carried):
            if not (again and _broken_off(carried)):
                return carried
            again -= 1
        deps.log(f"iperf3: {carried.reason}; next try in {pause_s:.0f} s", "warning")
        await deps.sleep(pause_s)
        pause_s *= 2
    return carried


def _never_began(carried: Carried) -> bool:
    told = carried.told
    return bool(told and not told.protocol and any(words in (told.error or "").lower() for words in NOT_BEGUN))


def _broken_off(carried: Carried) -> bool:
    told = carried.told
    return bool(told and told.protocol and any(words in (told.error or "").lower() for words in BROKEN_OFF))


def _judged(ran: ToolRun, *, seconds: float, parallel: int, mode: str) -> Carried:
    def error(reason: str, told: IperfRun | None = None) -> Carried:
        return Carried(verdict=Verdict.ERROR, reason=reason, told=told, ran=ran)

    if ran.timed_out or ran.signal is not None:
        return error(f"iperf3 {ran.how_it_ended}")
    try:
        told = parse(ran.stdout)
    except ParseError as why:
        return error(str(why))
    if told.error:
        return error(f"iperf3: {told.error}", told)
    if ran.exit_code != 0:
        return error(f"iperf3 {ran.how_it_ended}", told)
    wanted = {"": ("to_server",), "--reverse": ("from_server",), "--bidir": ("to_server", "from_server")}[mode]
    least = least_s(seconds)
    if not ran.elapsed_s >= least:
        return error(f"iperf3 ended after {ran.elapsed_s:.1f} s of {seconds:.0f} s", told)
    if told.streams != parallel:
        return error(f"iperf3 used {told.streams} streams, wanted were {parallel}", told)
    for name in wanted:
        flow: Flow | None = getattr(told, name)
        if flow is None or flow.received_bytes is None or not flow.received_bytes > 0 or flow.received_bits_s is None:
            return error(f"iperf3 carried nothing {name.replace('_', ' ')}", told)
        if not flow.seconds >= least:
            return error(f"iperf3 carried for {flow.seconds:.1f} s of {seconds:.0f} s", told)
    return Carried(verdict=Verdict.PASS, told=told, ran=ran)


def carried_bytes(deps: Deps, interface: str) -> tuple[int, int] | None:
    """Bytes sent and received as the kernel counts them, of all interfaces where none is named; None: unreadable."""
    try:
        found = parse_net_dev(deps.read("/proc/net/dev"))
    except (OSError, ParseError):
        return None
    counted = [each for name, each in found.items() if not interface or name == interface]
    return (sum(each.tx_bytes for each in counted), sum(each.rx_bytes for each in counted)) if counted else None


def _unseen(before: tuple[int, int] | None, after: tuple[int, int] | None, carried: Carried) -> str:
    """Whether the kernel saw go by what iperf3 claims; output of another day says nothing about it."""
    if before is None or after is None:
        return "the interface's counters in /proc/net/dev cannot be read"
    told = carried.told
    flows = (("sent", told.to_server), ("received", told.from_server)) if told else ()
    for (words, flow), was, now in zip(flows, before, after, strict=True):
        claimed = (flow.received_bytes or 0) if flow else 0
        if not now - was >= claimed:
            return f"iperf3 claims {claimed} bytes {words}, the kernel counted {now - was} on the interface"
    return ""


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
