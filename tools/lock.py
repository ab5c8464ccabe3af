"""Renew the pinned requirements: resolve pyproject's dependencies and write every file's hash of every release.

    python -m tools.lock             keep the versions that are pinned and still fit, add what is new
    python -m tools.lock --upgrade   take the newest versions

The hashes are of all files of a release, so that the same lock installs under every Python that we support. Where the
files come from is the business of the machine's own pip configuration: no index stands in the lock.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements" / "runtime.txt"
DEV = ROOT / "requirements" / "dev.txt"
PYTHONS = ("3.11", "3.12", "3.13")
HEADINGS = {
    RUNTIME: "What stands inside dist/vetting. Written by `./build.sh lock`; every file of each release is hashed.",
    DEV: "What the tests and the build need beside runtime.txt. Written by `./build.sh lock`.",
}


@dataclass(frozen=True, order=True)
class Pin:
    """One release: normalised name and version."""

    name: str
    version: str


def normalised(name: str) -> str:
    """A project's name as the packaging specification compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(path: Path) -> set[Pin]:
    """The releases that a lock file names; none where there is no file."""
    if not path.exists():
        return set()
    return {Pin(*match) for match in re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE)}


def resolve(wanted: Iterable[str], keep: Iterable[Pin]) -> set[Pin]:
    """The releases that satisfy `wanted` under every supported Python, preferring those in `keep`."""
    found: set[Pin] = set()
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in sorted(keep)))
        for python in PYTHONS:
            report = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
                    *("--report", "-", "--only-binary", ":all:", "--python-version", python, "--target", scratch),
                    *("--constraint", str(constraints), *wanted),
                ],
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
            for item in json.loads(report)["install"]:
                found.add(Pin(normalised(item["metadata"]["name"]), item["metadata"]["version"]))
    names = [pin.name for pin in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"lock: different Pythons want different releases of {', '.join(sorted(twice))}")
    return found


def hashes(pins: Iterable[Pin]) -> dict[Pin, list[str]]:
    """The sha256 of every file of each release, from whichever index the machine's pip is set to use."""
    # pip offers no public command that lists a release's files; its own finder knows them.
    from pip._internal.commands import create_command
    from pip._vendor.packaging.utils import parse_sdist_filename, parse_wheel_filename

    command: Any = create_command("index")
    options, _ = command.parse_args([])
    found: dict[Pin, list[str]] = {}
    with command.main_context():
        session = command.get_default_session(options)
        collector = command._build_package_finder(options, session, None, True)._link_collector
        from pip._internal.index.collector import parse_links

        for pin in sorted(pins):
            sums: set[str] = set()
            for url in collector.search_scope.get_index_urls_locations(pin.name):
                from pip._internal.models.link import Link

                page = collector.fetch_response(Link(url)) if url.startswith("http") else None
                for link in parse_links(page) if page else ():
                    try:
                        parse = parse_wheel_filename if link.filename.endswith(".whl") else parse_sdist_filename
                        version = str(parse(link.filename)[1])
                    except ValueError:
                        continue  # an egg or an installer of long ago
                    if version == pin.version and link.hash_name == "sha256" and link.hash:
                        sums.add(link.hash)
            if not sums:
                raise SystemExit(f"lock: no hashed files of {pin.name} {pin.version} on the configured index")
            found[pin] = sorted(sums)
    return found


def write(path: Path, found: dict[Pin, list[str]]) -> None:
    """Write one lock file, sorted, one hash a line."""
    lines = [f"# {HEADINGS[path]}"]
    for pin, sums in sorted(found.items()):
        lines.append(f"{pin.name}=={pin.version} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in sums))
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Write both lock files and say what they hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    keep = set() if upgrade else pinned(RUNTIME) | pinned(DEV)
    runtime = resolve(project["dependencies"], keep)
    every = resolve([*project["dependencies"], *project["optional-dependencies"]["dev"]], keep | runtime)
    sums = hashes(every)
    write(RUNTIME, {pin: sums[pin] for pin in runtime})
    write(DEV, {pin: sums[pin] for pin in every - runtime})
    print(f"{len(runtime)} releases for the zipapp, {len(every - runtime)} more for tests and build")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
