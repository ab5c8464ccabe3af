"""What the hosts on the stage measured: a little different in each, as sound hosts are."""

from __future__ import annotations

import random
from collections.abc import Sequence

from vetting.domain.outcome import Measurement


def measured(stage: str, number: int, serials: Sequence[str], nic: str) -> tuple[Measurement, ...]:
    """The same for the same host and stage, each time."""
    dice = random.Random(f"{stage} {number}")
    rows: list[Measurement] = []

    def row(series: str, value: float, unit: str, component: str, noise: float = 0.02) -> None:
        rows.append(
            Measurement(series=series, value=value * dice.uniform(1 - noise, 1 + noise), unit=unit, component=component)
        )

    if stage == "CPUStress":
        for core in range(64):
            row(f"cpu.{core}.bogo_ops_s", 1841, "/s", f"cpu:{core}")
        for name, rate in (("cpu", 5119.57), ("hash", 288_400), ("matrix", 61_250), ("vecfp", 1423)):
            row(f"stress-ng.{name}.bogo_ops_s", rate, "/s", "cpu")
        row("clock.mean_mhz", 2790, "MHz", "cpu")
    for serial in serials if stage == "Storage" else ():
        disk, part = f"disk.{serial.lower()}", f"disk:{serial}"
        row(f"{disk}.surface.write.1.mean", 468, "MiB/s", part)
        row(f"{disk}.surface.verify.1.mean", 511, "MiB/s", part)
        row(f"{disk}.fio.iops", 61_800, "/s", part, 0.05)
        row(f"{disk}.fio.p99", 1.9, "ms", part, 0.1)
    if stage == "Network":
        row("net.eno1.to_server", 9394, "Mb/s", f"nic:{nic}", 0.002)
        row("net.eno1.from_server", 9411, "Mb/s", f"nic:{nic}", 0.001)
        row("net.eno1.link", 10_000, "Mb/s", f"nic:{nic}", 0.0)
    return tuple(rows)
