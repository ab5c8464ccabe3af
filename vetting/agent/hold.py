"""Where a held machine can be reached."""

from __future__ import annotations

import socket


def addresses() -> tuple[str, ...]:
    """This machine's addresses, IPv4 before IPv6; loopback and link-local ones only where there is nothing else."""
    import psutil  # only a hold needs it

    found: list[tuple[bool, bool, str]] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                text = entry.address.partition("%")[0]
                near = text.startswith(("127.", "169.254.", "fe80:")) or text == "::1"
                found.append((near, entry.family == socket.AF_INET6, text))
    far = sorted({item for item in found if not item[0]})
    return tuple(text for _, _, text in far or sorted(set(found)))
