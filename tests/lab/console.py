"""What a host says on its serial console: a file that grows, read as plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ESCAPES = re.compile(rb"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78cMDE]|\r|\x00")


@dataclass(slots=True)
class Console:
    path: Path
    began: int = 0  # where the words of the present power-on begin

    def power_on(self) -> None:
        """What was said until now is history."""
        self.began = self.path.stat().st_size if self.path.exists() else 0

    def text(self, *, all_of_it: bool = False) -> str:
        """Without the escapes that move a cursor."""
        if not self.path.exists():
            return ""
        raw = self.path.read_bytes()[0 if all_of_it else self.began :]
        return ESCAPES.sub(b"", raw).decode("utf-8", "replace")

    def said(self, words: str) -> bool:
        return words in self.text()

    def tail(self, lines: int = 25) -> str:
        said = [line for line in self.text().splitlines() if line.strip()]
        return "\n".join(said[-lines:])
