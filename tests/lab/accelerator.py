"""Hardware virtualisation only where a kernel really boots under it: on some machines /dev/kvm is there and guests crash."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.lab import qemu
from vetting import proc

PROOF = "Unable to mount root fs"  # the whole kernel came up and missed nothing but a root file system
PROBE_S = 20.0
VERDICT = "accelerator"


async def chosen(kernel: Path, kept: Path) -> tuple[str, ...]:
    """The words for QEMU; the answer of the probe is kept for this boot of the machine in the folder `kept`."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not kernel.is_file():
        return qemu.SOFTWARE
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    path = kept / VERDICT
    said = path.read_text() if path.exists() else ""
    if not said.startswith(boot):
        said = f"{boot} {'kvm' if await boots(kernel) else 'tcg'}"
        kept.mkdir(parents=True, exist_ok=True)
        path.write_text(said)
    return qemu.HARDWARE if said.endswith("kvm") else qemu.SOFTWARE


async def boots(kernel: Path) -> bool:
    told = await asyncio.shield(proc.run(
        (
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35", *qemu.HARDWARE, "-smp", "2",
            "-m", "512", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1", "-serial", "stdio", "-no-reboot",
        ),
        limit_s=PROBE_S,
    ))  # fmt: skip
    return PROOF in told.stdout and told.exit_code == 0
