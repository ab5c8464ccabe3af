"""`vetting agent` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetting import cli


def test_help_has_an_example_and_no_secret_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["agent", "--help"]) == 0
    said = capsys.readouterr().out
    assert "vetting agent --url https://" in said
    assert "--ticket-file" in said
    assert "--ticket " not in said


def test_without_an_orchestrator_it_says_what_to_give(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["agent", "--root", str(machine)]) == 2
    said = capsys.readouterr().err
    assert said == (
        "vetting: the agent does not know its orchestrator: give --url and --fingerprint, or vetting.url= and "
        "vetting.fingerprint= on the kernel command line\n"
    )


def test_a_state_directory_that_cannot_be_is_said(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--url", "https://127.0.0.1:1", "--fingerprint", "ab" * 32, "--state-dir", str(machine / "proc/mounts/x")]
    assert cli.main(["agent", "--root", str(machine), *words]) == 2
    assert "name another with --state-dir" in capsys.readouterr().err
