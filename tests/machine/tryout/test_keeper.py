"""The agent of a try is started again when it was killed, and never when it ended of its own accord."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting.tryout import AGENT_RESTARTS, Keeper

pytestmark = pytest.mark.machine


def _script(folder: Path, ending: str) -> list[str]:
    return ["sh", "-c", f"echo begun >> {folder}/begun; echo its last words; {ending}"]


def _times(folder: Path) -> int:
    return len((folder / "begun").read_text().splitlines())


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4])
async def test_what_it_said_of_itself_is_final(tmp_path: Path, status: int) -> None:
    keeper = Keeper(_script(tmp_path, f"exit {status}"), tmp_path / "log")
    await keeper.keep()
    assert _times(tmp_path) == 1
    assert "its last words" in keeper.why_gone


@pytest.mark.parametrize("ending", ["kill -9 $$", "kill -11 $$", "exit 70"])
async def test_what_was_done_to_it_is_mended_so_often_and_no_oftener(tmp_path: Path, ending: str) -> None:
    keeper = Keeper(_script(tmp_path, ending), tmp_path / "log")
    await keeper.keep()
    assert _times(tmp_path) == 1 + AGENT_RESTARTS
    assert "died 6 times" in keeper.why_gone
