"""What the reporter is told once, at its registration, and the file by which the host's administrator lets it reboot."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from vetting.client import checked_url, fingerprint_bytes
from vetting.domain.errors import BadInput

CONFIG = "etc/vetting/reporter.json"
OPT_IN = "etc/vetting/allow-reboot"
STATE = "var/lib/vetting-reporter"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    fingerprint: str
    host: str  # the record's name: orders for another host are refused
    token: str
    order_key: str  # hex of the Ed25519 public key that signs orders
    network_first: bool = False  # this host always boots from the network first, so nothing has to be set for once

    def __repr__(self) -> str:
        return f"Settings(url={self.url!r}, host={self.host!r})"  # never the token


def load(root: Path) -> Settings:
    """Raises BadInput where this host is not registered, or somebody else can read or change its token."""
    path = root / CONFIG
    try:
        mode = path.stat().st_mode
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}): this host is not registered; `vetting host code NAME` on the "
            "orchestrator's machine shows the line to run here, as root"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"{path} holds this host's token and others may open it; as root: chmod 600 {path}")
    try:
        found = msgspec.json.decode(raw, type=Settings)
        checked_url(found.url)
        fingerprint_bytes(found.fingerprint)
    except (msgspec.DecodeError, BadInput) as error:
        raise BadInput(f"{path} cannot be used ({error}): register this host again") from None
    return found


def save(root: Path, settings: Settings) -> Path:
    """Keeps them for root alone, whole or not at all."""
    path = root / CONFIG
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")
    return path


def write_private(path: Path, data: bytes) -> None:
    """A file of mode 0600 that is there whole or not at all, also after a power cut: an order is remembered by one."""
    aside = path.with_name(f".{path.name}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def why_not_allowed(root: Path) -> str:
    """Empty where the host's own administrator lets us reboot it. Nothing of ours ever makes that file."""
    path = root / OPT_IN
    try:
        found = path.lstat()
    except FileNotFoundError:
        return f"this host's administrator has not allowed it; on the host, as root: touch /{OPT_IN}"
    except OSError as error:
        return f"/{OPT_IN} cannot be looked at: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return f"/{OPT_IN} is not a plain file"
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"/{OPT_IN} belongs to somebody else, or others may write to it; on the host, as root: chown root and chmod 644 it"
    return ""
