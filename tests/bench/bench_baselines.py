"""How long an agent waits while its figures are held against a class of 500 hosts with 300 figures each."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.fakes.siblings import Sibling
from vetting.domain.baseline import Past, deviations, keep
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.outcome import Measurement, Outcome
from vetting.domain.profiles import QUICK
from vetting.domain.yardsticks import Measured, measured
from vetting.store import Store, baselines, hosts, runs
from vetting.store.rows import BaselineRow, NewRun

HOSTS, CORES, FIGURES, TIMES = 500, 128, 300, 9
LIMIT_S = 0.5  # a tenth of it where nobody else uses the machine


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vetting-bench-") as folder:
        store = Store.open(Path(folder) / "vetting.db")
        try:
            return _measure(store)
        finally:
            store.close()


def _measure(store: Store) -> int:
    store.write_now(_fill)
    rows, took, told = _figures(), [], 0
    found: list[BaselineRow] = []
    for _ in range(TIMES):
        began = time.perf_counter()
        found = store.read_now(lambda: baselines.of_class("all", "CPUStress", profile="p", host_id=1))
        past = [Past(one.host_id, one.run_id, one.figures) for one in found]
        told += len(deviations(rows, virtual=False, past=past, host_id=1))
        took.append(time.perf_counter() - began)
    print(
        f"{FIGURES} figures against {len(found)} of {HOSTS} hosts: {median(took) * 1000:.0f} ms, {max(took) * 1000:.0f} ms at worst"
    )
    return 0 if median(took) <= LIMIT_S and told == 0 else 1


def _fill() -> None:
    for number in range(HOSTS):
        host = hosts.create(f"host-{number}", now=1.0)
        new = NewRun(host_id=host.id, host_name=host.name, profile=QUICK, non_destructive=True, start_by="manual",
                     requested_by="bench", spec=ExpectedSpec(), expected_disks=())  # fmt: skip
        run = runs.create(new, now=1.0)
        baselines.keep(host.id, run.id, "CPUStress", profile="p", class_name="all", figures=keep(_figures()))


DICE = random.Random(1)
INVENTORY = Sibling(1, DICE).inventory


def _figures() -> tuple[Measured, ...]:
    cores = [
        Measurement(series=f"cpu.{core}.bogo_ops_s", value=DICE.gauss(1700, 30), unit="/s", component=f"cpu:{core}")
        for core in range(CORES)
    ]
    loads = [
        Measurement(series=f"stress-ng.s{number}.bogo_ops_s", value=DICE.gauss(9000, 90), unit="/s", component="cpu")
        for number in range(FIGURES - CORES)
    ]
    return measured("CPUStress", Outcome.ok(measurements=(*cores, *loads)), INVENTORY)


if __name__ == "__main__":
    raise SystemExit(main())
