"""The service file: systemd itself takes it, how far it is shut in, and that it says what the program needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vetting.verbs import serve

REPOSITORY = Path(__file__).resolve().parents[3]
UNIT = REPOSITORY / "systemd" / "vetting.service"
HIGHEST_EXPOSURE = 2.1  # docs/security.md quotes it
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: install the package systemd"
)


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)


def exposure(unit: Path) -> float:
    told = analyze("security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", told.stdout)
    assert found, told.stdout + told.stderr
    return float(found[1])


@needs_systemd
def test_systemd_takes_every_line_of_it() -> None:
    told = analyze("verify", UNIT)
    assert (told.returncode, told.stderr) == (0, "")


@needs_systemd
def test_a_line_that_systemd_does_not_know_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "vetting.service"
    broken.write_text(UNIT.read_text().replace("ProtectSystem=strict", "ProtectSystems=strict"))
    assert "ProtectSystems" in analyze("verify", broken).stderr


@needs_systemd
def test_it_is_shut_in_as_far_as_the_page_says(tmp_path: Path) -> None:
    bare = tmp_path / "vetting.service"
    bare.write_text(f"[Service]\nExecStart={settings()['ExecStart'][0]}\n")
    before, after = exposure(bare), exposure(UNIT)
    assert after <= HIGHEST_EXPOSURE < before
    quoted = re.search(r"([0-9.]+) UNSAFE .*\n([0-9.]+) OK", (REPOSITORY / "docs" / "security.md").read_text())
    assert quoted, "docs/security.md quotes both figures"
    assert (float(quoted[1]), float(quoted[2])) == (9.6, HIGHEST_EXPOSURE)


def test_the_capabilities_are_those_that_dnsmasq_asks_for_and_no_others() -> None:
    wanted = {"CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN", "CAP_NET_RAW"}
    assert set(settings()["AmbientCapabilities"][0].split()) == wanted
    assert set(settings()["CapabilityBoundingSet"][0].split()) == wanted


def test_a_mistake_in_the_configuration_is_not_tried_again() -> None:
    from vetting.domain.errors import Refusal, Unavailable

    assert settings()["RestartPreventExitStatus"] == [str(Refusal.exit_code)]
    assert Unavailable.exit_code != Refusal.exit_code
    assert settings()["Restart"] == ["on-failure"]


def test_the_watchdog_waits_longer_than_the_database_does_for_a_lock() -> None:
    from vetting.store.db import BUSY_S

    (watchdog,) = settings()["WatchdogSec"]
    assert int(watchdog.removesuffix("s")) > 4 * BUSY_S


def test_it_runs_the_command_line_that_the_verb_shows() -> None:
    assert settings()["ExecStart"][0].split(" ", 1)[1].endswith(f"/{serve.EXAMPLE}")
