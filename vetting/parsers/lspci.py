"""What lspci says: `-Dvmmnnk` for what is there and who drives it, `-Dvv` (as root) for the state of each PCIe link."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError

TOOL = "lspci"
SLOT = re.compile(r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b", re.IGNORECASE)
NAMED = re.compile(r"(.*?)\s*\[([0-9a-f]{4})\]\s*$", re.IGNORECASE)
SPEED = re.compile(r"Speed (\d{1,3}(?:\.\d)?)GT/s")
WIDTH = re.compile(r"Width x(\d{1,2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PciDevice:
    slot: str  # 0000:3b:00.0
    kind: str  # "Ethernet controller"
    kind_code: str | None  # "0200"
    vendor: str
    vendor_code: str | None
    device: str
    device_code: str | None
    subsystem: str | None
    revision: str | None
    driver: str | None  # None: nothing drives it
    numa_node: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PcieLink:
    """What the slot's device can do and does. None: it does not say (no PCIe, or not asked as root)."""

    slot: str
    name: str  # rest of its first line
    speed_gt_s: float | None
    width: int | None
    speed_max_gt_s: float | None
    width_max: int | None
    driver: str | None

    @property
    def downgraded(self) -> bool | None:
        """Slower or narrower than the device itself can; idle devices lower their speed on purpose, so ask under load."""
        if self.speed_gt_s is None or self.speed_max_gt_s is None or not self.width or self.width_max is None:
            return None
        return self.speed_gt_s < self.speed_max_gt_s or self.width < self.width_max


def parse(text: str) -> tuple[PciDevice, ...]:
    """stdout of `lspci -Dvmmnnk`. An empty text is a machine without PCI. Raises ParseError."""
    devices = []
    for block in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            name, colon, value = line.partition(":")
            if line.strip() and not colon:
                raise ParseError(TOOL, "a line of it is not a tag and a value", line)
            if colon:
                fields.setdefault(name.strip(), value.strip())
        if fields:
            devices.append(_device(fields, block))
    return tuple(devices)


def _device(fields: dict[str, str], block: str) -> PciDevice:
    slot = fields.get("Slot", "")
    if not SLOT.fullmatch(slot) or "Class" not in fields:
        raise ParseError(TOOL, "a record has no slot or no class", block)
    kind, kind_code = _named(fields["Class"])
    vendor, vendor_code = _named(fields.get("Vendor", ""))
    device, device_code = _named(fields.get("Device", ""))
    node = fields.get("NUMANode", "")
    return PciDevice(
        slot=slot.lower(),
        kind=kind,
        kind_code=kind_code,
        vendor=vendor,
        vendor_code=vendor_code,
        device=device,
        device_code=device_code,
        subsystem=_named(fields["SDevice"])[0] if "SDevice" in fields else None,
        revision=fields.get("Rev"),
        driver=fields.get("Driver"),
        numa_node=int(node) if re.fullmatch(r"\d{1,4}", node) else None,
    )


def _named(text: str) -> tuple[str, str | None]:
    """("Ethernet controller", "0200") of "Ethernet controller [0200]"."""
    match = NAMED.match(text)
    return (match[1], match[2].lower()) if match else (text, None)


def parse_links(text: str) -> tuple[PcieLink, ...]:
    """stdout of `lspci -Dvv`: one PcieLink a device. Raises ParseError where a line belongs to no device."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if SLOT.match(line):
            blocks.append([line])
        elif line.strip():
            if not blocks or not line.startswith("\t"):
                raise ParseError(TOOL, "a line of it belongs to no device", line)
            blocks[-1].append(line)
    return tuple(_link(block) for block in blocks)


def _link(lines: list[str]) -> PcieLink:
    slot, _, name = lines[0].partition(" ")
    ability = next((line for line in lines if line.lstrip().startswith("LnkCap:")), "")
    status = next((line for line in lines if line.lstrip().startswith("LnkSta:")), "")
    driver = next((line.partition(":")[2].strip() for line in lines if "Kernel driver in use:" in line), None)
    return PcieLink(
        slot=slot.lower(),
        name=name.strip(),
        speed_gt_s=_speed(status),
        width=_width(status),
        speed_max_gt_s=_speed(ability),
        width_max=_width(ability),
        driver=driver,
    )


def _speed(line: str) -> float | None:
    match = SPEED.search(line)
    return float(match[1]) if match else None


def _width(line: str) -> int | None:
    match = WIDTH.search(line)
    return int(match[1]) if match else None
