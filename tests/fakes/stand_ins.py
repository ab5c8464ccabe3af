"""Real programs that stand in for a test tool and test nothing: whatever they say, no stage may come out green."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

KINDS = ("true", "false", "sleeper", "last week's output", "last week's output in time", "garbage", "suicide")


def stand_in(folder: Path, tool: str, kind: str, *, good: str = "", takes_s: float = 0.0, real_for: str = "") -> str:
    """Puts a stand-in for `tool` into `folder`; returns the PATH that finds it first.

    `good` is the tool's good output of another day. `real_for` is a shell pattern: with these words the real tool answers.
    """
    said = folder / f"{tool}.said"
    said.write_text(good)
    tell = f"cat {shlex.quote(str(said))}"
    body = {
        "true": "exit 0",
        "false": "exit 1",
        "sleeper": "sleep 600",
        "last week's output": tell,
        "last week's output in time": f"sleep {takes_s}; {tell}",
        "garbage": "head -c 3000 /dev/urandom; printf '\\n{\"a\": [1, 2'",
        "suicide": "kill -9 $$",
    }[kind]
    real = shutil.which(tool)
    lines = ["#!/bin/sh"]
    if real_for:
        lines.append(f'case " $* " in {real_for}) exec {real} "$@" ;; esac')
    path = folder / tool
    path.write_text("\n".join([*lines, body]) + "\n")
    path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
