"""What the firmware says of the machine: the text of `dmidecode`, 2.12 and later.

Vendors fill fields they have nothing for with words ("Not Specified", "NO DIMM", "Default string"): those become None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError

TOOL = "dmidecode"
HANDLE = re.compile(r"Handle (0x[0-9A-Fa-f]{1,8}), DMI type (\d{1,3}), (\d{1,5}) bytes")
SIZE = re.compile(r"(\d{1,12}) (bytes?|kB|MB|GB|TB|PB)$", re.IGNORECASE)
SIZE_BYTES = {"byte": 1, "bytes": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
NOTHING = re.compile(
    r"(?:<?(?:not specified|not provided|not present|not available|unknown|none|null|n/a|na|default string|no dimm|empty|out of spec"
    r"|bad index|to be filled by o\.?e\.?m\.?|system serial number|system manufacturer|system product name|chassis serial number"
    r"|base board serial number|o\.e\.m\.)>?|0{4,}|[fF]{8}|\.+|-+|)$",
    re.IGNORECASE,
)
NO_UUID = re.compile(r"(?:Not (?:Settable|Present)|0{8}(?:-0{4}){3}-0{12}|F{8}(?:-F{4}){3}-F{12})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One structure as printed: `fields` by name, `lists` for those with one item a line."""

    handle: str
    kind: int  # SMBIOS structure type
    title: str
    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def get(self, *names: str) -> str | None:
        """The first of these fields that says something."""
        for name in names:
            value = self.fields.get(name, "").strip()
            if not NOTHING.match(value):
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    manufacturer: str | None
    product: str | None
    version: str | None
    serial: str | None
    uuid: str | None = None  # lower case; None also for the all-zero and all-one ones
    sku: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bios:
    vendor: str | None
    version: str | None
    date: str | None  # as printed, mostly MM/DD/YYYY
    revision: str | None
    firmware_revision: str | None  # of the embedded controller or BMC


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    socket: str
    populated: bool | None  # None: it does not say
    model: str | None
    manufacturer: str | None
    cores: int | None
    cores_enabled: int | None
    threads: int | None
    max_mhz: int | None
    current_mhz: int | None
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryArray:
    handle: str
    use: str | None  # "System Memory", "Flash Memory" …
    ecc: str | None  # "Multi-bit ECC", "None" …
    max_bytes: int | None
    slots: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimm:
    """One slot. An empty one is `populated=False`; one with a module of unknown size is True with `size_bytes` None."""

    locator: str | None
    bank: str | None
    populated: bool
    size_bytes: int | None
    kind: str | None  # DDR4 …
    form: str | None
    speed_mt_s: int | None  # what the module can
    configured_mt_s: int | None  # what it runs at
    manufacturer: str | None
    serial: str | None
    part_number: str | None
    rank: int | None
    array: str | None  # handle of its MemoryArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSupply:
    location: str | None
    name: str | None
    serial: str | None
    part_number: str | None
    max_watts: int | None
    status: str | None  # "Present, OK"
    plugged: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dmi:
    smbios: str | None
    system: Identity
    board: Identity
    chassis: Identity
    chassis_kind: str | None
    bios: Bios
    processors: tuple[Processor, ...]
    arrays: tuple[MemoryArray, ...]
    dimms: tuple[Dimm, ...]  # of system memory, all slots
    power_supplies: tuple[PowerSupply, ...]
    ipmi: bool  # it has a BMC that it tells of
    records: tuple[Record, ...]

    @property
    def memory_bytes(self) -> int:
        """Sum of the modules whose size is known."""
        return sum(each.size_bytes or 0 for each in self.dimms)


def parse(text: str) -> Dmi:
    """The whole output, without arguments. Raises ParseError where there is no system structure (no SMBIOS, not root)."""
    records = parse_records(text)
    first: dict[int, Record] = {}
    for record in records:
        first.setdefault(record.kind, record)
    if 1 not in first:
        raise ParseError(TOOL, "no System Information in it", text)
    nothing = Record(handle="", kind=-1, title="")
    bios, chassis = first.get(0, nothing), first.get(3, nothing)
    version = re.search(r"^SMBIOS (\S{1,20}) present", text, re.MULTILINE)
    arrays = tuple(_array(each) for each in records if each.kind == 16)
    other_use = {each.handle for each in arrays if each.use not in (None, "System Memory")}
    dimms = (_dimm(each) for each in records if each.kind == 17)
    return Dmi(
        smbios=version[1] if version else None,
        system=_identity(first[1]),
        board=_identity(first.get(2, nothing)),
        chassis=_identity(chassis),
        chassis_kind=chassis.get("Type"),
        bios=Bios(
            vendor=bios.get("Vendor"),
            version=bios.get("Version"),
            date=bios.get("Release Date"),
            revision=bios.get("BIOS Revision"),
            firmware_revision=bios.get("Firmware Revision"),
        ),
        processors=tuple(_processor(each) for each in records if each.kind == 4),
        arrays=arrays,
        dimms=tuple(each for each in dimms if each.array not in other_use),
        power_supplies=tuple(_supply(each) for each in records if each.kind == 39),
        ipmi=38 in first,
        records=records,
    )


def parse_records(text: str) -> tuple[Record, ...]:
    """Every structure in order. Raises ParseError where there is none."""
    blocks: list[tuple[str, int, list[str]]] = []
    for line in text.splitlines():
        if match := HANDLE.match(line):
            blocks.append((match[1].lower(), int(match[2]), []))
        elif blocks and line.strip():
            blocks[-1][2].append(line)
    if not blocks:
        raise ParseError(TOOL, "no DMI structure in it (not root, or no SMBIOS)", text)
    return tuple(_record(handle, kind, lines) for handle, kind, lines in blocks)


def _record(handle: str, kind: int, lines: list[str]) -> Record:
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    name = ""
    for line in lines[1:]:
        if line.startswith("\t\t"):
            lists.setdefault(name, []).append(line.strip())
        elif line.startswith("\t"):
            name, _, value = line.strip().partition(":")
            fields.setdefault(name, value.strip())
    title = lines[0].strip() if lines else ""
    return Record(handle=handle, kind=kind, title=title, fields=fields, lists={k: tuple(v) for k, v in lists.items()})


def size_bytes(text: str | None) -> int | None:
    """ "16384 MB", "32 GB", "2 TB"; None for anything that is no size."""
    match = SIZE.match(text or "")
    return int(match[1]) * SIZE_BYTES[match[2].lower()] if match else None


def _leading(text: str | None) -> int | None:
    match = re.match(r"\d{1,12}", text or "")
    return int(match[0]) if match else None


def _identity(record: Record) -> Identity:
    uuid = record.get("UUID")
    return Identity(
        manufacturer=record.get("Manufacturer"),
        product=record.get("Product Name"),
        version=record.get("Version"),
        serial=record.get("Serial Number"),
        uuid=None if uuid is None or NO_UUID.match(uuid) else uuid.lower(),
        sku=record.get("SKU Number"),
    )


def _processor(record: Record) -> Processor:
    status = record.get("Status")
    return Processor(
        socket=record.get("Socket Designation") or record.handle,
        populated=None if status is None else not status.startswith("Unpopulated"),
        model=record.get("Version"),
        manufacturer=record.get("Manufacturer"),
        cores=_leading(record.get("Core Count")),
        cores_enabled=_leading(record.get("Core Enabled")),
        threads=_leading(record.get("Thread Count")),
        max_mhz=_leading(record.get("Max Speed")),
        current_mhz=_leading(record.get("Current Speed")),
        status=status,
    )


def _array(record: Record) -> MemoryArray:
    return MemoryArray(
        handle=record.handle,
        use=record.get("Use"),
        ecc=record.fields.get("Error Correction Type"),
        max_bytes=size_bytes(record.get("Maximum Capacity")),
        slots=_leading(record.fields.get("Number Of Devices")),
    )


def _dimm(record: Record) -> Dimm:
    size = record.fields.get("Size", "")
    populated = not re.match(r"no module|not installed|0 ?$|0 [kMGT]B$|$", size, re.IGNORECASE)
    array = record.get("Array Handle")
    return Dimm(
        locator=record.get("Locator"),
        bank=record.get("Bank Locator"),
        populated=populated,
        size_bytes=size_bytes(size) if populated else None,
        kind=record.get("Type"),
        form=record.get("Form Factor"),
        speed_mt_s=_leading(record.get("Speed")),
        configured_mt_s=_leading(record.get("Configured Memory Speed", "Configured Clock Speed")),
        manufacturer=record.get("Manufacturer") if populated else None,
        serial=record.get("Serial Number") if populated else None,
        part_number=record.get("Part Number") if populated else None,
        rank=_leading(record.get("Rank")),
        array=array.lower() if array else None,
    )


def _supply(record: Record) -> PowerSupply:
    plugged = record.get("Plugged")
    return PowerSupply(
        location=record.get("Location"),
        name=record.get("Name"),
        serial=record.get("Serial Number"),
        part_number=record.get("Model Part Number"),
        max_watts=_leading(record.get("Max Power Capacity")),
        status=record.get("Status"),
        plugged=None if plugged is None else plugged == "Yes",
    )


def parse_version(text: str) -> str:
    """ "3.4" of `dmidecode --version`. Raises ParseError."""
    match = re.match(r"\d{1,3}\.\d{1,3}$", text.strip())
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[0]
