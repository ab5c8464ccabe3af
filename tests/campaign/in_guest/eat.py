"""Takes memory until the kernel kills somebody for want of it, and gives it back then; is itself exempt, as a careless load is."""

import mmap
import re
import sys
import time

CHUNK = 8 * 1024 * 1024
PATIENCE_S = 120


def kills() -> int:
    with open("/proc/vmstat") as file:
        found = re.search(r"^oom_kill (\d+)$", file.read(), re.MULTILINE)
    return int(found[1]) if found else 0


def main() -> int:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    taken, before, until = [], kills(), time.monotonic() + PATIENCE_S
    while kills() == before and time.monotonic() < until:
        piece = mmap.mmap(-1, CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, CHUNK, mmap.PAGESIZE):
            piece[at] = 1
            if at % (64 * mmap.PAGESIZE) == 0 and kills() != before:
                break
        taken.append(piece)
    print(f"{len(taken) * CHUNK >> 20} MiB taken, {kills() - before} killed")
    return 0 if kills() != before else 1


if __name__ == "__main__":
    sys.exit(main())
