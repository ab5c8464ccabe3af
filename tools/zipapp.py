"""Put `dist/vetting` together: one file that starts under CPython 3.11, 3.12 and 3.13.

    python -m tools.zipapp [OUTPUT]

pip fetches the pinned wheels once for each Python, the trees are laid over each other (native modules carry the Python's
tag in their names, so they lie side by side), what a running program never opens is left out, shiv makes the archive,
and the archive is written once more in canonical form: sorted, one date, two modes. Same input, same bytes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tools.assets import shelf

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"
DOOR = ROOT / "tools" / "front_door.py"
PYTHONS = ("3.11", "3.12", "3.13")
# glibc 2.36 is Debian 12's, the oldest system that we promise; wheels for any older one run there too.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)), "manylinux2014_x86_64")

NEVER_OPENED = re.compile(
    r"""
      (^|/)(tests?|_testcapi\.[^/]*|__pycache__|include|\.hash)(/|$)  # their tests, headers, build leftovers
    | \.(pyi|pyx|pxd|pxi|c|h|cpp|rs|pyc|exe)$                        # sources and stubs beside the built module
    | ^(bin|peewee-stubs)/ | ^pwiz\.py$                              # commands with the builder's path; stubs; a generator
    | \.dist-info/(RECORD|WHEEL|INSTALLER|REQUESTED|direct_url\.json|top_level\.txt|sboms/.*)$
    | ^pycparser/ | ^cffi/                                           # compile C; cryptography needs _cffi_backend alone
    | ^apprise/(i18n|assets)/(?!__init__) | ^apprise/cli\.py$         # translations, pictures for messages, its command
    | ^pygments/(lexers|styles|formatters)/(?!_mapping|__init__|default|python|terminal)
    """,
    re.VERBOSE,
)
LICENCE = re.compile(r"\.dist-info/(licenses/|LICEN[CS]E|COPYING|NOTICE|AUTHORS|METADATA)")
CARRIED = "_carried"  # in the package; `vetting/carried.py` reads from there
CARRIED_FOLDERS = ("pxe", "systemd")
OURS_LEFT_OUT = re.compile(r"(^|/)__pycache__(/|$)|\.pyc$|(^|/)\.")
SHEBANG = b"#!/usr/bin/env python3\n"
DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can tell. Any constant does; this one depends on nothing."""


def files(tree: Path) -> Iterator[tuple[str, Path]]:
    """Every regular file under `tree`, as (path inside it, path), sorted."""
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            yield path.relative_to(tree).as_posix(), path


def wanted(name: str) -> bool:
    """Whether a running program may open this file, or a licence asks that it stay."""
    return bool(LICENCE.search(name)) or not NEVER_OPENED.search(name)


def fetch(python: str, target: Path) -> None:
    """Unpack the pinned wheels for one Python into `target`; every file is checked against its hash."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--requirement", str(LOCK), "--only-binary", ":all:", "--no-compile"),
            *("--implementation", "cp", "--python-version", python, *platforms, "--target", str(target)),
        ],
        check=True,
    )


def lay_over(tree: Path, merged: Path) -> None:
    """Add `tree` to `merged`; one path with two contents would be wrong under one of the Pythons and stops the build."""
    for name, path in files(tree):
        if not wanted(name):
            continue
        place = merged / name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        elif place.read_bytes() != path.read_bytes():
            raise SystemExit(f"zipapp: {name} differs between the wheels of the Pythons; it cannot lie side by side")


def add_ours(merged: Path) -> None:
    """Add the vetting package itself, and below it the files that it needs from beside it."""
    trees = {ROOT / "vetting": "vetting"}
    trees |= {ROOT / folder: f"vetting/{CARRIED}/{folder}" for folder in CARRIED_FOLDERS}
    for tree, below in trees.items():
        for name, path in files(tree):
            if not OURS_LEFT_OUT.search(name):
                place = merged / below / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


def canonical(archive: Path, output: Path) -> None:
    """Rewrite shiv's archive sorted, with one date and plain modes, and with our own first lines before shiv's."""
    entries: dict[str, bytes] = {}
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            entries[name] = source.read(name)
    build_id = json.loads(entries["environment.json"])["build_id"]
    entries["__main__.py"] = DOOR.read_text().replace('BUILD_ID = ""', f'BUILD_ID = "{build_id}"').encode()
    fresh = output.with_name(output.name + ".new")
    with fresh.open("wb") as out:
        out.write(SHEBANG)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
            for name, data in sorted(entries.items()):
                info = zipfile.ZipInfo(name, DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
                target.writestr(info, data)
    fresh.chmod(0o755)
    fresh.replace(output)


def build(output: Path) -> None:
    """Write the zipapp to `output`, or raise; a build that fails leaves an earlier one as it was."""
    if not shelf.ready():
        raise SystemExit(
            f"zipapp: the pages' scripts in {shelf.VENDOR.relative_to(ROOT)} are missing, or are not what the lock says: "
            "run python -m tools.assets first (./build.sh zipapp does both)"
        )
    with tempfile.TemporaryDirectory(prefix="vetting-zipapp-") as scratch:
        merged = Path(scratch) / "merged"
        for python in PYTHONS:
            tree = Path(scratch) / python
            fetch(python, tree)
            lay_over(tree, merged)
        add_ours(merged)
        archive = Path(scratch) / "shiv"
        subprocess.run(
            [
                *(sys.executable, "-m", "shiv", "--reproducible", "--site-packages", str(merged)),
                *("--entry-point", "vetting.cli:main", "--output-file", str(archive)),
            ],
            check=True,
        )
        output.parent.mkdir(parents=True, exist_ok=True)
        canonical(archive, output)


def main() -> int:
    """Build and say how large it became."""
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "vetting"
    try:
        build(output)
    except subprocess.CalledProcessError as failed:
        print(f"zipapp: {failed.cmd[2]} exited with status {failed.returncode}; it said why above", file=sys.stderr)
        return 1
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
