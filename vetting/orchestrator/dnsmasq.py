"""dnsmasq as we run it: its configuration, and the words that start it without root.

It answers on one interface, to the machines in our records alone, and is never the authority of a network.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vetting import carried
from vetting.config import Config
from vetting.config.rules import INTERFACE
from vetting.config.values import BootMode
from vetting.domain.errors import BadInput
from vetting.domain.naming import mac_of
from vetting.orchestrator.interfaces import Own

PROGRAM = "dnsmasq"
USERS = ("dnsmasq", "nobody")
CAPABILITIES = (
    "net_bind_service",
    "net_raw",
    "net_admin",
)  # low ports; the ping before an offer; answers to who has no address
LOADERS = ("undionly.kpxe", "snponly.efi")


@dataclass(frozen=True, slots=True)
class Places:
    """Where its files lie."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "dnsmasq.conf"

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    @property
    def leases(self) -> Path:
        return self.folder / "leases"

    @property
    def tftp(self) -> Path:
        return self.folder / "tftp"


def configuration(config: Config, own: Own, places: Places, *, http_port: int) -> str:
    """The text of dnsmasq.conf. Raises BadInput for a value that would be more than a word in it."""
    boot = config.boot
    if not INTERFACE.fullmatch(boot.interface):
        raise BadInput(f"boot.interface {boot.interface[:40]!r} is not the name of a network interface")
    words = {
        "interface": boot.interface,
        "leases": str(places.leases),
        "hosts": str(places.hosts),
        "tftp": str(places.tftp),
        "http": f"http://{own.address}:{http_port}",
        "address": str(own.address),
        "netmask": own.netmask,
    }
    text = carried.filled("pxe/dnsmasq.conf", words)
    if boot.mode is BootMode.PROXY:
        return text + carried.filled("pxe/dnsmasq-proxy.conf", {**words, "network": str(own.network.network_address)})
    first, _, last = (part.strip() for part in boot.dhcp_range.partition("-"))
    return text + carried.filled(
        "pxe/dnsmasq-dhcp.conf",
        {
            **words,
            "first": first,
            "last": last,
            "lease": f"{boot.lease_s:.0f}",
            "router": ",".join(filter(None, ("option:router", boot.gateway))),
            "dns": ",".join(("option:dns-server", *boot.dns)),
        },
    )


def hosts_file(macs: Iterable[str]) -> str:
    """A line for each known network card; what is none is left out, for nobody can have it.

    `id:*`: firmware, iPXE and image name themselves differently and are one machine, with one address. Never a tag of our
    own here: dnsmasq 2.90 dies of it at the next SIGHUP once it has answered such a card.
    """
    return "".join(f"{mac},id:*\n" for mac in sorted({mac_of(mac) for mac in macs} - {""}) if len(mac) == 17)


def argv(program: str, places: Places) -> tuple[str, ...]:
    """`program` by its full path: it lies in /usr/sbin, which is not on everybody's PATH."""
    return (program, "--keep-in-foreground", f"--conf-file={places.configuration}")


def user() -> pwd.struct_passwd | None:
    """Whom it runs as: somebody without rights where we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def without_root(runs_as: pwd.struct_passwd | None) -> tuple[str, ...]:
    """Words for setpriv: from its first moment it is that user, with these capabilities and no other."""
    if runs_as is None:
        return ()
    caps = "-all," + ",".join(f"+{name}" for name in CAPABILITIES)
    return (
        f"--reuid={runs_as.pw_uid}", f"--regid={runs_as.pw_gid}", "--clear-groups", "--no-new-privs",
        f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}",
    )  # fmt: skip
