"""People and tokens at the shell: how somebody gets in again who locked everybody out."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path

import pytest

from tests.fakes.office import CHEAP, PASSWORD
from tests.unit.verbs.conftest import Console
from vetting import cli
from vetting.domain.errors import NotAllowed
from vetting.orchestrator import passwords
from vetting.orchestrator.accounts import SignedIn
from vetting.orchestrator.people import LOCAL_NAME


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "STRENGTH", CHEAP)


class Typing:
    """What comes on standard input, where nobody sits, or from a terminal without echo."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def line(self, text: str) -> None:
        self._patch.setattr("sys.stdin", io.StringIO(text))

    def at_a_terminal(self, *answers: str) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        left = list(answers)
        self._patch.setattr("sys.stdin", Terminal())
        self._patch.setattr("getpass.getpass", lambda prompt: left.pop(0))


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Typing:
    return Typing(monkeypatch)


def sign_in(console: Console, name: str, password: str) -> SignedIn:
    return asyncio.run(console.server.accounts.sign_in(name=name, password=password, peer="192.0.2.7"))


def test_somebody_is_added_listed_changed_and_removed(console: Console, types: Typing) -> None:
    assert "vetting user add" in console.type("user", "list")[1]
    types.line(PASSWORD + "\n")
    status, out, err = console.type("user", "add", "ann", "--role", "operator")
    assert (status, out) == (0, "ann may sign in, as operator\n"), err
    types.line("another one, longer\r\n")
    assert console.type("user", "add", "bob")[0] == 0
    sign_in(console, "bob", "another one, longer")
    listed = console.type("user", "list")[1].splitlines()
    assert [line.split()[:3] for line in listed[1:]] == [["ann", "operator", "0"], ["bob", "viewer", "1"]]
    assert "operator now" in console.type("user", "role", "bob", "operator")[1]
    assert "signed out" in console.type("user", "sign-out", "bob")[1]
    assert "cannot sign in" in console.type("user", "disable", "bob")[1]
    assert "disabled" in console.type("user", "list")[1]
    assert console.type("user", "enable", "bob")[0] == 0
    assert "tokens that they issued stay" in console.type("user", "remove", "bob", "--reason", "left")[1]
    (ann,) = json.loads(console.type("user", "list", "--json")[1])
    assert (ann["name"], ann["sessions"]) == ("ann", 0)
    assert not any("password" in key for key in ann)


def test_a_lost_password_is_set_again_and_the_person_signs_in(console: Console, types: Typing) -> None:
    types.line(PASSWORD)
    console.type("user", "add", "ann", "--role", "operator")
    types.at_a_terminal("quite another one", "quite another one")
    status, out, _ = console.type("user", "password", "ann")
    assert status == 0
    assert "signed out everywhere" in out
    assert "quite another one" not in out
    with pytest.raises(NotAllowed):
        sign_in(console, "ann", PASSWORD)
    sign_in(console, "ann", "quite another one")


def test_two_passwords_that_differ_change_nothing(console: Console, types: Typing) -> None:
    types.at_a_terminal("quite another one", "quite another two")
    status, _, err = console.type("user", "add", "ann")
    assert (status, "nothing was changed" in err) == (2, True)
    assert console.type("user", "list", "--json")[1].strip() == "[]"


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("user", "add", "ann"), "", "write it to standard input"),
        (("user", "add", "ann"), "short", "too short"),
        (("user", "add", "a b"), PASSWORD, "not usable"),
        (("user", "password", "nobody"), PASSWORD, "there is no user named 'nobody'"),
        (("user", "remove", "../../x"), "", "there is no user named"),
        (("user", "role", "nobody", "viewer"), "", "there is no user named"),
        (("token", "revoke", "nobody"), "", "there is no token named"),
        (("token", "revoke", LOCAL_NAME), "", "remove operator.token"),
        (("token", "issue", ""), "", "needs a name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    console: Console, types: Typing, words: tuple[str, ...], typed: str, says: str
) -> None:
    types.line(typed)
    status, _, err = console.type(*words)
    assert status == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_the_last_operator_is_not_removed(console: Console, types: Typing) -> None:
    types.line(PASSWORD)
    console.type("user", "add", "ann", "--role", "operator")
    for words in (("remove", "ann"), ("role", "ann", "viewer"), ("disable", "ann")):
        status, _, err = console.type("user", *words)
        assert (status, "the last operator" in err) == (2, True)


def test_no_verb_takes_a_password_as_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("add", "password"):
        assert cli.main(["user", what, "--help"]) == 0
        assert "--password" not in capsys.readouterr().out


def test_a_token_is_issued_used_listed_and_revoked(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = console.type("token", "issue", "grafana", "--role", "viewer")
    assert status == 0
    token = out.splitlines()[0]
    local = os.environ["VETTING_TOKEN"]
    monkeypatch.setenv("VETTING_TOKEN", token)
    assert console.type("host", "list")[0] == 0
    status, _, err = console.type("user", "list")
    assert (status, "may look but not change" in err) == (2, True)
    monkeypatch.setenv("VETTING_TOKEN", local)
    status, out, _ = console.type("token", "list")
    assert token not in out
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert "never" not in rows["grafana"]
    assert LOCAL_NAME in rows["grafana"]
    assert console.type("token", "revoke", "grafana")[0] == 0
    monkeypatch.setenv("VETTING_TOKEN", token)
    assert console.type("host", "list")[0] == 2


def test_serve_prints_where_and_how_to_begin_until_somebody_has(
    console: Console, types: Typing, tmp_path: Path
) -> None:
    code = asyncio.run(console.server.accounts.setup_code())
    assert (tmp_path / "setup.code").read_text() == code
    assert console.server.console_url == console.server.url
    types.line(PASSWORD)
    console.type("user", "add", "ann", "--role", "operator")
    assert asyncio.run(console.server.accounts.setup_code()) == ""
