"""Registering this host: a one-time code for the reporter's own token, then the files that the service lives by."""

from __future__ import annotations

from pathlib import Path

from vetting import __version__, carried, wire
from vetting.client import Client
from vetting.domain.errors import BadInput
from vetting.identity import identity
from vetting.reporter import settings as kept
from vetting.reporter.settings import Settings

UNIT = "etc/systemd/system/vetting-reporter.service"
SHIPPED_UNIT = "systemd/vetting-reporter.service"


async def register(
    client: Client, *, url: str, fingerprint: str, root: Path, hostname: str, network_first: bool = False
) -> Settings:
    """Trades the client's code for a token and keeps it. Raises the server's refusals.

    The folder is tried first: a code that was used up for a token that nobody could keep would be lost.
    """
    try:
        (root / kept.CONFIG).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        kept.write_private((root / kept.CONFIG).with_name(".try"), b"")
        (root / kept.CONFIG).with_name(".try").unlink()
    except OSError as error:
        raise BadInput(f"/{kept.CONFIG} cannot be written ({error.strerror}); register this host as root") from None
    own = identity(root)
    told = wire.Register(hostname=hostname, macs=own.macs, smbios_uuid=own.smbios_uuid, version=__version__)
    answer = await client.call("/api/reporter/register", told, wire.Registered)
    settings = Settings(
        url=url, fingerprint=fingerprint, host=answer.host, token=answer.token, order_key=answer.order_key,
        network_first=network_first,
    )  # fmt: skip
    kept.save(root, settings)
    return settings


def install_unit(root: Path) -> Path:
    """Writes the service's unit; the caller tells systemd. Raises BadInput."""
    path = root / UNIT
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(carried.text(SHIPPED_UNIT), encoding="utf-8")
        path.chmod(0o644)
        (root / kept.STATE).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"/{UNIT} cannot be written: {error.strerror}") from None
    return path
