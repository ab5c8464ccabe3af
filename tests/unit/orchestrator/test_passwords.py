"""Passwords: which will do, how they are kept, and that a flood of them stops nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vetting.domain.errors import BadInput, TooMany
from vetting.orchestrator import passwords
from vetting.orchestrator.passwords import Hashing, Strength, check, is_outdated
from vetting.store import settings
from vetting.store.db import Store

GOOD = "a horse, correct"


@pytest.fixture(autouse=True)
def _light_passwords() -> None:
    """None here: what is tested is the work itself."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "STRENGTH", Strength(n=2**4, r=1, p=1))


@pytest.mark.parametrize(
    "password", ["x" * 5 + "y" * 5, "Password123", "aaaaaaaaaaaaaaa", "123123123123", "qwertyuiop"]
)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="the first that anybody would try"):
        check(password, "ann")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("", "too short"), ("nine char", "10 characters or more"), ("é" * 513, "over 1024 bytes"),
        ("Ann@Example.ORG", "is the name"), ("\ud800" * 400, "over 1024 bytes"),
    ],
)  # fmt: skip
def test_a_short_a_long_and_a_named_password_are_refused_with_what_to_do(password: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as why:
        check(password, "ann@example.org")
    assert not password or password not in str(why.value)


@pytest.mark.parametrize("password", [GOOD, "Пароль с пробелами", "x7!k-2(9@v", "é1234" * 150])
def test_a_good_one_is_taken(password: str) -> None:
    check(password, "ann")


async def test_a_password_is_kept_with_its_salt_and_parameters_and_never_itself() -> None:
    hashing = Hashing()
    one, two = await hashing.hashed(GOOD), await hashing.hashed(GOOD)
    assert one != two
    assert one.startswith("scrypt$n=32768,r=8,p=3$")
    assert "horse" not in one + two
    assert await hashing.matches(GOOD, one)
    assert await hashing.matches(GOOD, two)
    for wrong in ("", GOOD + " ", GOOD.upper(), "\ud800", GOOD + "\0"):
        assert not await hashing.matches(wrong, one)


async def test_a_letter_is_the_same_however_the_keyboard_writes_it() -> None:
    hashing = Hashing()
    assert await hashing.matches("cafe\u0301 au lait", await hashing.hashed("caf\u00e9 au lait"))


async def test_nothing_kept_matches_nothing_after_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[tuple[int, Strength]] = []
    real = passwords._scrypt

    def counted(raw: bytes, salt: bytes, strength: Strength) -> bytes:
        worked.append((len(salt), strength))
        return real(raw, salt, strength)

    monkeypatch.setattr(passwords, "_scrypt", counted)
    hashing = Hashing()
    kept = await hashing.hashed(GOOD)
    worked.clear()
    assert not await hashing.matches("another, wrong", kept)
    assert not await hashing.matches("", "")
    assert worked[0] == worked[1]


async def test_parameters_can_be_raised_and_the_old_ones_still_match(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing = Hashing()
    old = await hashing.hashed(GOOD)
    assert not is_outdated(old)
    monkeypatch.setattr(passwords, "STRENGTH", Strength(n=2**5, r=1, p=1))
    assert is_outdated(old)
    assert await hashing.matches(GOOD, old)


async def test_more_than_can_be_hashed_soon_are_told_to_come_again_and_give_their_place_back(quick: None) -> None:
    hashing = Hashing()
    asked = [hashing.matches(f"guess {number}", "", stranger=True) for number in range(60)]
    *answers, known = await asyncio.gather(*asked, hashing.matches(GOOD, ""), return_exceptions=True)
    assert known is False
    refused = [answer for answer in answers if isinstance(answer, TooMany)]
    assert len(refused) == 60 - passwords.AT_ONCE - passwords.WAITING
    assert refused[0].detail["retry_after_s"] == 3
    assert not await hashing.matches("and later", "")


@pytest.mark.slow
async def test_a_flood_of_sign_ins_does_not_hold_up_the_database(tmp_path: Path) -> None:
    store, hashing = Store.open(tmp_path / "v.db"), Hashing()
    flood = asyncio.gather(
        *(hashing.matches(f"guess {n}", "", stranger=True) for n in range(200)), return_exceptions=True
    )
    await asyncio.sleep(0.05)
    writes = 0
    while not flood.done():
        await store.write(lambda: settings.put("beat", 1, now=1.0))
        writes += 1
        await asyncio.sleep(0.01)
    answers = await flood
    store.close()
    assert sum(isinstance(answer, TooMany) for answer in answers) == 200 - passwords.AT_ONCE - passwords.WAITING
    assert writes > 10  # while the flood was on
