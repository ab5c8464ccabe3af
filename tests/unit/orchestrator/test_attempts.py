"""How often somebody may guess, and that nobody can keep another person out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vetting.domain.errors import TooMany
from vetting.orchestrator import attempts
from vetting.orchestrator.attempts import FREE, OF_NAME_S, OF_PEER_S, Attempts, place_of


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tries(clock: FakeClock) -> Attempts:
    return Attempts(clock)


def wait_of(tries: Attempts, peer: str, name: str = "") -> int:
    """Seconds that the next try has to wait; 0 where it may go on, which counts as another failure."""
    try:
        tries.begin(peer, name)
    except TooMany as refused:
        return int(str(refused.detail["retry_after_s"]))
    return 0


def fail(tries: Attempts, clock: FakeClock, times: int, peer: str, name: str = "") -> None:
    """So many failures, each as soon as it may be."""
    for _ in range(times):
        while seconds := wait_of(tries, peer, name):
            clock.pass_s(seconds)


def test_five_failures_are_free_then_each_wait_is_twice_the_one_before(tries: Attempts, clock: FakeClock) -> None:
    assert [wait_of(tries, "10.0.0.1") for _ in range(FREE)] == [0] * FREE
    waits = []
    for _ in range(12):
        waits.append(wait_of(tries, "10.0.0.1"))
        clock.pass_s(waits[-1])
        assert wait_of(tries, "10.0.0.1") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, OF_PEER_S, OF_PEER_S]


def test_a_try_that_is_refused_makes_the_wait_no_longer(tries: Attempts) -> None:
    for _ in range(FREE):
        tries.begin("10.0.0.1")
    assert [wait_of(tries, "10.0.0.1") for _ in range(50)] == [1] * 50


def test_many_at_once_count_before_any_of_them_is_judged(tries: Attempts) -> None:
    begun = sum(wait_of(tries, "10.0.0.1", "ann") == 0 for _ in range(200))
    assert begun == FREE


def test_another_address_waits_for_the_name_at_most_half_a_minute(tries: Attempts, clock: FakeClock) -> None:
    for number in range(40):
        fail(tries, clock, 1, f"10.0.{number}.1", "Ann")
    assert 0 < wait_of(tries, "10.9.9.9", "ann") <= OF_NAME_S
    assert wait_of(tries, "10.9.9.9", "bob") == 0
    clock.pass_s(OF_NAME_S)
    assert wait_of(tries, "10.9.9.9", "ann") == 0


def test_who_signed_in_from_an_address_before_is_not_slowed_by_strangers(tries: Attempts, clock: FakeClock) -> None:
    tries.begin("10.0.0.7", "ann")
    tries.succeeded("10.0.0.7", "ann")
    for number in range(40):
        fail(tries, clock, 1, f"10.0.{number}.1", "ann")
    fail(tries, clock, 20, "10.0.0.7", "bob")  # somebody beside her, at the same proxy
    assert wait_of(tries, "10.0.0.7", "ann") == 0
    fail(tries, clock, 20, "10.0.0.7", "ann")
    assert 0 < wait_of(tries, "10.0.0.7", "ann") <= attempts.OF_BOTH_S


def test_a_success_forgives_the_name_and_not_what_the_address_guessed_beside(tries: Attempts, clock: FakeClock) -> None:
    fail(tries, clock, 7, "10.0.0.1", "bob")
    fail(tries, clock, 1, "10.0.0.1", "mine")
    tries.succeeded("10.0.0.1", "mine")
    assert wait_of(tries, "10.0.0.1", "bob") > 0
    assert wait_of(tries, "10.0.0.1", "mine") == 0


def test_a_success_ends_the_wait_that_strangers_brought_upon_the_name(tries: Attempts, clock: FakeClock) -> None:
    for number in range(8):
        fail(tries, clock, 1, f"10.0.{number}.1", "ann")
    fail(tries, clock, 1, "10.0.0.7", "ann")
    tries.succeeded("10.0.0.7", "ann")
    assert wait_of(tries, "10.9.9.9", "ann") == 0


def test_a_try_that_was_never_judged_does_not_count(tries: Attempts) -> None:
    for _ in range(50):
        tries.begin("10.0.0.1", "ann")
        tries.withdrawn("10.0.0.1", "ann")
    assert wait_of(tries, "10.0.0.1", "ann") == 0


def test_an_hour_without_failures_forgets_them(tries: Attempts, clock: FakeClock) -> None:
    fail(tries, clock, 8, "10.0.0.1")
    clock.pass_s(attempts.FORGOTTEN_S)
    assert [wait_of(tries, "10.0.0.1") for _ in range(FREE)] == [0] * FREE


def test_the_wait_is_told_in_words_too(tries: Attempts, clock: FakeClock) -> None:
    fail(tries, clock, 8, "10.0.0.1")
    with pytest.raises(TooMany, match="wait 8 s before the next one"):
        tries.begin("10.0.0.1")


def test_what_is_remembered_is_bounded(tries: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED", 10)
    for number in range(100):
        tries.begin(f"10.0.{number}.1", str(number) * 5000)
        tries.succeeded(f"10.0.{number}.1", f"name {number}")
    assert len(tries._failures) <= 10
    assert len(tries._known) <= 10


@pytest.mark.parametrize(
    ("peer", "place"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("?", "?"),
    ],
)
def test_an_ipv6_network_is_one_place(peer: str, place: str) -> None:
    assert place_of(peer) == place


@given(st.one_of(st.text(max_size=200), st.ip_addresses().map(str)))
def test_every_peer_is_a_place_of_bounded_length(peer: str) -> None:
    assert len(place_of(peer)) <= 64
