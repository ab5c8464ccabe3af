"""Files that must survive a power cut, and that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path


def make_private_file(path: Path) -> None:
    """The folder and an empty file, where they are not there yet, for the owner alone. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name in a folder is safe only once the folder is. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
