"""How the zipapp is put together: what is left out, what stops the build, and that the same input gives the same bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import zipapp
from vetting import carried


@pytest.mark.parametrize(
    "name",
    [
        "aiohttp/_http_parser.pyx",
        "psutil/tests/test_linux.py",
        "multidict/_testcapi.cpython-311-x86_64-linux-gnu.so",
        "bin/normalizer",
        "yarl-1.25.1.dist-info/RECORD",
        "rich/__pycache__/console.cpython-311.pyc",
        "pygments/lexers/_cobol_builtins.py",
        "peewee-stubs/__init__.pyi",
        "apprise/i18n/de/LC_MESSAGES/apprise.mo",
        "apprise/assets/themes/default/apprise-info-256x256.png",
    ],
)
def test_what_a_running_program_never_opens_is_left_out(name: str) -> None:
    assert not zipapp.wanted(name)


@pytest.mark.parametrize(
    "name",
    [
        "aiohttp/_http_parser.cpython-313-x86_64-linux-gnu.so",
        "cryptography/hazmat/bindings/_rust.abi3.so",
        "cryptography-50.0.2.dist-info/licenses/LICENSE.APACHE",
        "jinja2/tests.py",
        "yarl-1.25.1.dist-info/METADATA",
        "vetting/report/chart.html",
    ],
)
def test_what_a_program_or_a_licence_needs_stays(name: str) -> None:
    assert zipapp.wanted(name)


def write(tree: Path, **contents: str) -> Path:
    for name, text in contents.items():
        place = tree / name.replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tree


def test_native_modules_of_two_pythons_lie_side_by_side(tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    zipapp.lay_over(write(tmp_path / "a", core__py="same", x__cpython_311__so="a"), merged)
    zipapp.lay_over(write(tmp_path / "b", core__py="same", x__cpython_312__so="b"), merged)
    assert [name for name, _ in zipapp.files(merged)] == ["core.py", "x.cpython_311.so", "x.cpython_312.so"]


def test_one_path_with_two_contents_stops_the_build(tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    zipapp.lay_over(write(tmp_path / "a", core__py="one"), merged)
    with pytest.raises(SystemExit, match=r"core\.py differs"):
        zipapp.lay_over(write(tmp_path / "b", core__py="two"), merged)


def test_the_zipapp_carries_what_the_program_needs_from_beside_it(tmp_path: Path, repository: Path) -> None:
    zipapp.add_ours(tmp_path)
    for name in ("pxe/boot.ipxe", "pxe/dnsmasq.conf", "systemd/vetting.service"):
        packed = tmp_path / "vetting" / carried.CARRIED / name
        assert packed.read_bytes() == (repository / name).read_bytes() == carried.path(name).read_bytes()
    assert zipapp.CARRIED_FOLDERS == carried.FOLDERS


def test_from_inside_the_zipapp_its_own_copies_are_read_and_the_image_lies_beside_it(tmp_path: Path) -> None:
    zipapp.add_ours(tmp_path / "site")
    script = (
        "import sys; sys.argv[0] = sys.argv[1]; from vetting import carried; "
        "print(carried.path('pxe/boot.ipxe'), carried.beside('image'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "vetting")],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    inside, image = told.stdout.split()
    assert inside == str(tmp_path / "site" / "vetting" / "_carried" / "pxe" / "boot.ipxe")
    assert image == str(tmp_path / "image")


def archive(path: Path, order: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in order:
            made.writestr(name, json.dumps({"build_id": "abc"}) if name == "environment.json" else name)
    return path


def test_the_same_contents_give_the_same_bytes_in_whatever_order_they_came(tmp_path: Path) -> None:
    names = ["environment.json", "__main__.py", "_bootstrap/__init__.py", "site-packages/a.so", "site-packages/b.py"]
    shuffled = names.copy()
    random.Random(7).shuffle(shuffled)
    zipapp.canonical(archive(tmp_path / "1", names), tmp_path / "one")
    zipapp.canonical(archive(tmp_path / "2", shuffled), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_the_build_id_is_written_into_the_first_lines(tmp_path: Path) -> None:
    zipapp.canonical(archive(tmp_path / "1", ["environment.json", "__main__.py"]), tmp_path / "one")
    with zipfile.ZipFile(tmp_path / "one") as made:
        assert 'BUILD_ID = "abc"' in made.read("__main__.py").decode()


def small_zipapp(tmp_path: Path) -> Path:
    """A zipapp with the real first lines and shiv's real start, and a vetting that only says where it lies."""
    merged = tmp_path / "merged"
    (merged / "vetting").mkdir(parents=True)
    (merged / "vetting" / "__init__.py").touch()
    (merged / "vetting" / "cli.py").write_text(
        "import sys\ndef main():\n    print(__file__, 'shiv' if '_bootstrap' in sys.modules else 'straight')\n    return 5\n"
    )
    subprocess.run(
        [
            *(sys.executable, "-m", "shiv", "--reproducible", "--site-packages", merged),
            *("-e", "vetting.cli:main", "-o", tmp_path / "shiv"),
        ],
        check=True,
        capture_output=True,
    )
    zipapp.canonical(tmp_path / "shiv", tmp_path / "app")
    return tmp_path / "app"


def start(app: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SHIV_")}
    return subprocess.run(
        [sys.executable, app], env={**clean, **environment}, capture_output=True, text=True, check=False
    )


def test_the_first_start_unpacks_and_the_next_goes_straight_to_the_verb(tmp_path: Path) -> None:
    app = small_zipapp(tmp_path)
    first = start(app, SHIV_ROOT=str(tmp_path / "root"))
    assert (first.returncode, first.stderr) == (5, "")
    where, how = first.stdout.split()
    assert where.startswith(str(tmp_path / "root" / "app_"))
    assert how == "shiv"
    assert start(app, SHIV_ROOT=str(tmp_path / "root")).stdout.split() == [where, "straight"]


def test_what_shiv_promises_of_its_variables_still_holds(tmp_path: Path) -> None:
    app = small_zipapp(tmp_path)
    told = start(app, SHIV_ROOT=str(tmp_path / "root"), SHIV_ENTRY_POINT="vetting.cli:main")
    assert told.stdout.split()[1] == "shiv"


def test_a_folder_that_cannot_be_written_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = start(small_zipapp(tmp_path), SHIV_ROOT=str(tmp_path / "file" / "below"))
    assert told.returncode == 1
    assert told.stderr.startswith("vetting: cannot unpack into")
    assert "SHIV_ROOT=FOLDER" in told.stderr
    assert "Traceback" not in told.stderr
