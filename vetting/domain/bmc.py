"""How a host's management controller is reached, without the secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BmcKind(StrEnum):
    IPMI = "ipmi"  # IPMI 2.0 over LAN
    REDFISH = "redfish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bmc:
    """`address`: a host name or address, with a port where it is not the usual one (623 for IPMI, 443 for Redfish).

    `fingerprint`: SHA-256 in hex of the certificate that a Redfish service shows; empty: it must be signed by an
    authority that this machine trusts. IPMI has nothing of that kind.
    `efi`: how the host's firmware boots; a controller has to name the same in its network boot.
    """

    kind: BmcKind
    address: str
    user: str
    fingerprint: str = ""
    efi: bool = True
