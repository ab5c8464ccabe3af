"""The first start: who can read the setup code makes the first operator, once."""

from __future__ import annotations

import asyncio
import stat

import pytest

from tests.fakes.office import ANOTHER, PASSWORD, PEER, Office
from vetting.domain.errors import BadInput, Conflict, NotAllowed, TooMany
from vetting.domain.roles import Role
from vetting.orchestrator.setupcode import FILE, SIGNS, SetupCode


async def test_the_code_makes_the_first_operator_and_is_gone(office: Office) -> None:
    assert await office.accounts.needs_setup()
    code = await office.accounts.setup_code()
    signed = await office.accounts.set_up(code=code, name="Ann", password=PASSWORD, peer=PEER)
    assert (signed.person.name, signed.person.role, signed.person.by_proxy) == ("Ann", Role.OPERATOR, False)
    assert await office.accounts.session(signed.secret) == signed.person
    assert not await office.accounts.needs_setup()
    assert await office.accounts.setup_code() == ""
    assert not (office.data / FILE).exists()
    with pytest.raises(Conflict, match="has set this up already"):
        await office.accounts.set_up(code=code, name="eve", password=PASSWORD, peer=PEER)
    (deed,) = await office.audit()
    assert (deed.who, deed.what, deed.target) == ("Ann", "user.set_up", "Ann")


async def test_the_code_is_the_same_after_a_restart_and_for_our_eyes_alone(office: Office) -> None:
    code = await office.accounts.setup_code()
    assert await office.again().setup_code() == code
    assert stat.S_IMODE((office.data / FILE).stat().st_mode) == 0o600
    (office.data / FILE).unlink()
    assert await office.again().setup_code() != code


async def test_the_code_is_easy_to_type_and_hard_to_guess(office: Office) -> None:
    code = await office.accounts.setup_code()
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert set(code) <= set(SIGNS) | {"-"}
    assert not set(SIGNS) & set("01ilo")
    assert len(SIGNS) ** 16 > 2**60
    typed = f"  {code.replace('-', ' ').upper()}"
    assert (await office.accounts.set_up(code=typed, name="ann", password=PASSWORD, peer=PEER)).person.name == "ann"


@pytest.mark.parametrize("wrong", ["", "-", "2222-2222-2222-2222", "é" * 300, "\ud800", "\0" * 16])
async def test_every_wrong_code_is_refused_in_the_same_words(office: Office, wrong: str) -> None:
    code = await office.accounts.setup_code()
    said = set()
    for typed in (wrong, code[:-1], code + "2"):
        with pytest.raises(NotAllowed) as why:
            await office.accounts.set_up(code=typed, name="eve", password=PASSWORD, peer=PEER)
        said.add(str(why.value))
    assert len(said) == 1
    assert code not in said.pop()
    assert await office.accounts.needs_setup()


async def test_without_a_code_nothing_matches_none(office: Office) -> None:
    for content in (None, "", "short"):
        if content is not None:
            (office.data / FILE).write_text(content)
        assert not SetupCode(office.data).matches(content or "")


async def test_guessing_the_code_is_slowed_by_address(office: Office) -> None:
    code = await office.accounts.setup_code()
    for _ in range(5):
        with pytest.raises(NotAllowed):
            await office.accounts.set_up(code="x", name="eve", password=PASSWORD, peer="192.0.2.66")
    with pytest.raises(TooMany):
        await office.accounts.set_up(code=code, name="eve", password=PASSWORD, peer="192.0.2.66")
    await office.accounts.set_up(code=code, name="ann", password=PASSWORD, peer=PEER)


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("", PASSWORD, "not usable"), ("a b", PASSWORD, "not usable"), ("x" * 65, PASSWORD, "not usable"),
        ("änn", PASSWORD, "not usable"), ("../x", PASSWORD, "not usable"), ("ann", "short", "too short"),
        ("longer.name", "Longer.Name", "is the name"),
    ],
)  # fmt: skip
async def test_a_name_or_password_that_will_not_do_leaves_the_code_good(
    office: Office, name: str, password: str, says: str
) -> None:
    code = await office.accounts.setup_code()
    for _ in range(8):  # somebody who has the code is not slowed for thinking of a password
        with pytest.raises(BadInput, match=says):
            await office.accounts.set_up(code=code, name=name, password=password, peer=PEER)
    assert await office.accounts.setup_code() == code


async def test_of_two_who_use_the_code_at_once_one_wins(office: Office) -> None:
    code = await office.accounts.setup_code()
    both = [
        office.accounts.set_up(code=code, name=name, password=password, peer=peer)
        for name, password, peer in (("ann", PASSWORD, PEER), ("eve", ANOTHER, "192.0.2.66"))
    ]
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "SignedIn"]
    assert len(await office.accounts.people()) == 1


async def test_a_code_that_a_kill_left_behind_is_good_for_nothing_and_goes_at_the_next_start(office: Office) -> None:
    code = await office.accounts.setup_code()
    await office.set_up()
    (office.data / FILE).write_text(code)  # killed between the commit and the removal
    with pytest.raises(Conflict):
        await office.accounts.set_up(code=code, name="eve", password=PASSWORD, peer=PEER)
    assert await office.again().setup_code() == ""
    assert not (office.data / FILE).exists()


async def test_a_user_added_at_the_shell_ends_the_set_up_too(office: Office) -> None:
    code = await office.accounts.setup_code()
    await office.accounts.add(name="ann", role="operator", password=PASSWORD, who="local command line")
    assert not (office.data / FILE).exists()
    with pytest.raises(Conflict):
        await office.accounts.set_up(code=code, name="eve", password=PASSWORD, peer=PEER)
