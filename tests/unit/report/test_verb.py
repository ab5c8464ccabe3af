"""`vetting report`: from the database to a file, without an orchestrator, with plain errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes import records
from vetting import cli
from vetting.store import Store


@pytest.fixture
def data(store: Store) -> Path:
    records.completed(records.vetted(store))
    return store.path.parent


def test_the_page_is_written_beside_an_open_store(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "run-1.html"
    assert cli.main(["report", "1", "--data", str(data), "-o", str(target)]) == 0
    assert target.read_text().rstrip().endswith("</html>")
    assert (
        capsys.readouterr().err.strip() == f"{target}: Vetted: every stage passed (GPU skipped: no GPU in this host)."
    )


def test_a_name_that_ends_in_json_means_json(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "run-1.json"
    assert cli.main(["report", "1", "--data", str(data), "-o", str(target)]) == 0
    assert json.loads(target.read_bytes())["verdict"]["word"] == "vetted"


def test_without_a_file_it_goes_to_standard_output(data: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["report", "1", "--data", str(data), "--format", "json"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["run"]["id"] == 1


def test_the_configuration_names_the_data_directory(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "vetting.yaml"
    config.write_text(f"server:\n  data_dir: {data}\n")
    assert cli.main(["report", "1", "--config", str(config), "-o", str(tmp_path / "a.html")]) == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["report", "9"], 2, "there is no run 9"),
        (["report", "9", "--format", "pdf"], 2, "invalid choice"),
        (["report", "nine"], 2, "invalid int value"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    words: list[str], status: int, said: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--data", str(data)]) == status
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_directory_without_a_database_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "1", "--data", str(tmp_path)]) == 1
    assert "there is no database at" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wall").write_text("")
    assert cli.main(["report", "1", "--data", str(data), "-o", str(tmp_path / "wall" / "r.html")]) == 1
    assert "wall" in capsys.readouterr().err
