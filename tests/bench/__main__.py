"""Every measurement in one run: `python -m tests.bench [NAME...]`, or `./build.sh test bench`.

A bench is a file `bench_<name>.py` here with `main() -> int`: it prints its figures, and ends with 0 when they keep what
was promised of them. Each runs in a process of its own, so that none measures what another has imported.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Run the named benches, or all; 1 when one of them did not keep its promise."""
    known = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    wanted = [name.replace("-", "_") for name in names]
    if unknown := set(wanted) - set(known):
        print(f"there is no bench {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in wanted or known:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], cwd=HERE.parent.parent).returncode:
            failed.append(name)
    if failed:
        print(f"did not keep what was promised: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
