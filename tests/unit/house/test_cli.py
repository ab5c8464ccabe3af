"""The verbs' table and what the command line does with refusals, mistakes and interruptions."""

from __future__ import annotations

import argparse
import pkgutil
import subprocess
import sys
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import vetting
from vetting import cli, verbs
from vetting.domain.errors import Refusal, Unavailable


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], int]], None]:
    """Puts a verb `greet` into the table, whose main is the given function."""

    def put(main: Callable[[argparse.Namespace], int]) -> None:
        module = types.ModuleType("tests.greet")
        module.EXAMPLE = "vetting greet --loud"  # type: ignore[attr-defined]
        module.add_arguments = lambda parser: parser.add_argument("--loud", action="store_true")  # type: ignore[attr-defined]
        module.main = main  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tests.greet", module)
        monkeypatch.setitem(cli.VERBS, "greet", cli.Verb("tests.greet", "says hello"))
        monkeypatch.setitem(cli.VERBS, "haunt", cli.Verb("tests.no_such_module", "is not shown", hidden=True))

    return put


def test_every_verb_in_the_table_has_its_module_and_an_example() -> None:
    for name, entry in cli.VERBS.items():
        module = import_module(entry.module)
        assert module.EXAMPLE.startswith(f"vetting {name}"), name
        assert callable(module.main)
        module.add_arguments(argparse.ArgumentParser())


def test_every_verb_module_stands_in_the_table() -> None:
    written = {f"vetting.verbs.{found.name}" for found in pkgutil.iter_modules(verbs.__path__)}
    said = {entry.module for entry in cli.VERBS.values()}
    assert {name for name in written if hasattr(import_module(name), "add_arguments")} == said


@pytest.mark.parametrize("name", [*cli.VERBS])
def test_the_help_of_every_verb_ends_with_its_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    last = capsys.readouterr().out.rstrip().rpartition("example:\n")[2]
    assert last.strip() == import_module(cli.VERBS[name].module).EXAMPLE.strip()


def test_the_overview_lists_summaries_and_imports_no_verb(
    verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(lambda args: 0)
    cli.VERBS["greet"] = cli.Verb("tests.no_such_module", "says hello")
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert "greet" in told
    assert "says hello" in told
    assert "haunt" not in told


def test_no_verb_at_all_shows_the_overview_and_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: vetting" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vetting {vetting.__version__}\n"


def test_the_version_imports_nothing_that_is_heavy(repository: Path) -> None:
    script = (
        "import sys; from vetting.cli import main; main(['--version']); "
        "print([m for m in ('argparse', 'asyncio', 'aiohttp', 'peewee', 'rich', 'yaml') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


def test_a_verb_gets_its_arguments_and_gives_the_status(verb: Callable[..., None]) -> None:
    verb(lambda args: 3 if args.loud else 4)
    assert cli.main(["greet", "--loud"]) == 3
    assert cli.main(["greet"]) == 4


def test_help_verb_is_the_same_as_verb_help(verb: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    verb(lambda args: 0)
    assert cli.main(["help", "greet"]) == 0
    first = capsys.readouterr().out
    assert cli.main(["greet", "--help"]) == 0
    assert capsys.readouterr().out == first
    assert "vetting greet --loud" in first


def test_an_unknown_verb_is_answered_with_the_nearest(
    verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(lambda args: 0)
    assert cli.main(["gret"]) == 2
    assert "did you mean `vetting greet`?" in capsys.readouterr().err


def test_an_unknown_verb_that_is_near_to_nothing_points_to_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["qqqqqqqq"]) == 2
    assert "`vetting --help` lists the verbs" in capsys.readouterr().err


def test_a_wrong_argument_is_a_mistake_of_the_caller(
    verb: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    verb(lambda args: 0)
    assert cli.main(["greet", "--quiet"]) == 2
    assert "--quiet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refusal", "status"), [(Refusal("the port is taken"), 2), (Unavailable("the disk is full"), 1)]
)
def test_a_refusal_is_one_sentence_and_a_status(
    verb: Callable[..., None], capsys: pytest.CaptureFixture[str], refusal: Refusal, status: int
) -> None:
    def main(args: argparse.Namespace) -> int:
        raise refusal

    verb(main)
    assert cli.main(["greet"]) == status
    assert capsys.readouterr().err == f"vetting: {refusal}\n"


def test_an_interruption_ends_quietly(verb: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    def main(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    verb(main)
    assert cli.main(["greet"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_goes_away_causes_no_traceback(repository: Path) -> None:
    told = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; PYTHONUNBUFFERED=1 {sys.executable} -m vetting --help | true; echo ${{PIPESTATUS[0]}}",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert told.stderr == ""
    assert told.stdout.strip() in ("0", "141")


def test_a_closed_stdout_is_the_status_of_a_broken_pipe(repository: Path) -> None:
    script = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "from vetting.cli import main; sys.exit(main(['--help']))"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=repository, stderr=subprocess.PIPE, text=True)
    assert (told.returncode, told.stderr) == (141, "")
