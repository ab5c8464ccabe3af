"""dnsmasq as the rack's neighbours run it: the site's own DHCP server, which has never heard of us."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.lab.programs import Program

SITE_RANGE = ("10.77.0.150", "10.77.0.199")
ROUTER = "10.77.0.254"


@dataclass(frozen=True, slots=True)
class Lease:
    mac: str
    address: str
    name: str


@dataclass(slots=True)
class ForeignDhcp:
    """Gives addresses, a router and a domain, and knows nothing of booting."""

    program: Program
    folder: Path

    @staticmethod
    def argv(folder: Path, *, interface: str = "eth0") -> list[str]:
        return [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--log-dhcp", "--log-facility=-",
            f"--interface={interface}", "--bind-interfaces", "--dhcp-authoritative",
            f"--dhcp-range={SITE_RANGE[0]},{SITE_RANGE[1]},1h", f"--dhcp-option=option:router,{ROUTER}",
            "--dhcp-option=option:domain-name,site.example", f"--dhcp-leasefile={folder / 'leases'}",
            f"--pid-file={folder / 'pid'}", "--user=root",
        ]  # fmt: skip

    @classmethod
    async def started(cls, folder: Path, inside: tuple[str, ...]) -> ForeignDhcp:
        folder.mkdir(parents=True, exist_ok=True)
        program = await Program.started(cls.argv(folder), log=folder / "dnsmasq.log", inside=inside)
        return cls(program, folder)

    def leases(self) -> tuple[Lease, ...]:
        path = self.folder / "leases"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return tuple(Lease(mac=row[1], address=row[2], name=row[3]) for row in rows if len(row) >= 5 and ":" in row[1])

    @property
    def said(self) -> str:
        return self.program.log.read_text(errors="replace")
