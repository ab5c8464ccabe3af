"""vetting.yaml -> frozen values; every mistake told at once, each with its key path and line.

`Config()` is what ships. The reading parts are imported by the first call, so that the values alone cost little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vetting.config.mistakes import ConfigErrors, Mistake
from vetting.config.values import Channel, Config, Console, Heartbeat, HostClass, Iperf, Limits, Server

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Channel",
    "Config",
    "ConfigErrors",
    "Console",
    "Heartbeat",
    "HostClass",
    "Iperf",
    "Limits",
    "Mistake",
    "Server",
    "load",
    "loads",
]


def load(path: Path | str | None = None) -> Config:
    """The configuration in a file; without one, ./vetting.yaml, /etc/vetting/vetting.yaml, or what ships.

    Raises ConfigErrors with every mistake, BadInput where the file cannot be read.
    """
    from vetting.config import loading

    return loading.load(path)


def loads(raw: bytes | str, file: str = "vetting.yaml") -> Config:
    """The configuration in a text; `file` is its name in messages. Raises ConfigErrors with every mistake."""
    from vetting.config import loading

    return loading.loads(raw, file)
