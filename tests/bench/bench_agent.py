"""What the agent takes of the machine while a stage's program talks: `python -m tests.bench.bench_agent [SECONDS]`.

A real agent with its real cadence (heartbeat 10 s, forwarders 2 s, thermals 5 s, kernel log twice a second) against an
orchestrator over HTTPS, while a program writes ten lines a second that the stage follows. Promised: under 1 % of one core and 80 MB.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import psutil

from tests.fakes.orchestrator import TICKET, orchestrating

MOST_PERCENT = 1.0
MOST_MB = 80.0
SETTLE_S = 3.0


async def measure(seconds: float) -> tuple[float, float]:
    """Percent of one core, and the largest resident size in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with orchestrating(folder / "server", heartbeat_s=10.0) as server:
            server.claims_again(current_stage="Storage")
            settings = folder / "settings.json"
            told = {"url": server.url, "fingerprint": server.fingerprint, "ticket": TICKET, "real_time": True}
            settings.write_text(json.dumps({**told, "state_dir": str(folder / "state")}))
            agent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.fakes.real_agent", str(settings), stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await server.until(lambda: any(beat.stage for beat in server.beats))
                await asyncio.sleep(SETTLE_S)
                return await _watch(psutil.Process(agent.pid), seconds)
            finally:
                agent.terminate()
                await asyncio.wait_for(agent.wait(), 30)


async def _watch(process: psutil.Process, seconds: float) -> tuple[float, float]:
    def used() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    loop = asyncio.get_running_loop()
    began_s, before_s, largest = loop.time(), used(), 0
    while loop.time() - began_s < seconds:
        largest = max(largest, process.memory_info().rss)
        await asyncio.sleep(0.5)
    return 100 * (used() - before_s) / (loop.time() - began_s), largest / 1e6


def main(seconds: float = 20.0) -> int:
    percent, size_mb = asyncio.run(measure(seconds))
    print(f"agent while a stage runs, {seconds:.0f} s: {percent:.2f} % of one core (promised < {MOST_PERCENT:.0f} %)")
    print(f"agent while a stage runs, resident: {size_mb:.1f} MB (promised < {MOST_MB:.0f} MB)")
    return 0 if percent < MOST_PERCENT and size_mb < MOST_MB else 1


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
