"""A kill in the middle of the first set-up: a real process, SIGKILL, and whoever comes after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.office import CHEAP, PASSWORD, office_in
from vetting.domain.errors import Conflict
from vetting.orchestrator import passwords
from vetting.orchestrator.setupcode import FILE

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.fakes.office import CHEAP, office_in
from vetting.orchestrator import passwords, setupcode
from vetting.store import audit

def die(*args, **named):
    os.kill(os.getpid(), signal.SIGKILL)

passwords.STRENGTH = CHEAP
if sys.argv[2] == "in the transaction":
    audit.add = die
else:
    setupcode.SetupCode.remove = die
asyncio.run(office_in(Path(sys.argv[1])).set_up())
"""


def killed(data: Path, where: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(data), where], cwd=Path(__file__).parents[3], timeout=60, check=False
    )
    assert child.returncode == -signal.SIGKILL


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "STRENGTH", CHEAP)


async def test_killed_inside_the_transaction_nothing_happened_and_the_code_is_good(tmp_path: Path) -> None:
    killed(tmp_path, "in the transaction")
    office = office_in(tmp_path)
    try:
        assert await office.accounts.needs_setup()
        assert await office.audit() == []
        assert (await office.set_up()).person.name == "ann"
    finally:
        office.store.close()


async def test_killed_after_the_commit_the_operator_is_there_and_the_code_is_worth_nothing(tmp_path: Path) -> None:
    killed(tmp_path, "before the code's removal")
    code = (tmp_path / FILE).read_text()
    office = office_in(tmp_path)
    try:
        with pytest.raises(Conflict):
            await office.accounts.set_up(code=code, name="eve", password=PASSWORD, peer="192.0.2.66")
        assert await office.accounts.setup_code() == ""
        assert not (tmp_path / FILE).exists()
        assert (await office.sign_in()).person.name == "ann"
        assert [one.what for one in await office.audit()] == ["user.set_up", "user.sign_in"]
    finally:
        office.store.close()
