"""Users and tokens over the API: what it takes, and what no answer ever holds."""

from __future__ import annotations

import pytest

from tests.fakes.office import ANOTHER, CHEAP, PASSWORD
from tests.unit.api.conftest import Api
from vetting import wire
from vetting.orchestrator import passwords
from vetting.orchestrator.people import LOCAL_NAME
from vetting.store import audit


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "STRENGTH", CHEAP)


async def added(api: Api, name: str = "ann", role: str = "operator") -> object:
    new = wire.NewPerson(name=name, role=role, password=PASSWORD)
    status, answer = await api.send("POST", "/api/users", new, token=api.operator)
    assert status == 200, answer
    return answer


async def test_no_answer_holds_a_password_or_a_hash_and_the_audit_log_says_who(api: Api) -> None:
    answers = [await added(api)]
    for method, path, body in (
        ("PUT", "/api/users/ann/password", wire.NewPassword(password=ANOTHER)),
        ("POST", "/api/users/ann/sign-out", wire.Because()),
        ("GET", "/api/users", None),
        ("GET", "/api/tokens", None),
    ):
        status, answer = await api.send(method, path, body, token=api.operator)
        assert status == 200, answer
        answers.append(answer)
    said = repr(answers)
    assert PASSWORD not in said
    assert ANOTHER not in said
    assert "scrypt" not in said
    assert api.operator not in said
    deeds = [one for one in await api.server.store.read(audit.entries) if one.what.startswith("user.")]
    assert {one.who for one in deeds} == {LOCAL_NAME}


@pytest.mark.parametrize("body", [b"{}", b'{"role": "viewer", "disabled": true}'])
async def test_one_thing_is_changed_at_a_time(api: Api, body: bytes) -> None:
    await added(api)
    await added(api, "bob")
    status, answer = await api.send("PUT", "/api/users/bob", body, token=api.operator)
    assert (status, answer["error"]["code"]) == (400, "bad_input")
    assert (await api.server.accounts.person("bob")).role == "operator"


async def test_a_name_from_an_address_is_a_name_and_nothing_else(api: Api) -> None:
    await added(api, "ann@example.org")
    body = wire.PersonChange(role="viewer")
    for path in ("ann%40example.org%2F..%2Fx", "%00", "%ff", "..", "a%2Fb"):
        status, _ = await api.send("PUT", f"/api/users/{path}", body, token=api.operator)
        assert status in (400, 404, 405), path
    status, answer = await api.send("POST", "/api/users/ann%40example.org/sign-out", wire.Because(), token=api.operator)
    assert (status, answer["name"]) == (200, "ann@example.org")


async def test_a_message_that_carries_a_password_shows_none(api: Api) -> None:
    assert PASSWORD not in repr(wire.NewPerson(name="a", role="viewer", password=PASSWORD))
    assert PASSWORD not in repr(wire.NewPassword(password=PASSWORD))
