"""Every page is looked at: by the album, and by what is tried on all of them."""

from __future__ import annotations

from tests.browser.places import NO_PAGES, PLACES, homeless


def test_every_page_has_a_place_where_it_is_looked_at() -> None:
    assert homeless() == set(), "give it an address in tests/browser/places.py"


def test_a_page_without_a_place_and_a_place_without_a_page_would_be_seen() -> None:
    gone = {**{path: place for path, place in PLACES.items() if path != "/settings"}, "/gone": PLACES["/settings"]}
    assert homeless(gone) == {"/settings", "/gone"}


def test_what_has_no_picture_says_who_looks_at_it() -> None:
    assert all(NO_PAGES.values())
