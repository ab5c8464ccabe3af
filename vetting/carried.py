"""Files that lie outside the package and that a running program needs: boot scripts, service units.

In a checkout they lie in their own folders; `tools/zipapp.py` lays them into the package, below CARRIED.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from string import Template

from vetting.domain.errors import BadInput, NotFound

FOLDERS = ("pxe", "systemd")
CARRIED = "_carried"
_PACKAGE = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Where the file `pxe/boot.ipxe` lies. Raises NotFound for a name that is not below one of FOLDERS, or not there."""
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] not in FOLDERS or ".." in parts:
        raise NotFound(f"{name!r} is no file that this program carries; they are below {' and '.join(FOLDERS)}")
    inside = _PACKAGE / CARRIED
    found = (inside if inside.is_dir() else _PACKAGE.parent).joinpath(*parts)
    if not found.is_file():
        raise NotFound(f"this program carries no {name}; it is damaged or half unpacked: install it again")
    return found


def text(name: str) -> str:
    """The file's text. Raises NotFound as `path` does."""
    return path(name).read_text(encoding="utf-8")


def beside(name: str) -> Path:
    """What lies beside the program: beside the zipapp, or in the folder `dist` of a checkout."""
    if (_PACKAGE / CARRIED).is_dir():
        return Path(sys.argv[0]).resolve().parent / name
    return _PACKAGE.parent / "dist" / name


class _Words(Template):
    """`@{name}` stands for a word: `$` belongs to iPXE."""

    delimiter = "@"


def filled(name: str, words: Mapping[str, str]) -> str:
    """The file's text with its `@{words}` filled in, each of them one line of printable ASCII: what else a value held
    could become a line of configuration. Raises BadInput, NotFound."""
    for word, value in words.items():
        if not all(" " <= letter <= "~" for letter in value):
            raise BadInput(f"{word} cannot be written into {name}: {value[:80]!r} is not one line of plain ASCII")
    return _Words(text(name)).substitute(words)
