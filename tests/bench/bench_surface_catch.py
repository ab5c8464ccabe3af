"""What the surface test catches of ten kinds of lying disk, side by side with badblocks, fio and dd, on the very same disks.

    python -m tests.bench surface-catch            # or: python -m tests.bench.bench_surface_catch [--mib 24] [--seeds 6]

Each cell: of so many disks, each lying at another place, how many were caught. `honest` must stay 0: a tester that accuses it proves
nothing. Exit 1 where two cycles of our own miss one, where one cycle misses other than stuck bits that happened to fit, or where
anybody accuses the honest disk. Needs root and /dev/fuse.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.lying_fuse import lying
from tests.machine.surface.lying_disks import LIARS
from vetting.surface.device import OpenDisk
from vetting.surface.engine import Scan, Standing, phases_of
from vetting.surface.plan import Plan

MIB = 1024 * 1024
HONEST = "honest"
Tester = Callable[[str, int, int], bool]  # device, size, seed -> whether it said that something is wrong


def own(cycles: int) -> Tester:
    def scanned(device: str, size: int, seed: int) -> bool:
        fd = os.open(device, os.O_RDWR | os.O_DIRECT | os.O_EXCL)
        try:
            ending = Scan(
                device=OpenDisk(fd, size, 512, direct=True), plan=Plan(size),
                phases=phases_of(cycles=cycles, read_only=False), salt=random.Random(seed).randbytes(16), threads=2,
                standing=Standing(),
            ).run()  # fmt: skip
        finally:
            os.close(fd)
        assert ending.outcome in ("clean", "bad"), ending
        return ending.outcome == "bad"

    return scanned


def badblocks(device: str, size: int, seed: int) -> bool:
    """Its status is 0 also where it found some: only the list that it writes says so."""
    with tempfile.NamedTemporaryFile() as found:
        words = ("badblocks", "-w", "-b", "4096", "-c", "256", "-t", "random", "-o", found.name, device)
        ended = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert ended.returncode == 0, ended.stderr
        return bool(Path(found.name).read_text().strip())


def fio(*more: str) -> Tester:
    def verified(device: str, size: int, seed: int) -> bool:
        words = (
            "fio", "--name=surface", f"--filename={device}", "--rw=write", "--bs=1m", "--direct=1", "--allow_file_create=0",
            "--verify=crc32c", "--do_verify=1", "--verify_fatal=0", "--verify_state_save=0", "--ioengine=libaio", "--iodepth=4", *more,
        )  # fmt: skip
        return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0

    return verified


def dd(device: str, size: int, seed: int) -> bool:
    """Zeros written, everything read: what people do before they call a disk good."""
    for words in (
        ("dd", "if=/dev/zero", f"of={device}", "bs=1M", f"count={size // MIB}", "oflag=direct", "conv=notrunc"),
        ("dd", f"if={device}", "of=/dev/null", "bs=1M", "iflag=direct"),
    ):
        if subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL).returncode:
            return True
    return False


TESTERS: dict[str, Tester] = {
    "own scan, one cycle": own(1),
    "own scan, data and complement": own(2),
    "badblocks -w -t random -b4096 -c256": badblocks,
    "fio crc32c 1 MiB, defaults": fio(),
    "fio crc32c 1 MiB, randrepeat=0": fio("--randrepeat=0"),
    "dd, write then read": dd,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=24, help="size of the disks; more than 16, for one kind wraps there")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    began, caught = time.monotonic(), {name: dict.fromkeys((*LIARS, HONEST), 0) for name in TESTERS}
    for name, tester in TESTERS.items():
        for kind in caught[name]:
            for seed in range(1 if kind == HONEST else args.seeds):
                with lying(kind, seed=seed, size_bytes=args.mib * MIB) as device:
                    caught[name][kind] += tester(device, args.mib * MIB, seed)
    if args.json:
        print(json.dumps({"mib": args.mib, "seeds": args.seeds, "caught": caught}))
    else:
        print(f"caught of {args.seeds} lying disks of {args.mib} MiB each ({time.monotonic() - began:.0f} s)")
        print("\n".join(table(caught)))
    return 0 if kept(caught, args.seeds) else 1


def table(caught: dict[str, dict[str, int]]) -> list[str]:
    kinds = (*LIARS, HONEST)
    rows = [f"| tester | {' | '.join(kinds)} |", f"| --- |{' --- |' * len(kinds)}"]
    return rows + [f"| {name} | {' | '.join(str(found[kind]) for kind in kinds)} |" for name, found in caught.items()]


def kept(caught: dict[str, dict[str, int]], seeds: int) -> bool:
    once, twice = caught["own scan, one cycle"], caught["own scan, data and complement"]
    return (
        all(twice[kind] == seeds for kind in LIARS)
        and all(once[kind] == seeds for kind in LIARS if not kind.startswith("stuck"))
        and all(found[HONEST] == 0 for found in caught.values())
    )


if __name__ == "__main__":
    sys.exit(main())
