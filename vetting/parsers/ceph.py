"""What Ceph's own tool says in JSON: `ceph osd tree` and `ceph quorum_status`."""

from __future__ import annotations

from collections.abc import Collection

from vetting.domain.safelook import Osd, Votes
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "ceph"


def parse_osds(text: str, host: str, also: Collection[int] = ()) -> tuple[Osd, ...]:
    """`ceph osd tree --format json`: the OSDs below the bucket of `host`, and those numbered in `also`. Raises ParseError.

    Buckets may have buckets below them; an OSD that `also` names must be known. An OSD is in while its reweight is not 0.
    """
    document = load(TOOL, text)
    if not isinstance(document.get("nodes"), list):
        raise ParseError(TOOL, "its JSON has no nodes", text)
    nodes = {_number(node): node for node in (*document.each("nodes"), *document.each("stray"))}
    wanted = {*also}
    for node in nodes.values():
        if node.text("type") == "host" and node.text("name") == host:
            wanted |= _below(node, nodes, depth=0)
    if unknown := sorted(number for number in wanted if number not in nodes):
        raise ParseError(TOOL, f"it does not know osd.{unknown[0]}, which is on this host", "")
    return tuple(_osd(nodes[number]) for number in sorted(wanted))


def _below(node: Node, nodes: dict[int, Node], depth: int) -> set[int]:
    children = node.get("children") or []
    if depth > 16 or not isinstance(children, list) or not all(type(child) is int for child in children):
        raise node.wrong("children", "a list of numbers, at most 16 deep", children)
    found = {child for child in children if child >= 0}
    for child in children:
        if child < 0 and child in nodes:
            found |= _below(nodes[child], nodes, depth + 1)
    return found


def _osd(node: Node) -> Osd:
    status, weight = node.text("status"), node.real("reweight")
    if not status or weight is None:
        raise ParseError(TOOL, f"{node.where}status or reweight is missing", repr(node.value)[:400])
    return Osd(number=_number(node), up=status == "up", inside=weight > 0)


def _number(node: Node) -> int:
    number = node.whole("id")
    if number is None:
        raise ParseError(TOOL, f"{node.where}id is missing", repr(node.value)[:400])
    return number


def parse_monitors(text: str, name: str) -> Votes:
    """`ceph quorum_status --format json`, seen from the monitor `name` on this host. Raises ParseError."""
    document = load(TOOL, text)
    inside = document.get("quorum_names")
    known = [mon.text("name") for mon in document.needed("monmap").each("mons")]
    if not isinstance(inside, list) or not known:
        raise ParseError(TOOL, "its JSON has no quorum_names or no monitors", text)
    needed = len(known) // 2 + 1
    return Votes(present=len(inside), own=int(name in inside), needed=needed, quorate=len(inside) >= needed)
