"""An open store in a folder of its own, with one host and one run in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.profiles import QUICK
from vetting.store import hosts, runs
from vetting.store.db import Store
from vetting.store.rows import HostRow, NewRun, RunRow


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data" / "vetting.db")
    yield opened
    opened.close()


@pytest.fixture
def host(store: Store) -> HostRow:
    return store.write_now(lambda: hosts.create("pve1", now=100.0, macs=("AA-BB-CC-00-11-22",)))


@pytest.fixture
def new_run(host: HostRow) -> NewRun:
    return NewRun(
        host_id=host.id,
        host_name=host.name,
        profile=QUICK,
        non_destructive=False,
        start_by="reporter",
        requested_by="ada",
        spec=ExpectedSpec(manufacturer="Acme", disks=(ExpectedDisk(serial="WD-1", size_bytes=10**12),)),
        expected_disks=(ExpectedDisk(serial="WD-1", size_bytes=10**12),),
        shortfalls=("no SMART self-test",),
    )


@pytest.fixture
def run(store: Store, new_run: NewRun) -> RunRow:
    return store.write_now(lambda: runs.create(new_run, now=200.0))
