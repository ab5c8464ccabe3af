"""The vetting.yaml of a rack: what ships, with the rack's addresses, and a profile as short as an honest run can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.lab.network import ADDRESS, BRIDGE

IMAGE = REPOSITORY / "dist" / "image"
API_PORT = 8443
HTTP_PORT = 8480
DHCP_RANGE = "10.77.0.20-10.77.0.99"
HEARTBEAT_S = 3.0
# The mitigations switch page tables at every system call; an emulated processor forgets all its translations with that.
KERNEL_ARGS = "console=tty0 console=ttyS0,115200 mitigations=off"

LAB: dict[str, Any] = {
    "base": "taste",
    "smart": {"self_test": "none"},
    # A core alone, all cores, then memory: each long enough for every method to come around under emulation.
    "cpu_stress": {
        "cpu_s": 10, "ram_s": 12, "core_s": 4, "ram_spare_bytes": "768MiB", "ram_floor_bytes": "64MiB",
        "ram_cap_bytes": "128MiB", "ram_cover": 0,
    },
    "storage": {"surface": "full", "fio_s": 4, "fio_size_bytes": "8MiB", "countdown_s": 2, "surface_floor_mb_s": 1},
    "network": {"seconds": 3, "parallel": 1},
    "burn": {"seconds": 8, "mem_pct": 10, "iperf_parallel": 1},
    "gpu": {"seconds": 3},
    "psu": {"seconds": 3},
    "unobserved": "declare",
    "lost_after_s": 45,
    "grace_s": 180,  # beyond the plan, before the deadline: two hosts may share two slow cores
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """How the rack's network finds the orchestrator."""

    proxy: bool = False  # beside a foreign DHCP server; without: ours alone gives the addresses
    off: bool = False

    def section(self, image: Path) -> dict[str, Any]:
        if self.off:
            return {}
        way = {"mode": "proxy"} if self.proxy else {"mode": "dhcp", "dhcp_range": DHCP_RANGE}
        return {
            "interface": BRIDGE, "address": ADDRESS, "http_port": HTTP_PORT, "image_dir": str(image),
            "kernel_args": KERNEL_ARGS, **way,
        }  # fmt: skip


def document(data: Path, *, boot: Boot, image: Path, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole file; `changes` are laid over it, section by section."""
    said: dict[str, Any] = {
        "server": {
            "listen": "0.0.0.0", "port": API_PORT, "public_url": f"https://{ADDRESS}:{API_PORT}", "data_dir": str(data),
        },
        "boot": boot.section(image),
        "iperf": {"bind": ADDRESS, "host": ADDRESS, "ports": "5201-5208"},
        "heartbeat": {"interval_s": HEARTBEAT_S},
        "limits": {"dispatch_s": "15min"},
        # A virtual host has no temperature: that nothing was heard is said in the report, and bars "vetted".
        "profiles": {"lab": LAB},
    }  # fmt: skip
    return laid_over(said, changes or {})


def laid_over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        under = merged.get(key)
        merged[key] = laid_over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
