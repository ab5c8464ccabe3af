"""What `lshw -json` found: a tree of nodes, of which the products and serial numbers matter here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "lshw"
DEEPEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareNode:
    identifier: str  # lshw's own id: core, cpu:0, disk
    kind: str  # its class: system, processor, memory, network, disk …
    depth: int
    description: str | None
    vendor: str | None
    product: str | None
    serial: str | None
    version: str | None
    bus: str | None  # pci@0000:00:1f.2
    logical_names: tuple[str, ...]
    size: float | None  # in `units`
    units: str | None


def parse(text: str) -> tuple[HardwareNode, ...]:
    """All nodes, the machine first. Some versions wrap the tree in a list. Raises ParseError."""
    document = load(TOOL, text)
    if isinstance(document.value, list):
        document = Node(TOOL, {"children": document.value, "id": "", "class": "list"}, "")
        found = tuple(node for child in document.each("children") for node in _walk(child, 0))
    else:
        found = tuple(_walk(document, 0))
    if not found:
        raise ParseError(TOOL, "its JSON has no nodes", text)
    return found


def _walk(node: Node, depth: int) -> Iterator[HardwareNode]:
    if depth > DEEPEST:
        raise ParseError(TOOL, f"its tree is more than {DEEPEST} deep")
    identifier, kind = node.text("id"), node.text("class")
    if identifier is None or kind is None:
        raise ParseError(TOOL, f"{node.where}id or class is missing", repr(node.value)[:400])
    names = node.get("logicalname")
    listed = names if isinstance(names, list) else [] if names is None else [names]
    yield HardwareNode(
        identifier=identifier,
        kind=kind,
        depth=depth,
        description=node.text("description"),
        vendor=node.text("vendor"),
        product=node.text("product"),
        serial=node.text("serial"),
        version=node.text("version"),
        bus=node.text("businfo"),
        logical_names=tuple(each for each in listed if isinstance(each, str)),
        size=node.real("size"),
        units=node.text("units"),
    )
    for child in node.each("children"):
        yield from _walk(child, depth + 1)
