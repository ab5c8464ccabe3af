"""Firmware pins against a snapshot: by identifier, or fanned out over all parts of a kind.

Makers number their firmware as they please. Versions are compared piece by piece: numbers as numbers (2.10.2 is newer
than 2.9.4), 0x… as hexadecimal (microcode), single letters in order (1.2b is newer than 1.2a). What cannot be put in
an order is not guessed: it is told as not comparable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vetting.domain.difference import Difference
from vetting.domain.hostspec import FirmwarePin
from vetting.domain.inventory import FirmwareItem
from vetting.domain.naming import known
from vetting.domain.outcome import Severity

EVERY = "*"
_PIECE = re.compile(r"0x[0-9a-f]+|\d+|[a-z]+")
_BEFORE_RELEASE = frozenset({"alpha", "beta", "rc", "pre", "dev", "test"})

Piece = int | str


def _pieces(version: str) -> list[Piece]:
    words = _PIECE.findall(version.strip().casefold())
    return [int(word, 16) if word.startswith("0x") else int(word) if word.isdigit() else word for word in words]


def compare_versions(one: str, other: str) -> int | None:
    """-1, 0 or 1 as `one` is older than, the same as or newer than `other`; None where no order can be told."""
    left, right = _pieces(one[:256]), _pieces(other[:256])
    if not left or not right:
        return None
    for a, b in zip(left, right, strict=False):
        if a == b:
            continue
        if isinstance(a, int) and isinstance(b, int):
            return -1 if a < b else 1
        if isinstance(a, str) and isinstance(b, str) and len(a) == len(b) == 1:
            return -1 if a < b else 1
        return None
    if len(left) == len(right):
        return 0
    longer = left if len(left) > len(right) else right
    tail = longer[min(len(left), len(right)) :]
    sign = 1 if longer is left else -1
    if all(piece == 0 for piece in tail):
        return 0
    if any(isinstance(piece, str) and (len(piece) > 1 or piece in _BEFORE_RELEASE) for piece in tail):
        return None
    return sign


def check_pins(
    pins: Iterable[FirmwarePin],
    items: Iterable[FirmwareItem],
    *,
    severities: Mapping[str, str] | None = None,
    unreadable: Mapping[str, str] | None = None,
) -> tuple[Difference, ...]:
    """Every pin that is not met. A pin by identifier goes before one fanned out over the same component.

    `severities`: the spec's own, `firmware` or `firmware.<component>`. `unreadable`: component, or the program that tells it, -> why its firmware
    could not be read; a pin on such a component is unknown, which asks for an ERROR, not a FAIL.
    """
    snapshot, wanted = tuple(items), tuple(pins)
    rows: list[Difference] = []
    for pin in wanted:
        if pin.identifier == EVERY:
            named = {_bare(other) for other in wanted if other.component == pin.component} - {EVERY}
            parts = [item for item in snapshot if item.component == pin.component and _plain(item) not in named]
            if not parts and any(item.component == pin.component for item in snapshot):
                continue  # all of them have pins of their own
        else:
            parts = [item for item in snapshot if item.component == pin.component and _plain(item) == _bare(pin)]
        severity = _severity(pin.component, severities or {})
        if not parts:
            rows.append(_absent(pin, severity, _unread(pin.component, unreadable or {})))
        rows += [row for item in parts if (row := _judge(pin, item, severity)) is not None]
    return tuple(rows)


def _bare(pin: FirmwarePin) -> str:
    """The identifier without the component's name before it: `nvme:S4XYZ` is `S4XYZ` of the NVMe drives."""
    text = pin.identifier.strip()
    head, colon, rest = text.partition(":")
    if colon and head.casefold() == pin.component.casefold():
        text = rest
    return "".join(text.split()).casefold()


def _plain(item: FirmwareItem) -> str:
    return "".join(item.identifier.split()).casefold()


def _severity(component: str, severities: Mapping[str, str]) -> Severity:
    word = severities.get(f"firmware.{component}") or severities.get("firmware") or ""
    return Severity(word) if word in tuple(Severity) else Severity.CRITICAL


# Without an answer of these programs a component is unknown, not absent.
READ_BY = {
    "bios": "dmidecode",
    "bmc": "ipmitool",
    "nic": "ethtool",
    "nvme": "nvme",
    "disk": "smartctl",
    "hba": "lspci",
    "gpu": "nvidia-smi",
}


def _unread(component: str, unreadable: Mapping[str, str]) -> str:
    return unreadable.get(component) or unreadable.get(READ_BY.get(component, ""), "")


def _absent(pin: FirmwarePin, severity: Severity, why: str) -> Difference:
    which = pin.component if pin.identifier == EVERY else f"{pin.component} {pin.identifier}"
    text = f"the firmware of {which} is pinned to {pin.version} and "
    text += f"could not be read ({why})" if why else "no such part was found"
    return _row(pin, pin.identifier, "", severity, text, unknown=bool(why))


def _judge(pin: FirmwarePin, item: FirmwareItem, severity: Severity) -> Difference | None:
    which = f"{item.component} {item.identifier}".strip()
    if not known(item.version) and item.version.strip() != pin.version.strip():
        text = f"the firmware of {which} is pinned to {pin.version} and tells no version"
        return _row(pin, item.identifier, "", severity, text, unknown=True)
    order = _compare(pin, item.version)
    if order == 0 or (order == 1 and pin.at_least):
        return None
    bound = "at least " if pin.at_least else ""
    if order is None and pin.at_least:
        text = f"the firmware of {which} is {item.version}; whether that is at least {pin.version} cannot be told"
        return _row(pin, item.identifier, item.version, severity, text, unknown=True)
    text = f"the firmware of {which} is {item.version}, expected {bound}{pin.version}"
    return _row(pin, item.identifier, item.version, severity, text)


def _compare(pin: FirmwarePin, version: str) -> int | None:
    """As compare_versions; the same text is the same version, and microcode is hexadecimal with or without 0x."""
    if " ".join(version.split()).casefold() == " ".join(pin.version.split()).casefold():
        return 0
    if pin.component == "microcode":
        try:
            found, wanted = int(version.strip(), 16), int(pin.version.strip(), 16)
        except ValueError:
            return None
        return (found > wanted) - (found < wanted)
    return compare_versions(version, pin.version)


def _row(
    pin: FirmwarePin, identifier: str, found: str, severity: Severity, text: str, *, unknown: bool = False
) -> Difference:
    return Difference(
        field=f"firmware.{pin.component}",
        component=f"{pin.component}:{identifier}",
        expected=f">= {pin.version}" if pin.at_least else pin.version,
        found=found,
        severity=severity,
        text=text,
        unknown=unknown,
    )
