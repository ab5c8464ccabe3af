"""A scratch disk for stages without one: its files, what the surface program says of it, and a fio that answers by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.fakes.scripted_deps import Says, ScriptedDeps, Text
from tests.fakes.stage_world import MIB, recorded
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.outcome import ToolRun

SERIAL = "loop:00000000-0000-4000-8000-000000000001"
FILE = "/scratch/scratch-00000000-0000-4000-8000-000000000001.img"
DISK = ExpectedDisk(serial=SERIAL, kind="scratch", path=FILE, size_bytes=64 * MIB)
LSBLK = Says("lsblk", stdout='{"blockdevices": []}')
Change = Callable[[dict[str, Any]], None]


def diskstats(now_s: float) -> str:
    """loop0 reads and writes a hundred MiB a second."""
    sectors = round(now_s * 100 * MIB / 512)
    return f"   7       0 loop0 1 0 {sectors} 1 1 0 {sectors} 1 0 1 1 0 0 0 0 0 0\n"


FILES: dict[str, Text] = {
    "/sys/block/loop0/loop/backing_file": FILE + "\n",
    "/sys/block/loop0/size": f"{64 * MIB // 512}\n",
    "/proc/diskstats": diskstats,
}


def changed(name: str, change: Change, release: str = "debian12") -> tuple[int, str]:
    status, text = recorded(release, name)
    row = json.loads(text)
    change(row)
    return status, json.dumps(row) + "\n"


class FioDeps(ScriptedDeps):
    """fio's recorded round under the name that the job file gives it, as fio itself would print it."""

    fio: Change | None = None

    async def run(self, argv: Any, **how: Any) -> ToolRun:
        ran = await super().run(argv, **how)
        if argv[0] != "fio" or not ran.stdout.startswith("{"):
            return ran
        row = json.loads(ran.stdout)
        sections = re.findall(r"^\[(vetting-.*)\]$", self.read(argv[-1]), re.MULTILINE)
        row["jobs"] = [{**row["jobs"][0], "jobname": name} for name in sections]
        if self.fio:
            self.fio(row)
        return replace(ran, stdout=json.dumps(row))


def surface(verb: str, said: tuple[int, str], **how: Any) -> Says:
    return Says(f"vetting surface {verb}", stdout=said[1], exit_code=said[0], **how)
