"""How much memory a load held, on a machine that does other things too."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vetting.stages.watch import Seen

MIB = 1024**2


@dataclass
class Files:
    """As much of Deps as looking needs: files, some of which are gone."""

    texts: dict[str, str]

    def read(self, path: str) -> str:
        if path not in self.texts:
            raise FileNotFoundError(path)
        return self.texts[path]

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.texts if path.endswith("/comm")) if pattern.endswith("/comm") else []


def _machine(available_mib: int, workers: dict[int, tuple[str, int]]) -> dict[str, str]:
    texts = {"/proc/meminfo": f"MemTotal: 8388608 kB\nMemAvailable: {available_mib * 1024} kB\n", "/proc/stat": ""}
    for pid, (name, mib) in workers.items():
        texts[f"/proc/{pid}/comm"] = f"{name}\n"
        texts[f"/proc/{pid}/status"] = f"Name: {name}\nRssAnon:\t{mib * 1024} kB\nRssFile:\t9999 kB\nRssShmem:\t0 kB\n"
    return texts


@pytest.mark.parametrize(
    ("later_mib", "workers", "taken_mib"),
    [
        (3000, {7: ("stress-ng-vm", 1024)}, 1024),  # somebody else gave 24 MiB back: the load is not accused of idling
        (5000, {7: ("stress-ng-vm", 1024)}, 1024),  # somebody gave back more than the load took
        (2900, {}, 100),  # no worker of that name: the fall is what there is
        (3000, {7: ("stress-ng-cpu", 900), 8: ("firefox", 4000)}, 0),  # not the memory's workers
        (2000, {7: ("stress-ng-vm", 512)}, 1000),
    ],
)
def test_memory_held_is_the_workers_own_or_the_fall(
    later_mib: int, workers: dict[int, tuple[str, int]], taken_mib: int
) -> None:
    files = Files(_machine(3000, {}))
    seen = Seen(files, clock=False)  # type: ignore[arg-type]
    seen.look()
    files.texts = _machine(later_mib, workers)
    seen.look()
    assert seen.memory_taken == taken_mib * MIB


def test_a_worker_that_ended_between_two_readings_holds_nothing() -> None:
    files = Files(_machine(3000, {7: ("stress-ng-vm", 1024)}))
    del files.texts["/proc/7/status"]
    seen = Seen(files, clock=False)  # type: ignore[arg-type]
    seen.look()
    assert seen.memory_taken == 0
