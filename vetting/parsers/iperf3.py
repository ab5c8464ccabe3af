"""What the iperf3 client said with -J (3.12 and 3.18 alike). It ends with 0 even when the server refused or died: see `error`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, embedded

TOOL = "iperf3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """All streams of one direction, over the whole test."""

    sent_bytes: int
    sent_bits_s: float
    received_bytes: int | None  # as the receiving end counted
    received_bits_s: float | None
    seconds: float
    retransmits: int | None  # TCP, from the sending end; None where the sender cannot tell
    lost_packets: int | None = None  # UDP
    packets: int | None = None
    jitter_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    start_s: float
    end_s: float
    bits_s: float  # of the test's own direction
    back_bits_s: float | None = None  # of the reverse direction in a bidirectional test
    retransmits: int | None = None
    omitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IperfRun:
    version: str
    error: str | None  # what iperf3 complains of; such a run measured nothing that counts
    protocol: str  # "TCP", "UDP"; empty where it never began
    streams: int | None
    planned_s: float | None
    local_host: str | None
    segment_bytes: int | None  # what one full TCP segment carries (the path's MSS)
    to_server: Flow | None  # None: this direction was not tested, or the run broke off
    from_server: Flow | None
    intervals: tuple[Interval, ...]
    cpu_local_percent: float | None
    cpu_remote_percent: float | None
    notes: tuple[str, ...] = ()


def parse(text: str) -> IperfRun:
    """stdout, or both streams joined. Raises ParseError where no JSON of iperf3 is in it."""
    document, notes = embedded(TOOL, text)
    start = document.needed("start")
    plan = start.child("test_start")
    end = document.child("end")
    reverse = bool(plan.flag("reverse"))
    own = _flow(end, "")
    other = _flow(end, "_bidir_reverse")  # 3.12 does not say in its plan that a test is bidirectional
    to_server, from_server = (other, own) if reverse else (own, other)
    local = next((each.text("local_host") for each in start.each("connected")), None)
    load = end.child("cpu_utilization_percent")
    return IperfRun(
        version=(start.text("version") or "").removeprefix("iperf "),
        error=document.text("error"),
        protocol=plan.text("protocol") or "",
        streams=plan.whole("num_streams"),
        planned_s=plan.real("duration"),
        local_host=local,
        segment_bytes=start.whole("tcp_mss_default") or start.whole("tcp_mss"),
        to_server=to_server,
        from_server=from_server,
        intervals=tuple(_interval(each) for each in document.each("intervals")),
        cpu_local_percent=load.real("host_total"),
        cpu_remote_percent=load.real("remote_total"),
        notes=notes,
    )


def _flow(end: Node, suffix: str) -> Flow | None:
    if not end.has(f"sum_sent{suffix}") and not end.has(f"sum{suffix}"):
        return None
    sent = end.child(f"sum_sent{suffix}") if end.has(f"sum_sent{suffix}") else end.child(f"sum{suffix}")
    got = end.child(f"sum_received{suffix}")
    datagrams = end.child(f"sum{suffix}") if end.has(f"sum{suffix}") else got
    return Flow(
        sent_bytes=_needed(sent, "bytes"),
        sent_bits_s=_rate(sent),
        received_bytes=got.whole("bytes"),
        received_bits_s=got.real("bits_per_second"),
        seconds=sent.real("seconds") or 0.0,
        retransmits=sent.whole("retransmits"),
        lost_packets=datagrams.whole("lost_packets"),
        packets=datagrams.whole("packets"),
        jitter_ms=datagrams.real("jitter_ms"),
    )


def _needed(node: Node, key: str) -> int:
    value = node.whole(key)
    if value is None:
        raise ParseError(TOOL, f"{node.where}{key} is missing")
    return value


def _rate(node: Node) -> float:
    value = node.real("bits_per_second")
    if value is None:
        raise ParseError(TOOL, f"{node.where}bits_per_second is missing")
    return value


def _interval(node: Node) -> Interval:
    total = node.needed("sum")
    back = node.child("sum_bidir_reverse")
    return Interval(
        start_s=total.real("start") or 0.0,
        end_s=total.real("end") or 0.0,
        bits_s=_rate(total),
        back_bits_s=back.real("bits_per_second"),
        retransmits=total.whole("retransmits"),
        omitted=bool(total.flag("omitted")),
    )


def parse_version(text: str) -> str:
    """ "3.12" of `iperf3 --version`. Raises ParseError."""
    match = re.match(r"iperf (\d[\w.+-]{0,40})", text)
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[1]
