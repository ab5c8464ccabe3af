"""Where a management controller is: a name or address, with a port where it is not the usual one."""

from __future__ import annotations

import ipaddress
import re

from vetting.domain.errors import BadInput

NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def host_and_port(address: str, usual: int) -> tuple[str, int]:
    """("bmc-07", 623) of "bmc-07", "10.0.0.7:6230", "fd00::7" or "[fd00::7]:443". Raises BadInput."""
    wrong = BadInput(
        f"{address[:80]!r} is no address of a management controller: give its name or address, as 10.0.0.7, bmc-07.lan:6230 "
        "or [fd00::7]:443"
    )
    text = address.strip()
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))), usual
    except ValueError:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if colon and not 0 < number <= 65535:
        raise wrong
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1])), number
        except ValueError:
            raise wrong from None
    if not NAME.fullmatch(host):
        raise wrong
    return host, number or usual
