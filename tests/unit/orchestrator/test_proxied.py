"""Whom a reverse proxy says somebody is, and from where that is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.config import Console
from vetting.domain.roles import NAME, Role
from vetting.orchestrator import proxied
from vetting.orchestrator.accounts import told_by_proxy
from vetting.orchestrator.proxied import role_by_proxy

BEHIND = Console(
    proxy_header="Remote-User", proxy_addresses=("127.0.0.1", "10.0.0.0/28", "fd00::/64"), proxy_operators=("ann",)
)


@pytest.fixture(autouse=True)
def unsaid() -> None:
    proxied._say_ignored.cache_clear()
    proxied._say_unusable.cache_clear()


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.15", "fd00::7"])
def test_a_proxy_of_ours_is_believed(peer: str) -> None:
    assert told_by_proxy(BEHIND, peer, " ann ") == "ann"


@pytest.mark.parametrize("peer", ["127.0.0.2", "10.0.0.16", "fd00:0:0:1::7", "::1", "", "?", "127.0.0.1, 10.0.0.1"])
def test_anybody_else_is_not_and_that_is_said_once(peer: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        assert told_by_proxy(BEHIND, peer, "ann") == ""
    (said,) = caplog.messages
    assert "Remote-User" in said
    assert "console.proxy_addresses" in said


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_header_nobody_is_told(value: str | None, caplog: pytest.LogCaptureFixture) -> None:
    assert told_by_proxy(BEHIND, "127.0.0.1", value) == ""
    assert told_by_proxy(BEHIND, "192.0.2.1", value) == ""
    assert not caplog.messages


def test_nothing_is_believed_where_no_header_is_configured() -> None:
    assert told_by_proxy(Console(), "127.0.0.1", "ann") == ""


@pytest.mark.parametrize("name", ["ann, bob", "a b", "<b>", "-ann", "x" * 65, "ann\u202e", "änn"])
def test_a_name_that_is_none_is_refused_and_said_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert told_by_proxy(BEHIND, "127.0.0.1", name) == ""
    assert len(caplog.messages) == 1
    assert name not in caplog.messages[0]


@given(peer=st.text(max_size=60), value=st.one_of(st.none(), st.text(max_size=80)))
def test_whatever_is_sent_nobody_becomes_somebody_from_elsewhere(peer: str, value: str | None) -> None:
    told = told_by_proxy(BEHIND, peer, value)
    assert told == "" or (NAME.fullmatch(told) and peer.startswith(("127.0.0.1", "10.0.0.", "fd00:", "::ffff:")))
    assert told_by_proxy(BEHIND, "192.0.2.1", value) == ""


def test_operators_are_named_to_the_letter() -> None:
    assert role_by_proxy(BEHIND, "ann") is Role.OPERATOR
    assert role_by_proxy(BEHIND, "Ann") is Role.VIEWER
    assert role_by_proxy(BEHIND, "bob") is Role.VIEWER
