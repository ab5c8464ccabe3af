"""The signatures that `wipefs -J --no-act DEVICE` finds; util-linux 2.38 and 2.41. Nothing is ever erased with it."""

from __future__ import annotations

from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "wipefs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    device: str | None
    offset: int  # bytes from the start of the device
    kind: str  # ext4, gpt, PMBR, dos, LVM2_member …
    uuid: str | None
    label: str | None


def parse(text: str) -> tuple[Signature, ...]:
    """stdout; empty tuple: it looked and found none. Raises ParseError, also for empty output (it could not look)."""
    document = load(TOOL, text)
    if not isinstance(document.get("signatures"), list):
        raise ParseError(TOOL, "its JSON has no signatures", text)
    return tuple(_signature(each) for each in document.each("signatures"))


def _signature(node: Node) -> Signature:
    kind, offset = node.text("type"), node.text("offset") or ""
    try:
        place = int(offset, 16)
    except ValueError:
        raise node.wrong("offset", "a hexadecimal number", offset) from None
    if not kind:
        raise ParseError(TOOL, f"{node.where}type is missing", repr(node.value)[:400])
    return Signature(
        device=node.text("device"), offset=place, kind=kind, uuid=node.text("uuid"), label=node.text("label")
    )
