"""Firmware of a host: what its last run found beside what is pinned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vetting.domain.firmware import EVERY, check_pins
from vetting.domain.hostspec import FirmwarePin
from vetting.domain.inventory import FirmwareItem


@dataclass(frozen=True, slots=True, kw_only=True)
class PinShown:
    """One part, or a pin of a part that was not found (`found` is empty then). `wrong`: the pin is not met, in words."""

    component: str
    identifier: str
    found: str = ""
    detail: str = ""
    pinned: str = ""
    wrong: str = ""


def pins_beside(pins: Iterable[FirmwarePin], items: Iterable[FirmwareItem]) -> tuple[PinShown, ...]:
    wanted, found = tuple(pins), tuple(items)
    rows = [_of_item(item, wanted) for item in found]
    for pin in wanted:
        if found and not any(_meant(pin, item) for item in found):
            wrong = "; ".join(row.text for row in check_pins((pin,), found))
            rows.append(PinShown(component=pin.component, identifier=pin.identifier, pinned=_version(pin), wrong=wrong))
        elif not found:
            rows.append(PinShown(component=pin.component, identifier=pin.identifier, pinned=_version(pin)))
    return tuple(rows)


def _of_item(item: FirmwareItem, wanted: tuple[FirmwarePin, ...]) -> PinShown:
    mine = [pin for pin in wanted if _meant(pin, item)]
    own = [pin for pin in mine if pin.identifier != EVERY] or mine
    return PinShown(
        component=item.component,
        identifier=item.identifier,
        found=item.version,
        detail=item.detail,
        pinned=", ".join(_version(pin) for pin in own),
        wrong="; ".join(row.text for row in check_pins(own, (item,))),
    )


def _meant(pin: FirmwarePin, item: FirmwareItem) -> bool:
    if pin.component != item.component:
        return False
    bare = pin.identifier.strip().removeprefix(f"{pin.component}:")
    return bare == EVERY or "".join(bare.split()).casefold() == "".join(item.identifier.split()).casefold()


def _version(pin: FirmwarePin) -> str:
    return f"at least {pin.version}" if pin.at_least else pin.version
