"""The network interfaces of this host: which are cards, what each negotiated, what it could, and who is at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from vetting.domain.errors import ToolMissing
from vetting.domain.inventory import SEVERAL, FoundNic
from vetting.domain.naming import is_bmc_link, known, mac_of
from vetting.parsers import ethtool, ip, lldp
from vetting.parsers.errors import bounded
from vetting.parsers.ethtool import Driver, Link
from vetting.parsers.ip import Interface
from vetting.stages.base import Deps
from vetting.stages.probes.asking import Unanswered, Unread, ask, ask_if_there, number_of, text_of

NET = "/sys/class/net"
ETHTOOL_LIMIT_S = 30.0
HEARD_BY_S = 65.0  # twice the usual pause between two words of a switch (IEEE 802.1AB: 30 s)
LOOK_S = 5.0


async def interfaces(deps: Deps) -> tuple[Interface, ...]:
    """Raises ToolMissing, Unread."""
    told = await ask(deps, ["ip", "-j", "-d", "link"], ip.parse)
    _as_the_kernel_has_them(deps, {one.name: one for one in told})
    return told


def _as_the_kernel_has_them(deps: Deps, told: Mapping[str, Interface]) -> None:
    """A listing of another day would show a card that has vanished since, or hide one. Raises Unread."""
    cards = {path.split("/")[4] for path in deps.glob(f"{NET}/*/device")}
    there = cards | {path.split("/")[4] for path in deps.glob(f"{NET}/lo/address")}
    if missing := sorted(there - told.keys()):
        raise Unread(f"the kernel has the interface {missing[0]}, which ip does not list")
    for name in sorted(cards):
        address = text_of(deps, f"{NET}/{name}/address")
        if address is not None and mac_of(address) != mac_of(told[name].mac or ""):
            raise Unread(f"ip says {told[name].mac} of {name}, the kernel {address}")
    for name, one in told.items():
        if there and one.kind is None and one.link_type == "ether" and not deps.glob(f"{NET}/{name}"):
            raise Unread(f"ip lists {name}, which the kernel does not have")


def is_card(deps: Deps, one: Interface) -> bool:
    """Hardware of this machine: it stands on a bus, is no slice of another card (SR-IOV) and not the BMC's link over USB."""
    device = f"{NET}/{one.name}/device"
    if one.kind is not None or not deps.glob(device) or deps.glob(f"{device}/physfn"):
        return False
    return not is_bmc_link(text_of(deps, f"{device}/uevent") or "")


async def nics(deps: Deps, missing: Unanswered) -> tuple[FoundNic, ...]:
    """Every interface, cards marked as physical. Raises ToolMissing and Unread for want of `ip` alone."""
    seen = await interfaces(deps)
    near = await _neighbours(deps, seen, missing)
    cards = [one for one in seen if is_card(deps, one)]
    answers = await asyncio.gather(*(_asked(deps, one, missing) for one in cards))
    told = {one.name: answer for one, answer in zip(cards, answers, strict=True)}
    return tuple(_found(deps, one, near.get(one.name, ""), told.get(one.name)) for one in seen)


async def driver_of(deps: Deps, name: str) -> Driver:
    """Raises ToolMissing, Unread."""
    return await ask(deps, ["ethtool", "-i", name], ethtool.parse_driver, limit_s=ETHTOOL_LIMIT_S)


async def _asked(deps: Deps, one: Interface, missing: Unanswered) -> tuple[Link | None, Driver | None]:
    link = driver = None
    try:
        # It ends with 75 where the card reports no link modes, and tells the rest all the same.
        link = await ask(deps, ["ethtool", one.name], ethtool.parse, limit_s=ETHTOOL_LIMIT_S, exits=(0, 75))
        driver = await driver_of(deps, one.name)
    except ToolMissing as why:
        missing.without(why.tool)
    except Unread as why:
        missing.unreadable[f"nics:{one.name}"] = str(why)
    return link, driver


async def _neighbours(deps: Deps, seen: Iterable[Interface], missing: Unanswered) -> dict[str, str]:
    """Interface -> neighbour as LLDP tells; a host without a running lldpd has heard nobody.

    Switches speak every 30 s, and this host may have started a moment ago: a neighbour that the spec names is waited for.
    """
    pinned = {mac_of(nic.mac): known(nic.neighbour) for nic in deps.job.expected.nics if nic.neighbour}
    wanted = {
        one.name: pinned[mac_of(one.permanent_mac or one.mac or "")]
        for one in seen
        if one.carrier and mac_of(one.permanent_mac or one.mac or "") in pinned
    }
    until_s = deps.monotonic() + HEARD_BY_S
    while True:
        heard = await ask_if_there(
            deps, ["lldpcli", "-f", "json", "show", "neighbors"], lldp.parse, missing, limit_s=30
        )
        texts: dict[str, list[str]] = {}
        for each in heard or ():
            texts.setdefault(each.interface, []).append(bounded(each.text))
        if heard is None or not wanted.keys() - texts.keys() or not deps.monotonic() < until_s:
            return {name: _which(found, wanted.get(name, "")) for name, found in texts.items()}
        await deps.sleep(LOOK_S)


def _which(found: list[str], wanted: str) -> str:
    """A hub or a switch that hands LLDP on lets several be heard at one port: the expected one is among them, or all are told."""
    expected = [text for text in found if known(text) == wanted]
    return expected[0] if expected else SEVERAL.join(sorted(set(found)))


def _found(deps: Deps, one: Interface, neighbour: str, told: tuple[Link | None, Driver | None] | None) -> FoundNic:
    link, driver = told or (None, None)
    sysfs_mb_s = number_of(deps, f"{NET}/{one.name}/speed")  # -1: unknown, as without a link
    speed = link.speed_mb_s if link else sysfs_mb_s if sysfs_mb_s and sysfs_mb_s > 0 else None
    return FoundNic(
        name=bounded(one.name),
        mac=mac_of(one.permanent_mac or one.mac or ""),
        driver=bounded(driver.driver) if driver else "",
        pci=bounded((driver.bus if driver else None) or one.bus or ""),
        link=one.carrier if one.up else None,  # a card that is switched off shows no carrier whatever hangs on it
        speed_mb_s=speed,
        capable_mb_s=link.capable_mb_s if link else None,
        neighbour=neighbour,
        physical=told is not None,
    )
