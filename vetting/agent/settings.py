"""What the agent is told at its start: flags first, then the kernel command line (`vetting.url=` and its brothers)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from vetting.client import checked_url, fingerprint_bytes
from vetting.domain.errors import BadInput

LIVE_MARKER = "etc/vetting-live"
STATE_DIR = "/run/vetting"
MEMORY_FILE_SYSTEMS = ("/dev/loop", "/dev/ram", "/dev/zram", "/dev/fuse")  # devices a live image may stand on


class OnEnd(StrEnum):
    EXIT = "exit"  # the program ends, the machine stays as it is
    POWEROFF = "poweroff"  # power off, reboot and hold keys are real


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    url: str
    fingerprint: str
    ticket: str = field(default="", repr=False)  # one-time; empty: only a kept token can claim
    run: str = ""  # of the kernel command line, for people who read the log
    state_dir: Path = Path(STATE_DIR)
    root: Path = Path("/")  # where /proc, /sys and /etc are read
    on_end: OnEnd = OnEnd.EXIT
    live_image: bool = False
    protect: bool = False  # ask the kernel to spare this process when memory runs out
    netconsole: str = ""  # IP:PORT that the live image's kernel sends its messages to; empty: nowhere

    @property
    def ticket_mark(self) -> str:
        """Tells tickets apart without keeping one."""
        return hashlib.sha256(self.ticket.encode()).hexdigest() if self.ticket else ""


def kernel_words(text: str) -> dict[str, str]:
    """The `vetting.*=` words of a kernel command line, without their prefix."""
    pairs = (word.partition("=") for word in text.split() if word.startswith("vetting."))
    return {name.removeprefix("vetting."): value for name, _, value in pairs}


def is_live_image(root: Path) -> bool:
    """True inside the live image: its marker file is there and nothing of a local disk is mounted."""
    try:
        mounts = (root / "proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    sources = [line.split(" ", 1)[0] for line in mounts.splitlines()]
    local = [source for source in sources if source.startswith("/dev/") and not source.startswith(MEMORY_FILE_SYSTEMS)]
    return (root / LIVE_MARKER).is_file() and not local


def settle(
    *,
    url: str = "",
    fingerprint: str = "",
    ticket: str = "",
    ticket_file: str = "",
    run: str = "",
    state_dir: str = STATE_DIR,
    root: str = "/",
    on_end: str = "",
    protect: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Puts flags, environment and kernel command line together. Raises BadInput, saying which part is missing."""
    base = Path(root)
    words = kernel_words(_text(base / "proc/cmdline"))
    env = os.environ if environment is None else environment
    live = is_live_image(base)
    end = OnEnd(on_end) if on_end else (OnEnd.POWEROFF if live else OnEnd.EXIT)
    if end is OnEnd.POWEROFF and not live:
        raise BadInput(
            f"this is not the live image (/{LIVE_MARKER} is missing, or a local disk is mounted), so nothing here may be "
            "powered off: use --on-end exit"
        )
    found = {
        "url": url or words.get("url", ""),
        "fingerprint": fingerprint or words.get("fingerprint", ""),
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise BadInput(
            f"the agent does not know its orchestrator: give {' and '.join('--' + name for name in missing)}, or "
            f"{' and '.join(f'vetting.{name}=' for name in missing)} on the kernel command line"
        )
    fingerprint_bytes(found["fingerprint"])
    return Settings(
        url=checked_url(found["url"]),
        fingerprint=found["fingerprint"],
        ticket=_ticket(ticket_file) or ticket or env.get("VETTING_TICKET", "") or words.get("ticket", ""),
        run=run or words.get("run", ""),
        state_dir=Path(state_dir),
        root=base,
        on_end=end,
        live_image=live,
        protect=protect or live,
        netconsole=words.get("netconsole", "") if live else "",
    )


def _ticket(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the boot ticket cannot be read from {path}: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
