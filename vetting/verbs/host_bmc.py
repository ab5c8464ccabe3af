"""What a host's record says about its management controller, and what the controller says itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client

POWER_LIMIT_S = 120.0  # a controller takes its time


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=("ipmi", "redfish"), help="how it is spoken to")
    parser.add_argument("--address", help="its name or address, with :port where it is not the usual one")
    parser.add_argument("--user", help="a user of it that may switch the power (IPMI privilege OPERATOR)")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="a file that holds the password alone; without it you are asked",
    )
    parser.add_argument(
        "--certificate", default="", metavar="SHA256", help="Redfish: fingerprint of its certificate, in hex"
    )
    parser.add_argument("--bios", action="store_true", help="the host boots in BIOS mode, not by UEFI")
    parser.add_argument("--clear", action="store_true", help="forget controller and password")


async def note(client: Client, path: str, args: argparse.Namespace) -> wire.HostView:
    """Writes the controller into the host's record, or takes it out. Raises BadInput for what is missing."""
    from vetting import wire
    from vetting.domain.bmc import Bmc, BmcKind
    from vetting.domain.errors import BadInput

    missing = [f"--{name}" for name in ("kind", "address", "user") if not getattr(args, name)]
    if missing and not args.clear:
        raise BadInput(f"say {', '.join(missing)} of the controller, or --clear to forget it")
    bmc, password = None, None
    if not args.clear:
        kind = BmcKind(args.kind)
        bmc = Bmc(kind=kind, address=args.address, user=args.user, fingerprint=args.certificate, efi=not args.bios)
        password = _password(args.password_file)
    known = await client.get(path, wire.HostView)
    edit = wire.HostEdit(
        name=known.name, macs=known.macs, note=known.note, spec=known.spec, bmc=bmc, bmc_password=password
    )
    return await client.change("PUT", path, edit, wire.HostView)


async def power(client: Client, path: str) -> wire.PowerView:
    from vetting import wire

    return await client.get(f"{path}/power", wire.PowerView, limit_s=POWER_LIMIT_S)


def say(power: wire.PowerView) -> None:
    print(
        f"{power.host} is {'on' if power.on else 'off'}, says its management controller ({power.kind}, {power.address})"
    )


def _password(path: Path | None) -> str:
    import getpass

    from vetting.domain.errors import BadInput

    if path is not None:
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the password cannot be read from {path}: {error}") from None
    if not sys.stdin.isatty():
        raise BadInput("give the password with --password-file: there is no terminal to ask for it")
    return getpass.getpass("password of the management controller: ")
