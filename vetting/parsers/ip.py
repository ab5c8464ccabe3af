"""Network interfaces as `ip -j addr` and `ip -j -s -d link` tell them; routes and neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "ip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    rx_bytes: int | None
    rx_packets: int | None
    rx_errors: int | None
    rx_dropped: int | None
    tx_bytes: int | None
    tx_packets: int | None
    tx_errors: int | None
    tx_dropped: int | None
    tx_carrier_errors: int | None
    collisions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    family: str  # inet, inet6
    address: str
    prefix: int | None
    scope: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    name: str
    index: int | None
    mac: str | None
    permanent_mac: str | None  # burnt in; told where it differs from `mac`
    state: str | None  # UP, DOWN, UNKNOWN, LOWERLAYERDOWN
    carrier: bool  # LOWER_UP: there is a link
    up: bool  # set up by the administrator
    link_type: str | None  # ether, loopback
    kind: str | None  # veth, bridge, bond, vlan; None: hardware, or -d was not asked
    master: str | None
    mtu: int | None
    bus: str | None  # parentdev, as 0000:3b:00.0
    addresses: tuple[Address, ...]
    stats: Stats | None  # only with -s


def parse(text: str) -> tuple[Interface, ...]:
    """stdout of `ip -j [-s] [-d] addr|link`; empty text or [] is no interface at all. Raises ParseError."""
    return tuple(_interface(each) for each in _listed(text, "interfaces"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    device: str
    source: str  # our address on it
    gateway: str | None  # None: the destination is on the link


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    address: str
    mac: str | None  # None: nobody answered, or not yet
    states: tuple[str, ...]  # REACHABLE, STALE, DELAY, PROBE, PERMANENT, INCOMPLETE, FAILED


def parse_route(text: str) -> Route:
    """stdout of `ip -j route get ADDRESS`. Raises ParseError, also where there is no route."""
    for node in _listed(text, "routes"):
        device, source = node.text("dev"), node.text("prefsrc")
        if device and source:
            return Route(device=device, source=source, gateway=node.text("gateway"))
    raise ParseError(TOOL, "no route in it", text)


def parse_neighbours(text: str) -> tuple[Neighbour, ...]:
    """stdout of `ip -j neigh show …`; empty text or [] is none at all. Raises ParseError."""
    return tuple(
        Neighbour(
            address=node.text("dst") or "",
            mac=node.text("lladdr"),
            states=tuple(map(str, states)) if isinstance(states := node.get("state"), list) else (),
        )
        for node in _listed(text, "neighbours")
    )


def _listed(text: str, what: str) -> list[Node]:
    document = load(TOOL, text)
    if not isinstance(document.value, list):
        raise ParseError(TOOL, f"its JSON is not a list of {what}", text)
    return list(Node(TOOL, {what: [each for each in document.value if each != {}]}, "").each(what))


def _interface(node: Node) -> Interface:
    name = node.text("ifname")
    if not name:
        raise ParseError(TOOL, f"{node.where}ifname is missing", repr(node.value))
    flags = node.get("flags")
    if not isinstance(flags, list):
        raise node.wrong("flags", "a list", flags)
    return Interface(
        name=name,
        index=node.whole("ifindex"),
        mac=node.text("address"),
        permanent_mac=node.text("permaddr"),
        state=node.text("operstate"),
        carrier="LOWER_UP" in flags,
        up="UP" in flags,
        link_type=node.text("link_type"),
        kind=node.child("linkinfo").text("info_kind"),
        master=node.text("master"),
        mtu=node.whole("mtu"),
        bus=node.text("parentdev"),
        addresses=tuple(_address(each) for each in node.each("addr_info") if each.has("local")),
        stats=_stats(node),
    )


def _address(node: Node) -> Address:
    return Address(
        family=node.text("family") or "",
        address=node.text("local") or "",
        prefix=node.whole("prefixlen"),
        scope=node.text("scope"),
    )


def _stats(node: Node) -> Stats | None:
    key = "stats64" if node.has("stats64") else "stats"
    if not node.has(key):
        return None
    rx, tx = node.child(key).child("rx"), node.child(key).child("tx")
    return Stats(
        rx_bytes=rx.whole("bytes"),
        rx_packets=rx.whole("packets"),
        rx_errors=rx.whole("errors"),
        rx_dropped=rx.whole("dropped"),
        tx_bytes=tx.whole("bytes"),
        tx_packets=tx.whole("packets"),
        tx_errors=tx.whole("errors"),
        tx_dropped=tx.whole("dropped"),
        tx_carrier_errors=tx.whole("carrier_errors"),
        collisions=tx.whole("collisions"),
    )
