"""What the BMC says through ipmitool: mc info, sdr elist, sel elist, dcmi power reading, fru print, boot flags.

Text for people, with columns between bars. SEL record ids are hexadecimal; the time stamps are whatever the BMC's clock said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import real

TOOL = "ipmitool"
READING = re.compile(r"(-?\d{1,12}(?:\.\d{1,6})?) (.{1,40})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bmc:
    firmware: str
    ipmi: str | None
    manufacturer: str | None
    product: str | None
    aux_firmware: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReading:
    name: str
    number: str  # sensor number, as "30h"
    status: str  # ok, ns (no reading), nc, cr, nr and their upper/lower forms
    entity: str  # "7.1"
    value: float | None  # None: discrete, or no reading
    unit: str | None  # "degrees C", "Volts", "RPM", "Watts"
    text: str

    @property
    def bad(self) -> bool:
        """Over or under a threshold of the BMC's own."""
        return self.status not in ("ok", "ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelRecord:
    record_id: int
    when: str  # "11/20/2026 07:31:44", or "Pre-Init ..."
    sensor: str
    event: str
    asserted: bool | None
    text: str


def _said(text: str, what: str) -> ParseError:
    return ParseError(TOOL, f"no {what} in it", text)


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip():
            fields.setdefault(name.strip(), value.strip())
    return fields


def parse_mc_info(text: str) -> Bmc:
    """`ipmitool mc info`. Raises ParseError where no BMC answered."""
    fields = _fields(text)
    if not fields.get("Firmware Revision"):
        raise _said(text, "firmware revision")
    aux = text.partition("Aux Firmware Rev Info")[2].splitlines()[1:]
    return Bmc(
        firmware=fields["Firmware Revision"],
        ipmi=fields.get("IPMI Version"),
        manufacturer=fields.get("Manufacturer Name") or fields.get("Manufacturer ID"),
        product=fields.get("Product Name") or fields.get("Product ID"),
        aux_firmware=tuple(line.strip() for line in aux if re.match(r"\s+0x[0-9a-fA-F]{2}\s*$", line))[:8],
        fields=fields,
    )


parse = parse_mc_info


def parse_sdr(text: str) -> tuple[SensorReading, ...]:
    """`ipmitool sdr elist`. Raises ParseError where no line is a sensor."""
    found = []
    for line in text.splitlines():
        columns = [each.strip() for each in line.split("|")]
        if len(columns) >= 5 and re.fullmatch(r"[0-9A-Fa-f]{1,2}h", columns[1]):
            found.append(_sensor(columns))
    if not found:
        raise _said(text, "sensor")
    return tuple(found)


def _sensor(columns: list[str]) -> SensorReading:
    match = READING.match(columns[4])
    return SensorReading(
        name=columns[0],
        number=columns[1],
        status=columns[2],
        entity=columns[3],
        value=real(TOOL, match[1], columns[0]) if match else None,
        unit=match[2] if match else None,
        text=columns[4],
    )


def parse_sel(text: str) -> tuple[SelRecord, ...]:
    """`ipmitool sel elist` (or list), oldest first, both streams joined; none where stderr has "SEL has no entries".

    Raises ParseError, also for no output at all.
    """
    if "SEL has no entries" in text:
        return ()
    found = []
    for line in text.splitlines():
        columns = [each.strip() for each in line.split("|")]
        if len(columns) >= 4 and re.fullmatch(r"[0-9a-fA-F]{1,4}", columns[0]):
            found.append(_record(columns))
    if not found:
        raise _said(text, "record of the event log")
    return tuple(found)


def _record(columns: list[str]) -> SelRecord:
    dated = re.fullmatch(r"\d\d/\d\d/\d{2,4}", columns[1])
    rest = columns[3:] if dated or columns[1] == "Pre-Init" else columns[2:]
    said = next((each for each in rest if each in ("Asserted", "Deasserted")), None)
    return SelRecord(
        record_id=int(columns[0], 16),
        when=" ".join(columns[1:3]) if rest is not columns[2:] and len(columns) > 3 else columns[1],
        sensor=rest[0] if rest else "",
        event=rest[1] if len(rest) > 1 else "",
        asserted=None if said is None else said == "Asserted",
        text=" | ".join(columns[1:]),
    )


def parse_sel_info(text: str) -> bool:
    """`ipmitool sel info`: whether the event log is full or has lost records. Raises ParseError."""
    fields = _fields(text)
    if "Entries" not in fields:
        raise _said(text, "event log")
    return (
        fields.get("Overflow") == "true"
        or fields.get("Percent Used") == "100%"
        or fields.get("Free Space") == "0 bytes"
    )


def parse_power(text: str) -> float | None:
    """`ipmitool dcmi power reading`: watts now; None where the BMC says that its readings are not activated.

    Raises ParseError where it does not support DCMI.
    """
    fields = _fields(text)
    match = re.match(r"(\d{1,7}(?:\.\d{1,3})?) Watts", fields.get("Instantaneous power reading", ""))
    if not match:
        raise _said(text, "power reading")
    return None if fields.get("Power reading state is") == "deactivated" else real(TOOL, match[1], "power")


def parse_fru(text: str) -> dict[str, str]:
    """`ipmitool fru print`: the fields of all inventories, the first of a name winning. Raises ParseError."""
    fields = {name: value for name, value in _fields(text).items() if value}
    if "FRU Device Description" not in fields:
        raise _said(text, "FRU device")
    return fields


def parse_version(text: str) -> str:
    """ "1.8.19" of `ipmitool -V`. Raises ParseError."""
    match = re.search(r"version (\d[\w.+-]{0,30})", text)
    if not match:
        raise _said(text, "version")
    return match[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFlags:
    """`chassis bootparam get 5`: from what the host starts next."""

    device: str  # "Force PXE", "No override" …
    valid: bool
    once: bool  # False: at every start from now on
    efi: bool


def parse_chassis_power(text: str) -> bool:
    """`ipmitool chassis power status`: True for on. Raises ParseError."""
    match = re.search(r"^Chassis Power is (on|off)\s*$", text, re.MULTILINE)
    if not match:
        raise _said(text, "power status")
    return match[1] == "on"


def parse_boot_flags(text: str) -> BootFlags:
    """`ipmitool chassis bootparam get 5`. Raises ParseError."""
    device = re.search(r"^\s*- Boot Device Selector : (.{1,60}?)\s*$", text, re.MULTILINE)
    if not device:
        raise _said(text, "boot device selector")
    return BootFlags(
        device=device[1],
        valid="Boot Flag Valid" in text,
        once="only next boot" in text,
        efi="EFI boot" in text and "legacy" not in text,
    )
