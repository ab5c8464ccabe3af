"""Which MAC address an IPv4 address of our own network has, as the kernel learned it when the machine spoke to us."""

from __future__ import annotations

from pathlib import Path

from vetting.domain.naming import mac_of

ARP = Path("/proc/net/arp")
COMPLETE = 0x2


def mac_behind(address: str, *, interface: str = "", table: Path = ARP) -> str:
    """The MAC address, lower case with colons; empty where the kernel knows none, as behind a router.

    `interface`: only where it was learned there.
    """
    try:
        rows = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return ""
    for row in rows:
        parts = row.split()
        if len(parts) < 6 or parts[0] != address or (interface and parts[5] != interface):
            continue
        if int(parts[2], 16) & COMPLETE:
            return mac_of(parts[3])
    return ""
