"""What this appliance is, how it does, and what it goes by: read here, changed in vetting.yaml."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sqlite3
import ssl
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vetting import __version__
from vetting.orchestrator.bus import News
from vetting.store.migrations import NAMES
from vetting.web import knobs
from vetting.web.assets import STATIC, VENDOR
from vetting.web.console import Console
from vetting.web.secrecy import masked
from vetting.web.visit import Answer, Need, Page, View, Visit
from vetting.wire import PROTOCOL

SERVICES = "services"
LIBRARIES = (
    "aiohttp", "aiohttp-sse", "apprise", "cryptography", "jinja2", "msgspec", "peewee", "psutil", "pyyaml", "rich",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The programs that are kept alive, as they come and go."""

    console: Console
    address: str = "settings"
    key: str = "settings"
    pieces: Collection[str] = (SERVICES,)

    def touched(self, news: News) -> Collection[str]:
        return (SERVICES,) if news.kind == "service" else ()

    def events(self, news: News) -> Iterable[tuple[str, Any]]:
        return ()

    async def render(self, ids: Collection[str]) -> str:
        return self.console.looks.piece("_services.html.j2", services(self.console))


def services(console: Console) -> dict[str, Any]:
    return {"services": console.services.statuses(), "now": console.clock.now()}


async def shown(console: Console, visit: Visit) -> Answer:
    config, appliance = console.config, console.appliance
    image, changed = await asyncio.gather(
        appliance.look_at_image(), asyncio.to_thread(changed_since, appliance.config_file, appliance.started_at)
    )
    values = {
        **services(console),
        "config": config,
        "appliance": appliance,
        "file_changed": changed,
        "health": await asyncio.to_thread(console.store.health),
        "room": await asyncio.to_thread(room, console.data),
        "data": str(console.data),
        "fingerprint": in_pairs(console.fingerprint),
        "image": image,
        "versions": await asyncio.to_thread(versions),
        "licences": await asyncio.to_thread(licences),
        "columns": knobs.columns(config.profiles),
        "knobs": knobs.knobs(config.profiles),
        "example": knobs.EXAMPLE_WORDS,
        "channels": [(one, masked(one.url)) for one in config.notify],
    }
    return View(
        template="settings.html.j2", title="Settings", nav="settings", values=values, feeds=(Settings(console),)
    )


def changed_since(file: str, started_at: float) -> bool:
    """Whether vetting.yaml was written after it was read; what cannot be looked at is not said to have been."""
    try:
        return bool(file) and Path(file).stat().st_mtime > started_at > 0
    except OSError:
        return False


def room(folder: Path) -> tuple[int, int]:
    """(free, all) bytes of the file system that the data lies on; zeros where it does not tell."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0, 0
    return usage.free, usage.total


def in_pairs(fingerprint: str) -> str:
    """AB:CD:…, as browsers show it."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()


@lru_cache(maxsize=1)
def versions() -> tuple[tuple[str, str], ...]:
    """(what, version) of the program and of what it stands on."""
    return (
        ("vetting", __version__),
        ("agent protocol", str(PROTOCOL)),
        ("database", NAMES[-1]),
        ("Python", platform.python_version()),
        ("SQLite", sqlite3.sqlite_version),
        ("OpenSSL", ssl.OPENSSL_VERSION),
        ("operating system", platform.platform()),
        *_libraries(),
    )


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not there"


def licences() -> tuple[tuple[str, str], ...]:
    """(library, text) of what browsers load from us."""
    found = sorted((STATIC / VENDOR).glob("*.LICENSE.txt"))
    return tuple((path.name.removesuffix(".LICENSE.txt"), path.read_text(errors="replace")) for path in found)


PAGES = (Page(path="/settings", need=Need.VIEWER, show=shown),)
