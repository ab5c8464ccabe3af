"""`vetting host pin` against a real orchestrator: it shows, asks, and writes what it showed."""

from __future__ import annotations

import io
import json
import random

import pytest

from tests.fakes.siblings import Sibling, good_run
from tests.unit.verbs.conftest import Console
from vetting.domain.errors import BadInput
from vetting.verbs.host_pin import share

TWIN = Sibling(1, random.Random(1))


@pytest.fixture
def vetted(console: Console) -> Console:
    console.server.store.write_now(lambda: good_run(Sibling(1, random.Random(1))))
    return console


def floors(console: Console) -> int:
    shown = json.loads(console.type("host", "show", TWIN.name, "--json")[1])
    return len(shown["spec"]["floors"])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_dry_run_shows_each_floor_with_what_it_was_made_of_and_pins_nothing(vetted: Console) -> None:
    status, out, _ = vetted.type("host", "pin", TWIN.name, "--dry-run")
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.startswith("fio IOPS")]
    for said in ("at least", "/s", "disk:* SAMSUNG MZ7LH960, 0 GB", "4"):
        assert said in line
    assert "twin-01: " in out
    assert floors(vetted) == 0


def test_it_asks_a_person_and_takes_no_for_an_answer(vetted: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert "nothing was pinned" in vetted.type("host", "pin", TWIN.name)[1]
    assert floors(vetted) == 0
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert "pinned in the expected spec of twin-01" in vetted.type("host", "pin", TWIN.name)[1]
    assert floors(vetted) > 5
    assert "nothing would change" in vetted.type("host", "pin", TWIN.name)[1]


def test_without_a_terminal_it_wants_to_be_told(vetted: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, _, err = vetted.type("host", "pin", TWIN.name)
    assert (status, floors(vetted)) == (2, 0)
    assert "say --yes" in err
    status, out, _ = vetted.type(
        "host", "pin", TWIN.name, "--yes", "--json", "--margin", "10%", "--from", "1", "--firmware"
    )
    assert status == 0
    told = json.loads(out)
    assert told["targets"][0]["changes"]
    assert floors(vetted) == len([line for line in told["lines"] if line["bounds"] == "at least"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--margin", "lots"), "like 10%"),
        (("--margin", "2000%"), "between 0 % and"),
        (("--from", "99"), "there is no run 99"),
        (("--class", "r650"), "has no class 'r650'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(vetted: Console, words: tuple[str, ...], says: str) -> None:
    status, _, err = vetted.type("host", "pin", TWIN.name, "--yes", *words)
    assert (status, floors(vetted)) == (2, 0)
    assert says in err


def test_a_margin_is_a_share_or_a_percentage() -> None:
    assert (share("10%"), share("0.1"), share(" 12.5 % ")) == (0.1, 0.1, 0.125)
    with pytest.raises(BadInput):
        share("-1")
