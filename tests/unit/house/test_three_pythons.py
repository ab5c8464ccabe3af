"""The one file under every Python it promises, its native modules really loaded; and build.sh as a stranger meets it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vetting
from vetting.carried import CARRIED, FOLDERS

pytestmark = pytest.mark.machine

PROMISED = ("3.11", "3.12", "3.13")
NATIVE = """
import sys, aiohttp._http_parser, aiohttp._http_writer, msgspec._core, psutil._psutil_linux, yaml._yaml
import frozenlist._frozenlist, multidict._multidict, yarl._quoting_c, propcache._helpers_c, markupsafe._speedups
from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
import aiohttp.web, aiohttp_sse, jinja2, peewee, psutil, rich.console, rich.live, rich.progress, rich.table, yaml
Ed25519PrivateKey.generate().sign(b"x")
assert yaml.load("a: 1", Loader=yaml.CSafeLoader) == {"a": 1}
native = [m for m in sys.modules.values() if getattr(m, "__file__", "") and m.__file__.endswith(".so")]
print(sum("site-packages" in m.__file__ for m in native))
"""


def interpreters(version: str) -> Iterator[str]:
    """Every place where a Python of this version may lie: PATH, this very interpreter, pyenv's folder."""
    yield from filter(None, [shutil.which(f"python{version}"), "/usr/bin/python3", sys.executable])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python3")))


def python(version: str) -> str | None:
    """A Python of this version that really starts, or nothing."""
    for candidate in interpreters(version):
        try:
            told = subprocess.run(
                [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
            )
        except OSError:
            continue
        if told.stdout.strip() == version:
            return candidate
    return None


@pytest.fixture(scope="module")
def zipapp(repository: Path) -> Path:
    """dist/vetting as build.sh makes it; nothing to do where nothing changed."""
    subprocess.run([repository / "build.sh", "zipapp"], check=True, capture_output=True)
    return repository / "dist" / "vetting"


@pytest.mark.parametrize("version", PROMISED)
def test_the_zipapp_tells_its_version_under_each_python(zipapp: Path, tmp_path: Path, version: str) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on this machine")
    env = {**os.environ, "SHIV_ROOT": str(tmp_path)}
    told = subprocess.run([interpreter, zipapp, "--version"], env=env, capture_output=True, text=True)
    assert (told.returncode, told.stdout, told.stderr) == (0, f"vetting {vetting.__version__}\n", "")


@pytest.mark.parametrize("version", PROMISED)
def test_the_native_modules_load_under_each_python(zipapp: Path, tmp_path: Path, version: str) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on this machine")
    env = {**os.environ, "SHIV_ROOT": str(tmp_path), "SHIV_INTERPRETER": "1"}
    told = subprocess.run([interpreter, zipapp, "-c", NATIVE], env=env, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) >= 13


def test_the_zipapp_holds_the_package_as_it_stands_here(zipapp: Path, repository: Path) -> None:
    import zipfile

    with zipfile.ZipFile(zipapp) as opened:
        inside = {
            name.removeprefix("site-packages/"): opened.read(name)
            for name in opened.namelist()
            if name.startswith("site-packages/vetting/")
        }
    trees = {"vetting": "vetting", **{f"vetting/{CARRIED}/{folder}": folder for folder in FOLDERS}}
    here = {
        f"{place}/{path.relative_to(repository / tree).as_posix()}": path.read_bytes()
        for place, tree in trees.items()
        for path in (repository / tree).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert inside == here, "dist/vetting is older than vetting/; run ./build.sh zipapp"


def as_nobody(repository: Path, *words: str, path: str) -> subprocess.CompletedProcess[str]:
    """build.sh run by a user who may become root in no way; the checkout is copied to where that user can read."""
    return subprocess.run(
        [
            shutil.which("setpriv") or "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "bash",
            "build.sh",
            *words,
        ],
        cwd=repository,
        env={"PATH": path, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def stranger(repository: Path) -> Iterator[Path]:
    """A folder outside root's own, with build.sh and what it is made of, readable by everybody."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        script = repository / "build.sh"
        shutil.copy(script, folder)
        for part in re.findall(r'^source "\$here/(.+)"$', script.read_text(), flags=re.MULTILINE):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / part, folder / part)
        yield folder


def test_try_without_root_prints_the_exact_command(stranger: Path) -> None:
    told = as_nobody(stranger, "try", path="/usr/bin:/bin")
    assert told.returncode == 2
    assert f"sudo {stranger}/build.sh try" in told.stderr


def test_a_missing_program_without_root_prints_what_to_install(stranger: Path) -> None:
    (stranger / "bin").mkdir()
    for program in ("bash", "dirname", "cut", "sort", "sha256sum", "apt-get", "cat", "mkdir"):
        if found := shutil.which(program):
            (stranger / "bin" / program).symlink_to(found)
    script = (stranger / "build.sh").read_text()
    (stranger / "build.sh").write_text(re.sub(r"^export PATH=.*$", "", script, flags=re.MULTILINE))
    told = as_nobody(stranger, "test", "lint", path=str(stranger / "bin"))
    assert told.returncode == 2, told.stderr
    if "this is not Debian" not in told.stderr:
        assert re.search(r"sudo apt-get update && sudo apt-get install --yes .* git .*shellcheck", told.stderr)


def test_what_root_made_in_the_checkout_of_another_belongs_to_that_one(stranger: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    for name in ("vetting", "tests", "tools", "build", ".venv/bin"):
        (stranger / name).mkdir(parents=True, exist_ok=True)
    (stranger / ".venv/bin/python").symlink_to(elsewhere)
    os.chown(stranger, 65534, 65534)
    told = subprocess.run([stranger / "build.sh", "clean"], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert not (stranger / "build").exists()
    assert {path.lstat().st_uid for path in stranger.rglob("*")} == {65534}
    assert elsewhere.stat().st_uid == 0, "what a link points to is not in the checkout"


@pytest.mark.parametrize("words", [["nonsense"], ["test", "nonsense"], []])
def test_a_command_that_there_is_not_is_status_2_and_says_what_there_is(repository: Path, words: list[str]) -> None:
    told = subprocess.run([repository / "build.sh", *words], capture_output=True, text=True)
    assert told.returncode == 2
    assert "./build.sh" in told.stdout + told.stderr


def test_a_second_build_with_nothing_changed_takes_less_than_five_seconds(repository: Path) -> None:
    subprocess.run([repository / "build.sh", "zipapp"], check=True, capture_output=True)
    began = time.monotonic()
    told = subprocess.run([repository / "build.sh", "zipapp"], check=True, capture_output=True, text=True)
    assert time.monotonic() - began < 5
    assert "dist/vetting is ready" in told.stderr
