#!/usr/bin/env python3
"""From outside, at the very end: is the image whole? Every program that the code starts is here and finds its libraries."""

import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["BUILDROOT"])
PLACES = ("usr/sbin", "usr/bin")  # in the order of the agent's PATH
PROGRAMS = ROOT / "usr/share/vetting/programs"
# Asks the loader of the image itself, program by program.
LIBRARIES = r"""
for file in /usr/bin/* /usr/sbin/* /usr/lib/systemd/* /usr/lib/openssh/* /usr/lib/udev/*; do
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    /lib64/ld-linux-x86-64.so.2 --verify "$file" 2>/dev/null || continue
    /lib64/ld-linux-x86-64.so.2 --list "$file" 2>&1 | sed -n "s|^[[:space:]]*\(.*\) => not found.*|$file lacks \1|p"
done
"""


def inside(path: str) -> Path:
    """A path of the image with its links followed inside the image."""
    here = ROOT / path.lstrip("/")
    for _ in range(10):
        if not here.is_symlink():
            break
        target = os.readlink(here)
        here = ROOT / target.lstrip("/") if target.startswith("/") else here.parent / target
    return here


def runs(path: str) -> bool:
    here = inside(path)
    return here.is_file() and bool(here.stat().st_mode & stat.S_IXUSR)


def drop_orphans() -> None:
    """Scripts whose interpreter was taken out."""
    for place in PLACES:
        for path in sorted((ROOT / place).iterdir()):
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                opening = file.readline(200)
            words = opening[2:].split() if opening.startswith(b"#!") else []
            if words and not inside(words[0].decode()).exists():
                path.unlink()
    for place in PLACES:
        for path in sorted((ROOT / place).iterdir()):
            if path.is_symlink() and not inside(f"{place}/{path.name}").exists():
                path.unlink()


def missing() -> list[str]:
    wanted = PROGRAMS.read_text().split()
    return [
        one for one in wanted if not any(runs(p) for p in ([one] if "/" in one else [f"{at}/{one}" for at in PLACES]))
    ]


def lacking() -> str:
    return subprocess.run(
        ["mkosi-chroot", "/bin/sh", "-c", LIBRARIES], check=True, capture_output=True, text=True
    ).stdout.strip()


drop_orphans()
if gone := missing():
    sys.exit(
        f"image: the code starts programs that are not in it: {', '.join(gone)}; add their packages to image/mkosi.conf"
    )
if words := lacking():
    sys.exit(f"image: programs without their libraries; image/mkosi.conf removes too much:\n{words}")
