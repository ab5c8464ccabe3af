"""From the file's sections to a Config, with the rules that reach over more than one value."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from vetting.config.document import LARGEST_BYTES, Node, parse
from vetting.config.mistakes import Book, ConfigErrors, one_of
from vetting.config.reading import section, value
from vetting.config.values import Boot, BootMode, Config, Console, HostClass
from vetting.domain.errors import BadInput
from vetting.domain.profiles import SHIPPED, Profile

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
PLACES = (Path("vetting.yaml"), Path("/etc/vetting/vetting.yaml"))
LONGEST_CHAIN = 20  # of profiles standing on each other
HEARTBEATS_MISSED = 3  # a host is not lost before it has missed that many


def load(path: Path | str | None = None) -> Config:
    """The configuration in a file; without one, the first of PLACES that is there, else what ships.

    Raises ConfigErrors with every mistake, BadInput where the file cannot be read.
    """
    if path is None:
        there = next((place for place in PLACES if place.is_file()), None)
        return Config() if there is None else load(there)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot read the configuration {path}: {error.strerror}; check the path and its permissions"
        ) from error
    return loads(raw, str(path))


def loads(raw: bytes | str, file: str = "vetting.yaml") -> Config:
    """The configuration in a text. Raises ConfigErrors with every mistake."""
    book = Book()
    root = parse(raw.encode() if isinstance(raw, str) else raw, book)
    config = _config(root, book) if root is not None else None
    if book.mistakes or config is None:
        raise ConfigErrors(file, book.mistakes)
    return config


def _config(root: Node, book: Book) -> Config | None:
    config = section(root, Config, "", book, base=Config(), skip=("profiles", "classes"))
    if config is None or not isinstance(root.value, dict):
        return config
    top: dict[str, Node] = root.value
    config = replace(
        config,
        profiles=_profiles(top.get("profiles"), book),
        classes=_classes(top.get("classes"), book),
    )
    _check_ports(config, top, book)
    _check_boot(config.boot, top, book)
    _check_console(config.console, top, book)
    _check_patience(config, top, book)
    _check_notify(top.get("notify"), book)
    return config


def _line(top: dict[str, Node], *keys: str) -> int:
    """The line of a value, or of the innermost section around it that is there; 0 where none is."""
    line, here = 0, top
    for key in keys:
        if key not in here:
            break
        line = here[key].key_line or here[key].line
        here = here[key].value if isinstance(here[key].value, dict) else {}
    return line


def _check_ports(config: Config, top: dict[str, Node], book: Book) -> None:
    if config.server.port in config.iperf.ports:
        first, last = config.iperf.ports[0], config.iperf.ports[-1]
        line = _line(top, "iperf", "ports") or _line(top, "server", "port")
        text = f"{first}-{last} takes in server.port {config.server.port}; choose ports that do not overlap"
        book.note("iperf.ports", line, text)
    taken = {config.server.port: "server.port", **dict.fromkeys(config.iperf.ports, "iperf.ports")}
    if (other := taken.get(config.boot.http_port)) is not None:
        line = _line(top, "boot", "http_port") or _line(top, *other.split("."))
        book.note("boot.http_port", line, f"{config.boot.http_port} is taken by {other}; choose another port")


def _check_boot(boot: Boot, top: dict[str, Node], book: Book) -> None:
    """What the mode needs, what it forbids, and that all its addresses can be of one network."""

    def note(key: str, text: str) -> None:
        book.note(f"boot.{key}", _line(top, "boot", key), text)

    if boot.mode is BootMode.PROXY:
        for key in ("dhcp_range", "gateway", "dns"):
            if getattr(boot, key):
                note(key, "is for mode dhcp alone: in mode proxy the site's own DHCP server gives out addresses")
        return
    if not boot.interface:
        note("interface", "is needed in mode dhcp: a DHCP server answers on one network alone")
    if not boot.dhcp_range:
        note("dhcp_range", "is needed in mode dhcp: the addresses to give out, such as 10.0.0.100-10.0.0.199")
    if not boot.http_port:
        note("http_port", "is 0, so no host could boot; leave it out or choose a port")
    given = _addresses(boot.dhcp_range)
    for key, own in (("address", boot.address), ("gateway", boot.gateway)):
        at = _addresses(f"{own}-{own}")
        if at and given and given[0] <= at[0] <= given[1]:
            note(key, f"{own} lies in boot.dhcp_range and would be given to a host; choose another range")


def _check_console(console: Console, top: dict[str, Node], book: Book) -> None:
    """A header that anybody may send says nothing; and what is told only beside it must not stand alone unseen."""

    def note(key: str, text: str) -> None:
        book.note(f"console.{key}", _line(top, "console", key), text)

    if console.proxy_header and not console.proxy_addresses:
        note("proxy_header", "needs console.proxy_addresses beside it: the addresses of the proxies that may send it")
    if not console.proxy_header:
        for key in ("proxy_addresses", "proxy_operators"):
            if getattr(console, key):
                note(key, "does nothing without proxy_header; name the header that the proxy sets, or leave this out")


def _addresses(dhcp_range: str) -> tuple[int, int] | None:
    """First and last as numbers; None where the range is none (which is told elsewhere)."""
    try:
        first, last = (int(IPv4Address(part.strip())) for part in dhcp_range.split("-"))
    except ValueError:
        return None
    return first, last


def _profiles(node: Node | None, book: Book) -> dict[str, Profile]:
    """The shipped profiles and those of the file, each standing on its base; quick is the base of one that names none."""
    if node is None or node.value is None:
        return dict(SHIPPED)
    if not isinstance(node.value, dict):
        book.note("profiles", node.line, f"must be a section of profiles by name, it is {node.kind}")
        return dict(SHIPPED)
    given: dict[str, Node] = node.value
    built: dict[str, Profile] = {}
    for name in given:
        _profile(name, given, built, (), book)
    return {**SHIPPED, **built}


def _profile(
    name: str, given: dict[str, Node], built: dict[str, Profile], above: tuple[str, ...], book: Book
) -> Profile:
    """Builds one profile and what it stands on; a shipped one that names itself as base stands on what ships."""
    if name in built:
        return built[name]
    node, path = given[name], f"profiles.{name}"
    base = SHIPPED.get(name, SHIPPED["quick"])
    if not NAME.fullmatch(name):
        book.note(path, node.key_line, "a profile's name is up to 40 of a-z, 0-9, - and _, beginning with a letter")
    named = node.value.get("base") if isinstance(node.value, dict) else None
    if named is not None:
        base = _base(name, named, given, built, above, book) or base
    start = replace(base, name=name)
    built[name] = start  # so that a mistake below is told once
    profile = section(node, Profile, path, book, base=start, skip=("base", "name")) or start
    if isinstance(node.value, dict) and "name" in node.value:
        book.note(f"{path}.name", node.value["name"].key_line, "there is no such key; a profile's name is its key")
    built[name] = profile
    return profile


def _base(
    name: str, node: Node, given: dict[str, Node], built: dict[str, Profile], above: tuple[str, ...], book: Book
) -> Profile | None:
    word, path = str(node.text), f"profiles.{name}.base"
    if word == name and name in SHIPPED:
        return SHIPPED[name]
    if word == name or word in above:
        circle = " on ".join((*above, name, word))
        book.note(path, node.line, f"stands in a circle ({circle}); one of them needs another base")
        return None
    if word in given and len(above) >= LONGEST_CHAIN:
        book.note(path, node.line, f"stands on more than {LONGEST_CHAIN} others; choose a nearer base")
        return None
    if word in given:
        return _profile(word, given, built, (*above, name), book)
    if word in SHIPPED:
        return SHIPPED[word]
    book.note(path, node.line, f"there is no profile {word!r}; {one_of(word, {*given, *SHIPPED})}")
    return None


def _check_patience(config: Config, top: dict[str, Node], book: Book) -> None:
    least_s = HEARTBEATS_MISSED * config.heartbeat.interval_s
    for name, profile in config.profiles.items():
        if not profile.lost_after_s >= least_s:
            line = _line(top, "profiles", name, "lost_after_s") or _line(top, "heartbeat", "interval_s")
            text = f"{profile.lost_after_s} s is less than {HEARTBEATS_MISSED} heartbeats of {config.heartbeat.interval_s:g} s"
            book.note(f"profiles.{name}.lost_after_s", line, f"{text}; a healthy host would be called lost")


def _classes(node: Node | None, book: Book) -> dict[str, HostClass]:
    return {} if node is None else value(node, dict[str, HostClass], "classes", book) or {}


def _check_notify(node: Node | None, book: Book) -> None:
    """The outbox knows a channel by its name."""
    seen: dict[str, int] = {}
    items = node.value if node is not None and isinstance(node.value, tuple) else ()
    for number, item in enumerate(items):
        name = item.value.get("name") if isinstance(item.value, dict) else None
        if name is not None and name.text in seen:
            text = f"two channels are named {name.text!r}, the first in line {seen[name.text]}; rename one"
            book.note(f"notify[{number}].name", name.line, text)
        elif name is not None:
            seen[name.text] = name.line
