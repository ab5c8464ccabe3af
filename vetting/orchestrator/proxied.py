"""Whom a reverse proxy says somebody is: believed from the addresses that are configured, and from nowhere else."""

from __future__ import annotations

import ipaddress
import logging
from functools import lru_cache

from vetting.config import Console
from vetting.domain.roles import NAME, NAME_RULE, Role

log = logging.getLogger(__name__)


def told_by_proxy(config: Console, peer: str, header_value: str | None) -> str:
    """The name in the proxy's header; empty where none is told, or not by a proxy of ours."""
    if not config.proxy_header or not header_value:
        return ""
    if not _is_ours(config.proxy_addresses, peer):
        _say_ignored(config.proxy_header, peer)
        return ""
    name = header_value.strip()
    if not NAME.fullmatch(name):
        _say_unusable(config.proxy_header, peer)
        return ""
    return name


def role_by_proxy(config: Console, name: str) -> Role:
    """Names are compared to the letter: what Ann is at the identity provider, ann may not be."""
    return Role.OPERATOR if name in config.proxy_operators else config.proxy_role


def _is_ours(addresses: tuple[str, ...], peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network) for network in addresses)


@lru_cache(maxsize=256)  # once an address
def _say_ignored(header: str, peer: str) -> None:
    log.warning(
        "the header %s from %s is ignored: that is none of console.proxy_addresses, and anybody could send it",
        header, peer[:80],
    )  # fmt: skip


@lru_cache(maxsize=256)
def _say_unusable(header: str, peer: str) -> None:
    log.warning("the header %s from %s holds no name that we take: %s", header, peer[:80], NAME_RULE)
