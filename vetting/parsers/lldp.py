"""Which switch port each card is plugged into, as `lldpcli -f json show neighbors` tells (also -f json0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "lldpcli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    interface: str  # ours
    system: str | None  # name of the neighbour; None: it told none
    chassis_id: str | None
    port_id: str | None
    port_description: str | None
    protocol: str | None  # via: LLDP, CDPv2 …

    @property
    def text(self) -> str:
        """ "switch7 ge-0/0/3", for a person."""
        return " ".join(filter(None, (self.system or self.chassis_id, self.port_id or self.port_description)))


def parse(text: str) -> tuple[Neighbor, ...]:
    """stdout; none where nobody was heard. Raises ParseError where lldpd does not run."""
    document = load(TOOL, text)
    roots = list(document.each("lldp")) if isinstance(document.get("lldp"), list) else [document.needed("lldp")]
    return tuple(_neighbor(name, entry) for root in roots for name, entry in _interfaces(root))


def _interfaces(root: Node) -> Iterator[tuple[str, Node]]:
    """One interface is an object keyed by its name, several are a list of such; json0 has lists with a `name` in each."""
    value = root.get("interface")
    for each in root.each("interface") if isinstance(value, list) else [root.child("interface")]:
        name = each.get("name")
        if isinstance(name, str):
            yield name, each
        else:
            for key in each.fields:
                yield key, each.child(key)


def _neighbor(name: str, entry: Node) -> Neighbor:
    chassis_name, chassis = _chassis(entry)
    port = _first(entry, "port")
    return Neighbor(
        interface=name,
        system=chassis_name,
        chassis_id=_value(chassis, "id"),
        port_id=_value(port, "id"),
        port_description=_value(port, "descr"),
        protocol=entry.text("via"),
    )


def _first(node: Node, key: str) -> Node:
    if isinstance(node.get(key), list):
        return next(iter(node.each(key)), Node(TOOL, {}, node.where))
    return node.child(key)


def _chassis(entry: Node) -> tuple[str | None, Node]:
    """The chassis is keyed by the system's name, where it told one."""
    chassis = _first(entry, "chassis")
    if chassis.has("id") or not chassis.fields:
        return _value(chassis, "name"), chassis
    name = next(iter(chassis.fields))
    return name, chassis.child(name)


def _value(node: Node, key: str) -> str | None:
    """ "text", {"value": "text"} or [{"value": "text"}]."""
    value = node.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return _first(node, key).text("value")
    raise ParseError(TOOL, f"{node.where}{key} is not a text", repr(value)[:400])
