"""What a reporter and the orchestrator say to each other, under /api/reporter/."""

from __future__ import annotations

from vetting.wire.message import Message


class Register(Message, frozen=True, kw_only=True):
    """A one-time registration code for a reporter's token. Bearer: the code."""

    hostname: str
    macs: tuple[str, ...] = ()
    smbios_uuid: str = ""
    version: str = ""


class Registered(Message, frozen=True, kw_only=True):
    host: str  # the record's name; orders name it too
    token: str = ""  # the reporter's, shown this once
    order_key: str = ""  # hex of the Ed25519 public key that signs orders


class ReporterBeat(Message, frozen=True, kw_only=True):
    boot_id: str
    version: str
    hostname: str = ""
    uptime_s: float = 0.0
    allowed: bool = False  # the file that lets us reboot this host is there; only its own administrator can make it
    obstacles: tuple[str, ...] = ()  # what speaks against a reboot now: guests that run, Ceph, quorum, HA …
    ways: tuple[str, ...] = ()  # how it can boot from the network once: efi, ipmi


class ReporterReply(Message, frozen=True, kw_only=True):
    cmd: str = "none"  # none | reboot_for_vetting
    run_id: int = 0
    order: str = ""  # the command signed, for this host, once, for five minutes (`domain.order`)


class ReporterRefusal(Message, frozen=True, kw_only=True):
    """An order was looked at and is not carried out."""

    run_id: int
    reasons: tuple[str, ...]
