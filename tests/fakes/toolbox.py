"""A PATH of a test's own: a folder of links to every program of the real one, from which a tool can be taken or exchanged.

The real programs are never touched: a link is removed and a new one put in its place, nothing is written through one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.fakes.stand_ins import stand_in

SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Toolbox:
    """`path` is what an agent gets as its PATH; what is changed here it sees at its next call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tools"
        self._aside = folder / "stand-ins"
        self._folder.mkdir()
        self._real: dict[str, str] = {}
        for place in dict.fromkeys((*os.environ.get("PATH", os.defpath).split(os.pathsep), *SYSTEM)):
            self._link_all(Path(place))

    @property
    def path(self) -> str:
        return str(self._folder)

    def _link_all(self, place: Path) -> None:
        if not place.is_dir():
            return
        for program in place.iterdir():
            if program.name not in self._real and program.is_file() and os.access(program, os.X_OK):
                self._real[program.name] = str(program)
                (self._folder / program.name).symlink_to(program)

    def has(self, tool: str) -> bool:
        return (self._folder / tool).exists()

    def remove(self, *tools: str) -> None:
        """Takes tools away; one that this machine has not got is as good as removed."""
        for tool in tools:
            (self._folder / tool).unlink(missing_ok=True)

    def keep_only(self, *tools: str) -> None:
        """An image that somebody forgot to put the test tools into."""
        self.remove(*(link.name for link in self._folder.iterdir() if link.name not in tools))

    def restore(self, *tools: str) -> None:
        """The real tools again."""
        for tool in tools:
            self.put(tool, Path(self._real[tool]))

    def exchange(self, tool: str, kind: str, *, good: str = "", takes_s: float = 0.0, real_for: str = "") -> None:
        """Puts a stand-in in the tool's place; see `tests.fakes.stand_ins` for the kinds."""
        folder = self._aside / kind.replace(" ", "-").replace("'", "")
        folder.mkdir(parents=True, exist_ok=True)
        stand_in(folder, tool, kind, good=good, takes_s=takes_s, real_for=real_for)
        self.put(tool, folder / tool)

    def put(self, tool: str, program: Path) -> None:
        """Another program under the tool's name. In one step, so that a program that starts this very moment finds one or the other."""
        fresh = self._aside.parent / f".{tool}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(program)
        fresh.rename(self._folder / tool)


def installed(tool: str) -> bool:
    return shutil.which(tool, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM))) is not None
