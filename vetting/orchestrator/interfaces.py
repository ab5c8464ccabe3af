"""The network interface on which hosts boot: our address there."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Own:
    """Our IPv4 address on an interface."""

    address: str
    netmask: str

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"{self.address}/{self.netmask}", strict=False)


def own_on(interface: str, address: str = "") -> Own | str:
    """Our address there, `address` where one is wanted; else one sentence that says what is missing."""
    found = psutil.net_if_addrs().get(interface)
    if found is None:
        there = ", ".join(sorted(psutil.net_if_addrs()))
        return f"this machine has no network interface {interface!r} (it has {there}); plug it in or set boot.interface"
    stats = psutil.net_if_stats().get(interface)
    if stats is not None and not stats.isup:
        return f"the network interface {interface} is down; bring it up: ip link set {interface} up"
    four = [one for one in found if one.family is socket.AF_INET and one.netmask]
    if not four:
        return f"the network interface {interface} has no IPv4 address; give it one"
    chosen = next((one for one in four if not address or one.address == address), None)
    if chosen is None or chosen.netmask is None:
        has = ", ".join(one.address for one in four)
        return f"boot.address {address} is not on {interface} (it has {has}); correct it or leave it empty"
    return Own(chosen.address, chosen.netmask)
