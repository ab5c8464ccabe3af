"""The program is killed at any moment: what it had acknowledged is there, what it had not is there whole or not at all."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vetting.store import audit, settings
from vetting.store.db import Store, reading

pytestmark = pytest.mark.machine

KILLS = 12

# Sixteen callers at once; each deed is a row in two tables, and its number is printed once the store has answered.
CHILD = """
import asyncio, os, sys
from functools import partial
from vetting.store import audit, settings
from vetting.store.db import Store

def deed(name):
    settings.put(name, 1, now=1.0)
    audit.add(at=1.0, who=name, what="deed")

async def caller(store, life, number):
    count = 0
    while True:
        name = f"{life}-{number}-{count}"
        await store.write(partial(deed, name))
        os.write(1, (name + "\\n").encode())
        count += 1

async def main():
    store = Store.open(sys.argv[1])
    await asyncio.gather(*(caller(store, sys.argv[2], number) for number in range(16)))

asyncio.run(main())
"""


def test_nothing_acknowledged_is_lost_when_the_program_is_killed(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "v.db"
    chance = random.Random(20)
    acknowledged: set[str] = set()
    for life in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(life)], stdout=subprocess.PIPE, text=True, cwd=repository
        )
        assert child.stdout is not None
        wanted = chance.randrange(1, 400)
        for _ in range(wanted):
            acknowledged.add(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        acknowledged.update(
            line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        )
        child.wait()
        with reading(path):
            done = {one.who for one in audit.entries(limit=10**6)}
            assert acknowledged <= done, "an acknowledged deed is lost"
            assert all(settings.get(name, int) == 1 for name in done), "half of a deed"
    store = Store.open(path)
    assert len(store.read_now(lambda: audit.entries(limit=10**6))) >= len(acknowledged) > 100
    store.close()
    print(f"killed {KILLS} times, {len(acknowledged)} acknowledged deeds, none lost")
