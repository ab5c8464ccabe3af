"""Machines in no record: noted, counted, bounded, forgotten."""

from __future__ import annotations

import pytest

from vetting.store import Store, unknown

MAC = "52:54:00:99:99:99"


def note(store: Store, mac: str = MAC, *, now: float = 1.0, **more: str) -> None:
    said = {"address": "10.0.0.9", "source": "dhcp", "what": "", **more}
    store.write_now(lambda: unknown.note(mac, now=now, **said))


def test_a_machine_that_asks_again_is_counted_and_what_it_told_last_counts(store: Store) -> None:
    note(store, now=1.0, what="PXEClient")
    note(store, now=5.0, what="", address="")
    note(store, now=9.0, what="product R650", source="script")
    (got,) = store.read_now(unknown.listing)
    assert (got.mac, got.address, got.source, got.what) == (MAC, "10.0.0.9", "script", "product R650")
    assert (got.first_seen_at, got.last_seen_at, got.times) == (1.0, 9.0, 3)


def test_whoever_was_silent_longest_is_forgotten_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "MOST", 3)
    for number in range(5):
        note(store, f"52:54:00:00:00:0{number}", now=float(number))
    note(store, "52:54:00:00:00:02", now=9.0)
    note(store, "52:54:00:00:00:0a", now=10.0)
    assert [one.mac[-2:] for one in store.read_now(unknown.listing)] == ["0a", "02", "04"]


def test_texts_are_cut_to_what_a_row_may_hold(store: Store) -> None:
    note(store, "m" * 999, address="a" * 999, source="s" * 999, what="w" * 9999)
    (got,) = store.read_now(unknown.listing)
    assert [len(text) for text in (got.mac, got.address, got.source, got.what)] == [40, 64, 20, 400]
