"""Memory modules by the name that a person orders and finds them by: the label of an error joined with the slot and serial.

Errors come with labels of their own: the board's where a driver took it from the firmware or was told it, else the kernel's
("CPU_SrcID#0_MC#0_Chan#1_DIMM#0"), which says where the module is wired. A label is joined with the one slot that it can
mean, or with none: the wrong module in the bin is worse than a label that somebody has to look up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vetting.domain.inventory import FoundDimm, Inventory
from vetting.domain.naming import known

KIND = "dimm:"
# What the EDAC drivers for Intel's controllers call a module (their sources: sb_edac.c, skx_common.c, i10nm_base.c).
WIRED = re.compile(r"CPU_SrcID#(\d{1,3})_(?:Ha|MC)#(\d{1,3})_Chan#(\d{1,3})_DIMM#(\d{1,3})")
# What some firmware writes into the bank locator of the same module.
BANK = re.compile(r"P(\d{1,3})_Node(\d{1,3})_Channel(\d{1,3})_Dimm(\d{1,3})", re.IGNORECASE)
LEAST_TAIL = 2  # letters and digits that a label's end must have to mean a slot


def fitted(label: str, dimms: Iterable[FoundDimm] | None) -> FoundDimm | None:
    """The one module that a label can mean; None where none fits or more than one."""
    there = [dimm for dimm in dimms or () if dimm.size_bytes > 0]
    bare = _bare(label)
    if not bare:
        return None
    if wired := WIRED.fullmatch(label.strip()):
        return _only(
            [dimm for dimm in there if (bank := BANK.fullmatch(dimm.bank)) and bank.groups() == wired.groups()]
        )
    names = [(dimm, {_bare(dimm.locator), _bare(f"{dimm.bank} {dimm.locator}")}) for dimm in there]
    same = [dimm for dimm, own in names if bare in own]
    if same or "#" in label:
        return _only(same)
    return _only([dimm for dimm, own in names if any(_ends(bare, name) or _ends(name, bare) for name in own)])


def _only(found: Sequence[FoundDimm]) -> FoundDimm | None:
    return found[0] if len(found) == 1 else None


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


def _ends(long: str, short: str) -> bool:
    """Whether a name ends in another that tells slots apart by itself (A1 of CPU1_DIMM_A1), not in the middle of a number."""
    short = short.removeprefix("dimm") or short
    if len(short) < LEAST_TAIL or not re.search(r"[a-z]", short) or not long.endswith(short):
        return False
    before = long[: -len(short)]
    return not before or not (short[0].isdigit() and before[-1].isdigit())


def words(dimm: FoundDimm) -> str:
    """ "DIMM A1 (serial 18ABE4AE, part M393A2G40DB0-CPB)", with what is known of it."""
    about = [
        f"serial {dimm.serial}" if known(dimm.serial) else "",
        f"part {dimm.part_number}" if dimm.part_number else "",
    ]
    told = ", ".join(filter(None, about))
    name = dimm.locator if re.search("dimm", dimm.locator, re.IGNORECASE) else f"DIMM {dimm.locator}"
    return f"{name} ({told})" if told else name


def part(component: str, inventory: Inventory | None) -> str:
    """`dimm:<label>` as `dimm:<slot>` where the label means one slot; every other component as it is."""
    found = fitted(component.removeprefix(KIND), _dimms(inventory)) if component.startswith(KIND) else None
    return KIND + found.locator if found else component


def parts(components: Iterable[str], inventory: Inventory | None) -> dict[str, str]:
    """Component -> its `part`. Two labels that would mean one slot keep their own names: one of them means another."""
    named = {component: part(component, inventory) for component in dict.fromkeys(components)}
    taken = list(named.values())
    return {component: name if taken.count(name) == 1 else component for component, name in named.items()}


def told(component: str, inventory: Inventory | None) -> str:
    """A component in the words that a person orders it by; the component itself where nothing more is known."""
    if not component.startswith(KIND):
        return component
    found = fitted(component.removeprefix(KIND), _dimms(inventory))
    return words(found) if found else component


def _dimms(inventory: Inventory | None) -> Sequence[FoundDimm]:
    return (inventory.dimms or ()) if inventory else ()
