"""Management controllers on record: what may be written down, and that a password never moves to another address."""

from __future__ import annotations

from dataclasses import replace

from vetting import wire
from vetting.client import fingerprint_bytes
from vetting.domain.bmc import Bmc, BmcKind
from vetting.domain.errors import BadInput
from vetting.power.address import host_and_port
from vetting.store.hosts import HostChanges
from vetting.store.rows import HostRow

LONGEST = {BmcKind.IPMI: 20, BmcKind.REDFISH: 128}  # bytes of a password; IPMI 2.0 takes 20
USUAL = {BmcKind.IPMI: 623, BmcKind.REDFISH: 443}


def changes(edit: wire.HostEdit, known: HostRow | None) -> HostChanges:
    """What of a host's record changes. Raises BadInput.

    The password stays where everything else stays: whoever may edit a host shall not have it sent to an address of his own.
    """
    if edit.bmc is None:
        return {"bmc": None, "bmc_password": ""}
    bmc = checked(edit.bmc)
    if edit.bmc_password is not None:
        _check_password(bmc, edit.bmc_password)
        return {"bmc": bmc, "bmc_password": edit.bmc_password}
    if known is None or known.bmc is None or replace(known.bmc, efi=bmc.efi) != bmc:
        raise BadInput(
            "give the management controller's password too: it is kept for one controller and one user alone"
        )
    return {"bmc": bmc}


def checked(bmc: Bmc) -> Bmc:
    """With its fingerprint in plain hex. Raises BadInput."""
    host_and_port(bmc.address, USUAL[bmc.kind])
    if not 0 < len(bmc.user) <= 64 or not bmc.user.isprintable() or bmc.user.startswith("-") or ":" in bmc.user:
        raise BadInput("the management controller's user must be 1 to 64 printable signs, without a colon")
    if not bmc.fingerprint:
        return bmc
    if bmc.kind is BmcKind.IPMI:
        raise BadInput("IPMI shows no certificate; leave the fingerprint out")
    return replace(bmc, fingerprint=fingerprint_bytes(bmc.fingerprint).hex())


def _check_password(bmc: Bmc, password: str) -> None:
    raw = password.encode("utf-8", "surrogatepass")
    if not 0 < len(raw) <= LONGEST[bmc.kind] or not password.isprintable():
        raise BadInput(
            f"the management controller's password must be 1 to {LONGEST[bmc.kind]} bytes long and printable"
        )
