"""The zipapp: its size, its first start, and what a warm `vetting --version` costs beside a bare start.

The bare start is the same interpreter opening a zip whose `__main__` does nothing. Starts are taken in turns, so that a
busy machine slows both, and the medians are compared.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ZIPAPP = Path(__file__).resolve().parent.parent.parent / "dist" / "vetting"
ROUNDS = 40
PROMISED_RATIO = 2.5


def took_ms(argv: list[str], env: dict[str, str]) -> float:
    """Wall time of one run, in milliseconds."""
    began = time.perf_counter()
    subprocess.run(argv, env=env, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def measure(python: str) -> float:
    """Print the figures of one interpreter; the ratio of the warm start to the bare one."""
    with tempfile.TemporaryDirectory() as scratch:
        bare_zip = Path(scratch) / "bare.pyz"
        with zipfile.ZipFile(bare_zip, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("__main__.py", "pass\n")
        env = {**os.environ, "SHIV_ROOT": str(Path(scratch) / "root")}
        vetting = [python, str(ZIPAPP), "--version"]
        cold = took_ms(vetting, env)
        unpacked = sum(path.stat().st_size for path in Path(scratch, "root").rglob("*") if path.is_file())
        took_ms(vetting, env)  # the second start writes no byte code any more
        rounds = [
            (took_ms([python, "-c", "pass"], env), took_ms([python, str(bare_zip)], env), took_ms(vetting, env))
            for _ in range(ROUNDS)
        ]
    nothing, bare, warm = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio: float = warm / bare
    print(f"{python}, medians of {ROUNDS}; {unpacked / 1e6:.0f} MB unpacked")
    print(f"  python -c pass  {nothing:8.1f} ms")
    print(f"  bare zip        {bare:8.1f} ms")
    print(f"  cold --version  {cold:8.1f} ms")
    print(f"  warm --version  {warm:8.1f} ms, {ratio:.2f} x the bare zip (promised: at most {PROMISED_RATIO})")
    return ratio


def supported(python: str) -> bool:
    """Whether this is a Python that the zipapp promises to start under."""
    script = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    return os.path.exists(python) and subprocess.run([python, "-c", script], check=False).returncode == 0


def main() -> int:
    """Measure under this Python and the distribution's; 1 when the warm start costs more than was promised."""
    if not ZIPAPP.exists():
        print(f"{ZIPAPP} is not built; run ./build.sh zipapp", file=sys.stderr)
        return 1
    print(f"size {ZIPAPP.stat().st_size / 1e6:.1f} MB")
    pythons = {os.path.realpath(python) for python in (sys.executable, "/usr/bin/python3") if supported(python)}
    ratios = [measure(python) for python in sorted(pythons)]
    return 0 if max(ratios) <= PROMISED_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
