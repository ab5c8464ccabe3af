"""Send to the orchestrator and fetch from it through each network card in turn, and look for loss and errors that grew.

One card at a time: the orchestrator's server takes one test, and a card beside another would be measured by what is left over.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from vetting.domain.crowd import BY_THE_WAY
from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import FoundNic
from vetting.domain.naming import mac_of
from vetting.domain.outcome import Counter, Outcome, Severity, Verdict, Work
from vetting.parsers import ethtool, ip
from vetting.parsers.errors import bounded
from vetting.parsers.hwmon import slug
from vetting.stages.base import Deps, Job
from vetting.stages.iperf_load import END_LIMIT_S, Carried, Way, carried_bytes, carry, is_loopback
from vetting.stages.nic_cell import NicCell
from vetting.stages.nic_health import counters_of, errors_grown, link_of, link_trouble
from vetting.stages.nic_loss import LIMIT_S as PACED_LIMIT_S
from vetting.stages.nic_loss import Paced, paced, paced_s
from vetting.stages.probes.asking import Unread, ask
from vetting.stages.watch import every

LOOPBACK = "nic:loopback"
ANY = "nic:any"
TO_DO = (
    "give its port an address from which the orchestrator is reached (DHCP, or a switch port in that network), or say in the host's "
    "spec why it is left out: untested under this card in nics"
)
NOTHING_LEFT = "nothing was measured: the spec leaves out every network card that has a link"
ONLY_LOOPBACK = "only loopback was measured, no network card was tested"
DIRECTIONS = (("to_server", ""), ("from_server", "--reverse"))
LOOK_S = 5.0
RETRIES_S = 60.0  # pauses before a busy server is given up, for the deadline
BUSY_PERCENT = 90.0  # of a CPU: above it iperf3 itself is what is slow
RETRANSMITS_WORTH_A_WORD = 300.0  # for each GB: 0.04 % of full-sized segments; TCP hides such loss from the throughput
VIRTUAL_DRIVERS = frozenset({"virtio_net", "virtio-net", "vmxnet3", "xen_netfront", "vif", "hv_netvsc", "veth", "ena"})


class Network:
    name: ClassVar[str] = "Network"
    does: ClassVar[str] = "sends to the orchestrator and fetches from it through each network card that has a link"
    tools: ClassVar[tuple[str, ...]] = ("iperf3", "ip", "ethtool")

    def planned_s(self, job: Job) -> float:
        """At full speed; the seconds at a steady pace come on top."""
        cards = 1 if is_loopback(job.iperf_host) else len(measured(job))
        return float(len(DIRECTIONS) * job.profile.network.seconds * cards)

    def limit_s(self, job: Job) -> float:
        """With a second try of each direction, for a server that dies in its middle is our trouble."""
        cards = 1 if is_loopback(job.iperf_host) else max(len(measured(job)), 16 if job.inventory is None else 1)
        one = 2 * job.profile.network.seconds + PACED_LIMIT_S + 3 * (END_LIMIT_S + RETRIES_S)
        return cards * len(DIRECTIONS) * one + 120

    async def run(self, deps: Deps) -> Outcome:
        job = deps.job
        nics = nics_of(job)
        if not job.iperf_host or not job.iperf_port:
            return _all(nics, "the orchestrator gave us no iperf3 server")
        if is_loopback(job.iperf_host):
            nic = NicCell(LOOPBACK, "lo")
            await _carried(deps, nic, Way(host=job.iperf_host, port=job.iperf_port, interface="lo"), speed=None)
            if nic.verdict is Verdict.PASS:
                nic.reasons.append(ONLY_LOOPBACK)
            return _concluded([nic])
        try:
            addresses = await ask(deps, ("ip", "-j", "addr"), ip.parse)
        except Unread as why:
            return _all(nics, f"the addresses of this host could not be read: {why}")
        for nic in nics:
            await _tested(deps, nic, {each.name: each for each in addresses})
        if all(nic.verdict is Verdict.SKIP for nic in nics):
            return _concluded(nics).but(verdict=Verdict.ERROR, reason=f"{NOTHING_LEFT}; {nics[0].reasons[0]}")
        return _concluded(nics)


def linked(job: Job) -> list[FoundNic]:
    return [nic for nic in job.inventory.nics if nic.physical and nic.link is True] if job.inventory else []


def measured(job: Job) -> list[FoundNic]:
    """The cards with a link that the spec does not leave out."""
    left_out = {mac_of(pin.mac) for pin in job.expected.nics if pin.untested}
    return [nic for nic in linked(job) if mac_of(nic.mac) not in left_out]


def nics_of(job: Job) -> list[NicCell]:
    """The cards with a link, and those that the spec names and that have none: they fail."""
    if is_loopback(job.iperf_host):
        return [NicCell(LOOPBACK, "lo")]
    pins = {mac_of(pin.mac): pin for pin in job.expected.nics}
    nics = [
        NicCell(f"nic:{nic.mac}", nic.name, found=nic, pinned=pins.pop(mac_of(nic.mac), None)) for nic in linked(job)
    ]
    found = {mac_of(nic.mac): nic for nic in job.inventory.nics} if job.inventory else {}
    for mac, pin in pins.items():
        name = found[mac].name if mac in found else pin.name
        nics.append(NicCell(f"nic:{pin.mac}", name, found=found.get(mac), pinned=pin))
    return nics or [NicCell(ANY, "")]


async def _tested(deps: Deps, nic: NicCell, interfaces: Mapping[str, ip.Interface]) -> None:
    if nic.component == ANY:
        why = "this run has no inventory" if deps.job.inventory is None else "no network card of this host has a link"
        return nic.fail(Verdict.ERROR, why)
    if nic.found is None:
        return nic.fail(Verdict.FAIL, "no network card with this MAC address was found")
    if nic.pinned and nic.pinned.untested:
        return nic.fail(Verdict.SKIP, f"left out by the host's spec: {nic.pinned.untested}")
    if nic.found.link is not True:
        return nic.fail(Verdict.FAIL, "the spec names this card, and it has no link")
    there = interfaces.get(nic.name)
    family = "inet6" if ":" in deps.job.iperf_host else "inet"
    own = (
        [each.address for each in there.addresses if each.family == family and each.scope == "global"] if there else []
    )
    if there is None or not own:
        part = f"; it is a part of {there.master}" if there and there.master else ""
        return nic.fail(Verdict.ERROR, f"no path: {nic.name} has a link and no address{part}; {TO_DO}")
    link = await link_of(deps, nic.name)
    if isinstance(link, str):
        return nic.fail(Verdict.ERROR, link)
    _judge_link(nic, link)
    before = await counters_of(deps, nic.name)
    way = Way(host=deps.job.iperf_host, port=deps.job.iperf_port, interface=nic.name, address=own[0])
    await _carried(deps, nic, way, speed=link.speed_mb_s)
    after_link = await link_of(deps, nic.name)
    if isinstance(after_link, str):
        nic.fail(Verdict.ERROR, after_link)
    elif after_link.speed_mb_s != link.speed_mb_s:
        nic.fail(Verdict.FAIL, f"the link went from {link.speed_mb_s} to {after_link.speed_mb_s} Mb/s under load")
    _judge_counters(nic, before, await counters_of(deps, nic.name))
    return None


def _judge_link(nic: NicCell, link: ethtool.Link) -> None:
    trouble, remark = link_trouble(link, nic.pinned.speed_mb_s if nic.pinned else 0)
    if trouble:
        nic.fail(Verdict.FAIL, trouble)
    if remark:
        nic.note(Severity.WARNING, remark)
    if link.speed_mb_s is not None:
        nic.measure("link", link.speed_mb_s, "Mb/s")
        return
    if nic.pinned and nic.pinned.floor_mb_s and not nic.pinned.speed_mb_s:
        return
    if nic.found and nic.found.driver in VIRTUAL_DRIVERS and not (nic.pinned and nic.pinned.speed_mb_s):
        nic.note(Severity.WARNING, "a virtual card tells no speed: its throughput was measured and not judged")
    else:
        nic.fail(Verdict.ERROR, "its negotiated speed is unknown, so its throughput cannot be judged: pin floor_mb_s")


def _judge_counters(nic: NicCell, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    nic.counters += [
        Counter(component=nic.component, name=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys((*before, *after))
    ]
    if not before or not after:
        nic.fail(Verdict.ERROR, "its error counters cannot be read")
    for name in sorted(before.keys() - after.keys()):
        nic.fail(Verdict.ERROR, f"its counter {name} can no longer be read")
    for reason in errors_grown(before, after):
        nic.fail(Verdict.FAIL, reason)


async def _carried(deps: Deps, nic: NicCell, way: Way, *, speed: int | None) -> None:
    """Both directions, one after the other, then both again at a steady pace; one that fails does not spare the others."""
    knobs = deps.job.profile.network
    gentle_s = 0.0 if nic.component == LOOPBACK else paced_s(knobs.seconds)
    whole_s = len(DIRECTIONS) * (knobs.seconds + gentle_s)
    rates: dict[str, float] = {}
    try:
        for number, (name, mode) in enumerate(DIRECTIONS):
            async with _watched(deps, nic, way, from_s=number * knobs.seconds, for_s=knobs.seconds, of_s=whole_s):
                carried = await carry(
                    deps, way, seconds=knobs.seconds, parallel=knobs.parallel, mode=mode, keep=_kept(nic, name), again=1
                )
            rates[name] = _judge_direction(deps, nic, name, carried, speed)
        for number, (name, mode) in enumerate(DIRECTIONS):
            if not gentle_s or not rates[name] > 0:
                continue  # a direction that carried nothing has been told already
            before_s = len(DIRECTIONS) * knobs.seconds + number * gentle_s
            async with _watched(deps, nic, way, from_s=before_s, for_s=gentle_s, of_s=whole_s):
                flow = await paced(
                    deps, way, mode=mode, seconds=gentle_s, carried_mb_s=rates[name], keep=_kept(nic, f"{name}_paced")
                )
            _judge_paced(nic, name, flow, gentle_s)
    except ToolMissing as why:
        nic.fail(Verdict.ERROR, str(why))


def _kept(nic: NicCell, what: str) -> str:
    return f"iperf3-{slug(nic.name) or 'any'}-{what.replace('_', '-')}.json"


def _watched(
    deps: Deps, nic: NicCell, way: Way, *, from_s: float, for_s: float, of_s: float
) -> AbstractAsyncContextManager[None]:
    """Progress and samples of the interface while iperf3 runs."""
    began_s, last = deps.monotonic(), [(deps.monotonic(), carried_bytes(deps, way.interface))]

    def look() -> None:
        deps.progress(from_s + min(deps.monotonic() - began_s, for_s), of_s, "s", f"iperf3 on {nic.name}")
        last.append((deps.monotonic(), carried_bytes(deps, way.interface)))
        _sample(deps, nic, *last[-2:])

    return every(deps, LOOK_S, look)


def _judge_paced(nic: NicCell, name: str, flow: Paced, wanted_s: float) -> None:
    words = f"{name.replace('_', ' ')}, paced"
    done_s = min(flow.seconds, wanted_s) if flow.verdict is Verdict.PASS else 0.0
    nic.work.append(Work(what=words, done=round(done_s), of=round(wanted_s), unit="s"))
    if flow.lost:
        nic.measure(f"{name}_lost", 100 * flow.lost[-1], "%")
    if flow.verdict is not Verdict.PASS:
        return nic.fail(flow.verdict, f"{words}: {bounded(flow.reason)}", by_the_way=True)
    if len(flow.lost) > 1:
        nic.note(
            Severity.WARNING,
            f"{words}: {flow.lost[0]:.2%} of the segments were lost at first, and nearly none in a later try",
        )
    return None


def _sample(
    deps: Deps, nic: NicCell, was: tuple[float, tuple[int, int] | None], now: tuple[float, tuple[int, int] | None]
) -> None:
    passed_s = now[0] - was[0]
    if was[1] is None or now[1] is None or not passed_s > 0.5:
        return
    for series, old, new in (("tx_mb_s", was[1][0], now[1][0]), ("rx_mb_s", was[1][1], now[1][1])):
        deps.sample(f"net.{slug(nic.name)}.{series}", (new - old) / passed_s / 1e6, "MB/s")


def _judge_direction(deps: Deps, nic: NicCell, name: str, carried: Carried, speed: int | None) -> float:
    """What was carried, in megabits per second; 0 where it was not measured."""
    knobs, words = deps.job.profile.network, name.replace("_", " ")
    flow = getattr(carried.told, name) if carried.told else None
    done_s = min(flow.seconds, knobs.seconds) if flow and carried.verdict is Verdict.PASS else 0.0
    nic.work.append(Work(what=words, done=round(done_s), of=knobs.seconds, unit="s"))
    if carried.verdict is not Verdict.PASS or not flow or not carried.told:
        nic.fail(Verdict.ERROR, f"{words}: {bounded(carried.reason)}")
        return 0.0
    rate = (flow.received_bits_s or 0.0) / 1e6
    nic.measure(name, rate, "Mb/s")
    if flow.retransmits is not None and flow.received_bytes:
        _judge_retransmits(nic, words, flow.retransmits / (flow.received_bytes / 1e9), name)
    floor = nic.pinned.floor_mb_s if nic.pinned and nic.pinned.floor_mb_s else (speed or 0) * knobs.floor_fraction
    if not floor or rate >= floor:
        return rate
    loads = (carried.told.cpu_local_percent, carried.told.cpu_remote_percent)
    short = f"{words}: {rate:.0f} Mb/s, floor {floor:.0f} Mb/s"
    if any(load is not None and load >= BUSY_PERCENT for load in loads):
        nic.fail(Verdict.ERROR, f"{short}, and iperf3 itself had no CPU time left: raise parallel, or pin floor_mb_s")
    else:
        why = f"{short} (pin floor_mb_s if the orchestrator's own link is slower than this card)"
        nic.fail(Verdict.FAIL, why, by_the_way=True)
    return rate


def _judge_retransmits(nic: NicCell, words: str, per_gb: float, name: str) -> None:
    """Measured and told, never an accusation by themselves: a healthy card that sends into a slower link, or a virtual one,
    loses a percent to full queues (7,000 to 12,000 for each GB were seen on a sound veth pair). What a sick card loses
    shows in the paced flow (`nic_loss`), in its error counters and in the throughput, and those accuse it."""
    nic.measure(f"{name}_retransmits", per_gb, "/GB")
    if nic.component != LOOPBACK and not per_gb <= RETRANSMITS_WORTH_A_WORD:
        nic.note(Severity.WARNING, f"{words}: {per_gb:.0f} segments were sent again for each GB")


def _concluded(nics: list[NicCell]) -> Outcome:
    return Outcome.of_cells(
        [nic.cell for nic in nics],
        measurements=tuple(each for nic in nics for each in nic.measurements),
        counters=tuple(each for nic in nics for each in nic.counters),
        findings=tuple(each for nic in nics for each in nic.findings),
        data={BY_THE_WAY: [nic.component for nic in nics if nic.verdict is Verdict.FAIL and nic.by_the_way]},
    )


def _all(nics: list[NicCell], reason: str) -> Outcome:
    for nic in nics:
        nic.fail(Verdict.ERROR, reason)
    return _concluded(nics).but(reason=reason)
