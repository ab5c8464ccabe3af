"""The global STOP: while the file `STOP` lies in the data directory, no run writes to a disk.

`touch /var/lib/vetting/STOP` needs nothing of this program to work. It is looked for before each destructive step: before a
run is dispatched, before a permit is issued, and at each heartbeat of a stage that writes.
"""

from __future__ import annotations

import os
from pathlib import Path

from vetting.config import Config

NAME = "STOP"


def why_stopped(config: Config) -> str:
    """Why nothing may be written now, in words; empty where STOP is not set. What cannot be looked at counts as set."""
    path = Path(config.server.data_dir) / NAME
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"STOP may be set: {path} cannot be looked at ({error.strerror}); no run writes to a disk"
    return f"STOP is set: no run writes to a disk until {path} is removed"
