"""`./build.sh install` and `uninstall` below a DESTDIR: what lies where, what is never overwritten, what stays."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
# The installer as build.sh sources it; the program itself is a stand-in, for building it is not the question here.
AS_BUILD_SH = """
set -euo pipefail
say() { printf 'build.sh: %s\\n' "$*" >&2; }
refuse() { say "$*"; exit 2; }
build_zipapp() { :; }
here=$1 zipapp=$2
shift 2
source "$here/tools/install.sh"
"do_$@"
"""


@dataclass(frozen=True)
class Checkout:
    """A checkout with what the installer takes from it."""

    here: Path
    dest: Path

    def do(self, *words: str, dest: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", AS_BUILD_SH, "build.sh", self.here, self.here / "dist" / "vetting", *words],
            env={**os.environ, "DESTDIR": str(self.dest) if dest is None else dest},
            capture_output=True,
            text=True,
        )

    def files(self) -> set[str]:
        return {str(path.relative_to(self.dest)) for path in self.dest.rglob("*") if path.is_file()}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    here = tmp_path / "checkout"
    (here / "dist" / "image").mkdir(parents=True)
    for folder in ("tools", "systemd", "docs"):
        (here / folder).symlink_to(REPOSITORY / folder)
    (here / "vetting.yaml").write_bytes((REPOSITORY / "vetting.yaml").read_bytes())
    (here / "dist" / "vetting").write_text("#!/usr/bin/env python3\nprint('first')\n")
    for name in ("vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi", "manifest.json"):
        (here / "dist" / "image" / name).write_text(name)
    return Checkout(here, tmp_path / "dest")


PROGRAM = "usr/local/lib/vetting/vetting"
CONFIG = "etc/vetting/vetting.yaml"


def test_everything_lies_where_the_service_looks_for_it(checkout: Checkout) -> None:
    told = checkout.do("install")
    assert told.returncode == 0, told.stderr
    assert {name for name in checkout.files() if "/docs/" not in name} == {
        PROGRAM,
        "usr/local/bin/vetting",
        *(f"usr/local/lib/vetting/image/{path.name}" for path in (checkout.here / "dist" / "image").iterdir()),
        "etc/systemd/system/vetting.service",
        "etc/sysusers.d/vetting.conf",
        CONFIG,
    }
    assert "no user was made and no service was touched" in told.stderr
    assert stat.S_IMODE((checkout.dest / CONFIG).stat().st_mode) == 0o640  # channels carry passwords
    unit = (checkout.dest / "etc/systemd/system/vetting.service").read_text()
    assert f" /{PROGRAM} serve --config /{CONFIG}\n" in unit


def test_another_prefix_reaches_the_unit_and_the_launcher(checkout: Checkout) -> None:
    assert checkout.do("install", "--prefix", "/opt/site").returncode == 0
    assert "/opt/site/lib/vetting/vetting serve" in (checkout.dest / "etc/systemd/system/vetting.service").read_text()
    assert "/opt/site/lib/vetting/vetting" in (checkout.dest / "opt/site/bin/vetting").read_text()
    assert not (checkout.dest / "usr").exists()
    assert checkout.do("uninstall", "--prefix", "/opt/site").returncode == 0
    assert checkout.files() == {CONFIG}


def test_an_upgrade_brings_the_program_and_never_touches_your_configuration(checkout: Checkout) -> None:
    checkout.do("install")
    assert checkout.do("install").stderr.count("stays as it is") == 0
    (checkout.dest / CONFIG).write_text("server: {port: 9443}\n")
    (checkout.here / "dist" / "vetting").write_text("second")
    (checkout.here / "dist" / "image" / "vmlinuz").write_text("second")
    (checkout.here / "dist" / "image" / "manifest.json").unlink()
    told = checkout.do("install")
    assert told.returncode == 0
    assert "vetting.yaml.new" in told.stderr
    assert (checkout.dest / CONFIG).read_text() == "server: {port: 9443}\n"
    assert (checkout.dest / f"{CONFIG}.new").read_bytes() == (checkout.here / "vetting.yaml").read_bytes()
    assert (checkout.dest / PROGRAM).read_text() == "second"
    image = checkout.dest / "usr/local/lib/vetting/image"
    assert (image / "vmlinuz").read_text() == "second"
    assert not (image / "manifest.json").exists()  # nothing of the earlier image is left among the new one
    assert not [name for name in checkout.files() if name.endswith(".part")]
    (checkout.dest / CONFIG).write_bytes((checkout.here / "vetting.yaml").read_bytes())
    checkout.do("install")
    assert not (checkout.dest / f"{CONFIG}.new").exists()


def test_without_an_image_it_says_so_and_installs_the_rest(checkout: Checkout) -> None:
    (checkout.here / "dist" / "image" / "vmlinuz").unlink()
    told = checkout.do("install")
    assert told.returncode == 0
    assert "no host can boot over the network yet" in told.stderr
    assert not (checkout.dest / "usr/local/lib/vetting/image").exists()


def test_uninstall_leaves_what_you_wrote_and_recorded_and_purge_does_not(checkout: Checkout) -> None:
    checkout.do("install")
    data = checkout.dest / "var/lib/vetting/vetting.db"
    data.parent.mkdir(parents=True)
    data.write_text("runs")
    stranger = checkout.dest / "usr/local/lib/other"
    stranger.write_text("not ours")
    told = checkout.do("uninstall")
    assert checkout.files() == {CONFIG, "var/lib/vetting/vetting.db", "usr/local/lib/other"}
    assert "stay" in told.stderr and "--purge" in told.stderr
    assert checkout.do("uninstall", "--purge").returncode == 0
    assert checkout.files() == {"usr/local/lib/other"}
    assert checkout.do("uninstall").returncode == 0  # what is gone may go again


@pytest.mark.parametrize("prefix", ["", "/", "relative", "/usr/../etc", "/a b", "/a;rm", "/home/me", "/usr/local/"])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_prefix_that_could_lead_elsewhere_is_refused_and_nothing_is_written(
    checkout: Checkout, command: str, prefix: str
) -> None:
    told = checkout.do(command, "--prefix", prefix)
    assert told.returncode == 2
    assert "prefix" in told.stderr
    assert not checkout.dest.exists()


def test_a_relative_destdir_and_an_unknown_word_are_refused(checkout: Checkout) -> None:
    assert checkout.do("install", dest="dest").returncode == 2
    assert checkout.do("install", "--now").returncode == 2
    assert checkout.do("uninstall", "--all").returncode == 2
