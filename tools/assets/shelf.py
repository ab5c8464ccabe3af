"""What lies in the vendor folder, where it comes from among the packages, and whether it is what the lock says."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MANIFEST = HERE / "package.json"
LOCK = HERE / "package-lock.json"
SETTINGS = HERE / ".npmrc"
WORKSHOP = ROOT / "build" / "npm"
VENDOR = ROOT / "vetting" / "web" / "static" / "vendor"
SERVED = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "htmx.LICENSE.txt": "htmx.org/LICENSE",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uPlot.LICENSE.txt": "uplot/LICENSE",
}
"""What pages load, and the licence that goes with it: name in the vendor folder, path among the packages."""
FOR_TESTS = {"axe.min.js": "axe-core/axe.min.js"}


def copy(chosen: Mapping[str, str], packages: Path, target: Path) -> None:
    """Lay files of packages into a folder; one that a package no longer has is told by its name."""
    target.mkdir(parents=True, exist_ok=True)
    for name, source in chosen.items():
        if not (packages / source).is_file():
            raise SystemExit(f"assets: the packages hold no {source}: correct its path in tools/assets/shelf.py")
        shutil.copyfile(packages / source, target / name)


def stock() -> None:
    """Copy what npm installed to where it is served and tested, and remember what that was."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    copy(SERVED, WORKSHOP / "node_modules", VENDOR)
    copy(FOR_TESTS, WORKSHOP / "node_modules", WORKSHOP)
    (WORKSHOP / "stamp").write_text(state())


def ready() -> bool:
    """Whether everything lies there as it was copied, for this lock and these scripts."""
    stamp = WORKSHOP / "stamp"
    return stamp.exists() and stamp.read_text() == state()


def state() -> str:
    """One hash over what decides what is copied, and over what was copied."""
    decides = [MANIFEST, LOCK, SETTINGS, *sorted(HERE.glob("*.py"))]
    copied = [VENDOR / name for name in SERVED] + [WORKSHOP / name for name in FOR_TESTS]
    total = hashlib.sha256()
    for path in decides + copied:
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes() if path.exists() else b"").digest())
    return total.hexdigest()
