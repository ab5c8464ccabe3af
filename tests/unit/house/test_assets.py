"""What comes from npm: pinned, with its hash, from no named registry; and no zipapp goes out without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import zipapp
from tools.assets import shelf

LOCKED = json.loads(shelf.LOCK.read_text())


def faults(text: str) -> list[str]:
    """What a lock file must not say, and what it must say of every package."""
    lock: dict[str, Any] = json.loads(text)
    named = [word for word in ("http:", "https:", "git+", '"resolved"') if word in text]
    packages = {name: package for name, package in lock["packages"].items() if name}
    loose = [name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")]
    return named + loose + ([] if packages else ["no packages"])


def test_the_lock_names_no_registry_and_has_a_hash_of_every_package() -> None:
    assert faults(shelf.LOCK.read_text()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"resolved": "htt" + "ps://registry.invalid/uplot.tgz"}, '"resolved"'),
        ({"integrity": ""}, "node_modules/uplot"),
        ({"integrity": "sha1-AAAA"}, "node_modules/uplot"),
    ],
)
def test_a_lock_that_does_is_found(change: dict[str, str], fault: str) -> None:
    lock = json.loads(shelf.LOCK.read_text())
    lock["packages"]["node_modules/uplot"] |= change
    assert fault in faults(json.dumps(lock))


def test_the_lock_is_of_what_package_json_asks_and_asks_for_exact_releases() -> None:
    asked = json.loads(shelf.MANIFEST.read_text())
    for kind in ("dependencies", "devDependencies"):
        assert LOCKED["packages"][""][kind] == asked[kind]
        for name, version in asked[kind].items():
            assert LOCKED["packages"][f"node_modules/{name}"]["version"] == version


def test_whatever_is_served_brings_its_licence() -> None:
    packages = {source.split("/")[0] for source in shelf.SERVED.values()}
    licences = {source.split("/")[0] for source in shelf.SERVED.values() if source.endswith("/LICENSE")}
    assert packages == licences == set(LOCKED["packages"][""]["dependencies"])


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as npm leaves it, and shelves of our own to stock from it."""
    for source in (*shelf.SERVED.values(), *shelf.FOR_TESTS.values()):
        path = tmp_path / "npm" / "node_modules" / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"// {source}")
    monkeypatch.setattr(shelf, "WORKSHOP", tmp_path / "npm")
    monkeypatch.setattr(shelf, "VENDOR", tmp_path / "vendor")
    return tmp_path / "npm" / "node_modules"


def test_stocked_shelves_are_ready_until_something_on_them_changes(packages: Path, tmp_path: Path) -> None:
    assert not shelf.ready()
    shelf.stock()
    assert shelf.ready()
    assert (tmp_path / "vendor" / "hx-sse.min.js").read_text() == "// htmx.org/dist/ext/hx-sse.min.js"
    (tmp_path / "vendor" / "htmx.min.js").write_text("// somebody else's")
    assert not shelf.ready()


def test_a_new_lock_empties_the_shelves(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.stock()
    (tmp_path / "lock").write_text("{}")
    monkeypatch.setattr(shelf, "LOCK", tmp_path / "lock")
    assert not shelf.ready()


def test_a_file_that_a_package_no_longer_has_is_named(packages: Path) -> None:
    (packages / "uplot" / "dist" / "uPlot.min.css").unlink()
    with pytest.raises(SystemExit, match=r"hold no uplot/dist/uPlot\.min\.css"):
        shelf.stock()


def test_no_zipapp_is_built_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "WORKSHOP", tmp_path)
    with pytest.raises(SystemExit, match=r"python -m tools\.assets"):
        zipapp.build(tmp_path / "vetting")
    assert not (tmp_path / "vetting").exists()


def test_what_the_pages_load_lies_in_the_zipapp(tmp_path: Path, repository: Path) -> None:
    zipapp.add_ours(tmp_path)
    static = {name for name, _ in zipapp.files(repository / "vetting" / "web" / "static")}
    packed = {name for name, _ in zipapp.files(tmp_path / "vetting" / "web" / "static")}
    assert {f"vendor/{name}" for name in shelf.SERVED} <= packed
    assert static == packed
