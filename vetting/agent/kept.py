"""What outlives the agent within one kernel boot: token, inventory, an undelivered result, and traces of its programs.

Everything lies in the state directory (0700, in memory on the live image), each file written aside, synced and renamed.
Another boot id means another life: nothing of the old one is used.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from vetting.domain.errors import BadInput
from vetting.domain.inventory import Inventory
from vetting.wire import Result


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    boot_id: str
    run_id: int = 0
    token: str = ""
    ticket_mark: str = ""  # sha256 of the ticket that this token came from
    mark: str = ""  # in the environment of every program that this agent started
    groups: tuple[str, ...] = ()  # cgroup folders that it made
    log_seq: int = 0  # the kernel log up to here had been read when the stage began


class Shelf:
    """The state directory. Raises BadInput where it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise BadInput(
                f"the state directory {folder} cannot be used: {error.strerror}; name another with --state-dir"
            ) from None

    def load(self, boot_id: str) -> Kept:
        """What this boot kept, or an empty record."""
        try:
            kept = msgspec.json.decode((self.folder / "agent.json").read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError):
            return Kept(boot_id=boot_id)
        return kept if kept.boot_id == boot_id else Kept(boot_id=boot_id)

    def save(self, kept: Kept) -> None:
        self._write("agent.json", msgspec.json.encode(kept))

    def save_inventory(self, inventory: Inventory) -> None:
        self._write("inventory.json", msgspec.json.encode(inventory))

    def inventory(self) -> Inventory | None:
        try:
            return msgspec.json.decode((self.folder / "inventory.json").read_bytes(), type=Inventory)
        except (OSError, msgspec.DecodeError):
            return None

    def save_result(self, result: Result) -> None:
        """Before it is posted: an agent that dies meanwhile delivers it when it is back."""
        self._write("result.json", msgspec.json.encode(result))

    def undelivered(self, boot_id: str) -> Result | None:
        try:
            result = msgspec.json.decode((self.folder / "result.json").read_bytes(), type=Result)
        except (OSError, msgspec.DecodeError):
            return None
        return result if result.boot_id == boot_id else None

    def delivered(self) -> None:
        (self.folder / "result.json").unlink(missing_ok=True)

    def forget_run(self) -> None:
        """A new run begins: nothing of the last one may leak into it."""
        for name in ("inventory.json", "result.json"):
            (self.folder / name).unlink(missing_ok=True)
        self.forget_lasting()

    @property
    def sessions(self) -> Path:
        """Folder in which every started program leaves a file named by its session id."""
        path = self.folder / "sessions"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def forget_sessions(self) -> None:
        for path in self.sessions.iterdir():
            path.unlink(missing_ok=True)

    def attempt_folder(self) -> Path:
        """An empty folder for one attempt: its scratch files, its evidence, the names of what was sent already."""
        path = self.folder / "attempt"
        shutil.rmtree(path, ignore_errors=True)
        for folder in (path, path / "scratch", path / "evidence", path / "sent"):
            folder.mkdir(mode=0o700)
        return path

    def lasting_folder(self, run_id: int, stage: str) -> Path:
        """What a stage keeps for the attempt after an agent's death. What another stage, or run, kept is gone."""
        mine = self._lasting / f"{run_id}-{stage}"
        self._lasting.mkdir(mode=0o700, exist_ok=True)
        for other in self._lasting.iterdir():
            if other != mine:
                shutil.rmtree(other, ignore_errors=True)
        mine.mkdir(mode=0o700, exist_ok=True)
        return mine

    def forget_lasting(self) -> None:
        """A stage has concluded: whoever tries it again begins with nothing."""
        shutil.rmtree(self._lasting, ignore_errors=True)

    @property
    def _lasting(self) -> Path:
        return self.folder / "lasting"

    def _write(self, name: str, data: bytes) -> None:
        aside = self.folder / f".{name}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        aside.replace(self.folder / name)
