"""`vetting check-config`: every mistake with its file, line and key path; exit status 2."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from vetting.domain.errors import BadInput
from vetting.verbs import check_config


def run(*words: str) -> int:
    parser = ArgumentParser()
    check_config.add_arguments(parser)
    return check_config.main(parser.parse_args(words))


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "vetting.yaml"
    path.write_text("server:\n  port: 0\n  prt: 1\n", encoding="utf-8")
    return path


def test_a_file_without_mistakes_is_said_to_have_none(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(repository / "vetting.yaml")) == 0
    assert "no mistakes" in capsys.readouterr().out


def test_each_mistake_is_a_line_with_file_line_and_key(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(wrong)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"{wrong}:2: server.port: must be between 1 and 65535, it is 0",
        f"{wrong}:3: server.prt: there is no such key; did you mean port?",
    ]


def test_json_says_the_same_to_programs(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(wrong), "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["ok"]) == (str(wrong), False)
    assert [(one["line"], one["path"]) for one in told["mistakes"]] == [(2, "server.port"), (3, "server.prt")]


def test_json_of_a_file_without_mistakes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(repository / "vetting.yaml"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_no_file_at_all_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vetting.config import loading

    monkeypatch.setattr(loading, "PLACES", (tmp_path / "vetting.yaml",))
    with pytest.raises(BadInput, match="name the file to check"):
        run()
    with pytest.raises(BadInput, match="cannot read"):
        run(str(tmp_path / "absent.yaml"))
