"""What a single value must be beyond its type, by section and key: each rule answers with its objections in words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from vetting.config.mistakes import one_of
from vetting.config.values import EVENTS
from vetting.domain import pins, roles
from vetting.domain.firmware import READ_BY
from vetting.domain.hostspec import MeasuredLimit
from vetting.domain.limits import SERIES_FAMILIES, could_match
from vetting.domain.naming import mac_of
from vetting.domain.permit import DISK, SCRATCH
from vetting.domain.specdiff import severity_mistake
from vetting.domain.states import STAGE_ORDER

CANNOT_DROP = ("Inventory", "Reporting")  # without them there is nothing to compare and nothing to hand over
INTERFACE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"
)  # the kernel's 15 letters, and nothing that dnsmasq splits at
KERNEL_WORD = re.compile(r"[A-Za-z0-9=,.:/_+@%-]+")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
MEANS_SOMETHING_ELSE = ("authorization", "cookie", "host", "origin", "referer", "user-agent", "content-type")
OUR_WORDS = ("initrd", "BOOTIF", "init", "rdinit", "root")
LARGEST_RANGE = 65536
COMPONENTS = (*READ_BY, "microcode")  # kinds of parts whose firmware is taken down

Rule = Callable[[Any], list[str]]


def _address(text: str) -> list[str]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return [f"must be an IP address, it is {text!r}; 0.0.0.0 means all"]
    return []


def _public_url(text: str) -> list[str]:
    try:
        parts = urlsplit(text)
        right = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return [f"must be like https://vetting.example:8443, it is {text!r}"]
    bare = not (parts.query or parts.fragment or parts.username) and parts.path in ("", "/")
    return [] if not text or (right and bare) else [f"must be like https://vetting.example:8443, it is {text!r}"]


def _folder(text: str) -> list[str]:
    return [] if text.startswith("/") else [f"must be an absolute path, it is {text!r}"]


def _host(text: str) -> list[str]:
    if not text or re.fullmatch(r"[A-Za-z0-9.-]{1,253}|\[?[0-9a-fA-F:.]+\]?", text):
        return []
    return [f"must be a host name or address alone, it is {text!r}"]


def _hosts(names: tuple[str, ...]) -> list[str]:
    return [why for name in names for why in (_host(name) if name else ["must not be empty"])]


def _series(glob: str) -> list[str]:
    if any(could_match(glob, f"{family}.") for family in SERIES_FAMILIES):
        return []
    families = ", ".join(f"{name}.*" for name in SERIES_FAMILIES)
    return [f"{glob!r} can match no series; names are lower case and begin as {families}"]


def _stages(names: tuple[str, ...]) -> list[str]:
    unknown = [f"there is no stage {name!r}; {one_of(name, STAGE_ORDER)}" for name in names if name not in STAGE_ORDER]
    return unknown + ([f"names {name} twice" for name in sorted(set(names)) if names.count(name) > 1])


def _drop(names: tuple[str, ...]) -> list[str]:
    needed = [f"{name} cannot be left out: the others stand on it" for name in names if name in CANNOT_DROP]
    return _stages(names) + needed


def _severities(words: Mapping[str, str]) -> list[str]:
    return [why for name, word in words.items() if (why := severity_mistake(name, word))]


def _apprise(url: str) -> list[str]:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", url):
        return []
    return ["must be an Apprise address, such as mailto://… or ntfys://…"]


def _events(names: tuple[str, ...]) -> list[str]:
    return [f"there is no event {name!r}; {one_of(name, EVENTS)}" for name in names if name not in EVENTS]


def _disk_kind(word: str) -> list[str]:
    return [] if word in (DISK, SCRATCH) else [f"there is no kind {word!r}; leave it out, a disk is a disk"]


def _mac(text: str) -> list[str]:
    return [] if mac_of(text) else [f"must be a MAC address such as 52:54:00:12:34:56, it is {text!r}"]


def _firmware_component(word: str) -> list[str]:
    return [] if word in COMPONENTS else [f"there is no kind of firmware {word!r}; {one_of(word, COMPONENTS)}"]


def _filled(text: str) -> list[str]:
    return [] if text.strip() else ["must not be empty"]


def _measured_limit(limit: MeasuredLimit) -> list[str]:
    return [why] if (why := pins.mistake(limit)) else []


def _interface(text: str) -> list[str]:
    if not text or INTERFACE.fullmatch(text):
        return []
    return [f"must be the name of a network interface, such as eth1 or br0, it is {text!r}"]


def _own_ipv4(text: str) -> list[str]:
    """One machine's IPv4 address: DHCP and the loaders of most firmware know no other."""
    if not text:
        return []
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        return [f"must be an IPv4 address such as 10.0.0.1, it is {text!r}"]
    if found.is_unspecified or found.is_multicast or found.is_reserved:
        return [f"must be the address of one machine, it is {text!r}"]
    return []


def _own_ipv4s(texts: tuple[str, ...]) -> list[str]:
    return [why for text in texts for why in (_own_ipv4(text) if text else ["must not be empty"])]


def _dhcp_range(text: str) -> list[str]:
    if not text:
        return []
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not dash or _own_ipv4(first) or _own_ipv4(last) or not first or not last:
        return [f"must be two IPv4 addresses such as 10.0.0.100-10.0.0.199, it is {text!r}"]
    size = int(ipaddress.IPv4Address(last)) - int(ipaddress.IPv4Address(first)) + 1
    if size < 1:
        return [f"must run from a lower to a higher address, it is {text!r}"]
    return [f"holds {size} addresses; {LARGEST_RANGE} are the most"] if size > LARGEST_RANGE else []


def _image_dir(text: str) -> list[str]:
    return _folder(text) if text else []


def _kernel_args(text: str) -> list[str]:
    """They pass through iPXE, which would take some signs for its own, and stand beside words that must not come twice."""
    wrong = [word for word in text.split() if not KERNEL_WORD.fullmatch(word)]
    if wrong:
        return [
            f"{wrong[0]!r} holds a sign that cannot be put on a kernel command line; letters, digits and =,.:/_+@%- can"
        ]
    ours = [word for word in text.split() if word.partition("=")[0] in OUR_WORDS or word.startswith("vetting.")]
    return [f"{ours[0]!r} is set by vetting itself; leave it out"] if ours else []


def _proxy_header(text: str) -> list[str]:
    if text and (not HEADER.fullmatch(text) or text.lower() in MEANS_SOMETHING_ELSE):
        return [f"must be the name of a request header that the proxy alone sets, such as Remote-User, it is {text!r}"]
    return []


def _networks(texts: tuple[str, ...]) -> list[str]:
    return [why for text in texts for why in _network(text)]


def _network(text: str) -> list[str]:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return [f"must be addresses or networks such as 127.0.0.1 or 10.0.0.0/28, one is {text!r}"]
    if ipaddress.ip_address(text.partition("/")[0]) != found.network_address:
        return [f"{text} is not the beginning of its network; write {found}, or the one address alone"]
    if found.prefixlen == 0:
        return [f"{text} is everybody: anyone who reaches this port could say who they are; name the proxy alone"]
    return []


def _people(names: tuple[str, ...]) -> list[str]:
    return [f"{name!r} is no name: {roles.NAME_RULE}" for name in names if not roles.NAME.fullmatch(name)]


RULES: Mapping[tuple[str, str], Rule] = {
    ("Server", "listen"): _address,
    ("Server", "public_url"): _public_url,
    ("Server", "data_dir"): _folder,
    ("Server", "allowed_hosts"): _hosts,
    ("Boot", "interface"): _interface,
    ("Boot", "address"): _own_ipv4,
    ("Boot", "dhcp_range"): _dhcp_range,
    ("Boot", "gateway"): _own_ipv4,
    ("Boot", "dns"): _own_ipv4s,
    ("Boot", "image_dir"): _image_dir,
    ("Boot", "kernel_args"): _kernel_args,
    ("Console", "proxy_header"): _proxy_header,
    ("Console", "proxy_addresses"): _networks,
    ("Console", "proxy_operators"): _people,
    ("Iperf", "bind"): _address,
    ("Iperf", "host"): _host,
    ("Threshold", "series"): _series,
    ("Threshold", "stages"): _stages,
    ("Profile", "drop"): _drop,
    ("HostClass", "product"): _filled,
    ("HostClass", "severities"): _severities,
    ("ExpectedSpec", "severities"): _severities,
    ("ExpectedDisk", "serial"): _filled,
    ("MeasuredLimit", ""): _measured_limit,
    ("ExpectedDisk", "kind"): _disk_kind,
    ("ExpectedNic", "mac"): _mac,
    ("FirmwarePin", "component"): _firmware_component,
    ("FirmwarePin", "identifier"): _filled,
    ("FirmwarePin", "version"): _filled,
    ("Channel", "name"): _filled,
    ("Channel", "url"): _apprise,
    ("Channel", "events"): _events,
}


def objections(section: str, key: str, value: object) -> list[str]:
    """What speaks against a value that has the right type; with no key, against a whole section that was read."""
    rule = RULES.get((section, key))
    return [] if rule is None or value is None else rule(value)
