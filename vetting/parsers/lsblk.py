"""What `lsblk -J -b` says of block devices, with -O or with named columns; util-linux 2.38 and 2.41."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "lsblk"
DEEPEST = 16  # disk, partition, raid, crypt, volume: far fewer in any machine that boots


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDevice:
    """A column that was not asked for, or that the kernel does not know, is None."""

    name: str
    path: str
    kname: str
    kind: str  # disk, part, lvm, crypt, raid1, mpath, loop, rom …
    major_minor: str | None
    size_bytes: int | None
    model: str | None
    serial: str | None
    wwn: str | None
    transport: str | None
    vendor: str | None
    rotational: bool | None
    read_only: bool | None
    removable: bool | None
    fstype: str | None
    pttype: str | None
    parttype: str | None  # GPT type GUID or MBR type byte
    label: str | None
    uuid: str | None
    mountpoints: tuple[str, ...]  # "[SWAP]" for swap in use
    logical_block_bytes: int | None
    physical_block_bytes: int | None
    parent: str | None
    children: tuple[BlockDevice, ...]

    def family(self) -> Iterator[BlockDevice]:
        """The device and everything that stands on it."""
        yield self
        for child in self.children:
            yield from child.family()


def parse(text: str) -> tuple[BlockDevice, ...]:
    """stdout of one call. Raises ParseError, also for sizes that are not bytes (`-b` was forgotten)."""
    document = load(TOOL, text)
    if not isinstance(document.get("blockdevices"), list):
        raise ParseError(TOOL, "its JSON has no blockdevices", text)
    return tuple(_device(each, 0) for each in document.each("blockdevices"))


def _device(node: Node, depth: int) -> BlockDevice:
    if depth > DEEPEST:
        raise ParseError(TOOL, f"devices stand on each other more than {DEEPEST} deep")
    name = _text(node, "name")
    if name is None:
        raise ParseError(TOOL, f"{node.where}name is missing", repr(node.value)[:400])
    return BlockDevice(
        name=name,
        path=_text(node, "path") or f"/dev/{name}",
        kname=_text(node, "kname") or name,
        kind=_text(node, "type") or "",
        major_minor=_text(node, "maj:min"),
        size_bytes=node.whole("size"),
        model=_text(node, "model"),
        serial=_text(node, "serial"),
        wwn=_text(node, "wwn"),
        transport=_text(node, "tran"),
        vendor=_text(node, "vendor"),
        rotational=node.flag("rota"),
        read_only=node.flag("ro"),
        removable=node.flag("rm"),
        fstype=_text(node, "fstype"),
        pttype=_text(node, "pttype"),
        parttype=_text(node, "parttype"),
        label=_text(node, "label"),
        uuid=_text(node, "uuid"),
        mountpoints=_mountpoints(node),
        logical_block_bytes=node.whole("log-sec"),
        physical_block_bytes=node.whole("phy-sec"),
        parent=_text(node, "pkname"),
        children=tuple(_device(child, depth + 1) for child in node.each("children")),
    )


def _text(node: Node, key: str) -> str | None:
    """lsblk pads names with blanks; an empty text says as little as none."""
    return (node.text(key) or "").strip() or None


def _mountpoints(node: Node) -> tuple[str, ...]:
    many = node.get("mountpoints")
    if many is None:
        many = [node.get("mountpoint")]
    if not isinstance(many, list) or not all(each is None or isinstance(each, str) for each in many):
        raise node.wrong("mountpoints", "a list of paths", many)
    return tuple(each for each in many if each)
