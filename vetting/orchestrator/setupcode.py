"""The code of the first start: who can read it off this machine may make the first operator.

It lies in a file of its own that only we can read, and stays the same until it is used: the one in the log of yesterday's
start, or of an installation, still works, and a service that starts again does not change it under the reader's hands. Guessing 79
bits is out of reach, and once there is a user it is worth nothing. Who fears that it was seen removes the file: the next start
makes another.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from pathlib import Path

from vetting.domain.errors import Unavailable
from vetting.orchestrator.keys import write_secret
from vetting.store.files import sync_folder

FILE = "setup.code"
SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0 and o, no 1, i and l
GROUPS, GROUP = 4, 4


class SetupCode:
    def __init__(self, data: Path) -> None:
        self._path = data / FILE

    def ensure(self) -> str:
        """The code, made where there is none. Raises Unavailable."""
        if not (code := self._read()):
            code = "-".join("".join(secrets.choice(SIGNS) for _ in range(GROUP)) for _ in range(GROUPS))
            write_secret(self._path, code.encode())
        return code

    def matches(self, typed: str) -> bool:
        """Whether this is the code, in the same time for every answer; spaces, hyphens and capitals do not matter."""
        code, given = _bare(self._read()), _bare(typed[:200])
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), code.encode()) and code != ""

    def remove(self) -> None:
        """It was used, or is not needed any more."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            sync_folder(self._path.parent)

    def _read(self) -> str:
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self._path} cannot be read ({error}); remove it and start again") from error
        return text if len(_bare(text)) == GROUPS * GROUP else ""


def _bare(text: str) -> str:
    return "".join(text.split()).replace("-", "").lower()
