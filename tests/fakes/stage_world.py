"""A host for stage tests: /proc and /sys of two cores that are busy while load runs on them, and recordings of the tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fakes.scripted_deps import Says, Text

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
RELEASES = ("debian12", "ubuntu2404", "debian13")
MIB = 1024 * 1024


def recorded(release: str, name: str) -> tuple[int, str]:
    """Exit status and output of tests/fixtures/stages/<release>/<name>; stress-ng's two streams are one there."""
    status, _, text = (FIXTURES / "stages" / release / name).read_text().partition("\n")
    return int(status), text


def tool_text(release: str, name: str) -> str:
    """stdout of tests/fixtures/tools/<release>/<name>."""
    return (FIXTURES / "tools" / release / name).read_text()


def stressng(
    words: str, release: str, name: str, *, elapsed_s: float, exit_code: int | None = None, times: int = 0
) -> Says:
    status, text = recorded(release, name)
    return Says(
        f"stress-ng {words}",
        stderr=text,
        exit_code=status if exit_code is None else exit_code,
        elapsed_s=elapsed_s,
        times=times,
    )


def sat(release: str, name: str, *, elapsed_s: float = 5.0, exit_code: int = 0) -> Says:
    """stressapptest on 64 MiB, as recorded: 3 s, and two that it takes to begin and to end."""
    return Says(
        "stressapptest -W", stdout=tool_text(release, f"stressapptest/{name}"), exit_code=exit_code, elapsed_s=elapsed_s
    )


def proc_stat(cpus: int = 2, idle: frozenset[int] = frozenset()) -> Callable[[float], str]:
    """/proc/stat of a machine on which all cores but the `idle` ones work all the time."""

    def text(now_s: float) -> str:
        ticks = round(now_s * 100)
        rows = [f"cpu{n} {0 if n in idle else ticks} 0 0 {ticks if n in idle else 0} 0 0 0 0 0 0" for n in range(cpus)]
        return "\n".join(["cpu  0 0 0 0 0 0 0 0 0 0", *rows, "intr 1"]) + "\n"

    return text


def own_stat(cpus: int = 2) -> Callable[[float], str]:
    """/proc/self/stat of an agent whose ended programs have kept `cpus` cores busy all the time."""
    return lambda now_s: f"7 (vetting (agent)) S {' '.join(['0'] * 12)} {round(now_s * 100) * cpus} 0 20 0\n"


def memory(total_mib: int = 4096, available_mib: int = 3072, corrupted_kib: int = 0) -> str:
    lines = {"MemTotal": total_mib * 1024, "MemAvailable": available_mib * 1024, "HardwareCorrupted": corrupted_kib}
    return "".join(f"{name}: {value} kB\n" for name, value in lines.items())


def host() -> dict[str, Text]:
    """Files of a calm host with two cores and 4 GiB. Memory looks: before, then in use."""
    files: dict[str, Text] = {
        "/sys/devices/system/cpu/online": "0-1\n",
        "/proc/self/status": "Name:\tvetting\nCpus_allowed_list:\t0-1\n",
        "/proc/stat": proc_stat(),
        "/proc/self/stat": own_stat(),
        "/proc/vmstat": "nr_free_pages 1\noom_kill 3\n",
        "/proc/meminfo": memory(),
        "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "5\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2600000\n",
    }
    return files
