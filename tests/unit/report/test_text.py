"""Texts of a host cannot hide, reverse or flood a line; numbers and times read as people read them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from vetting.report import text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("gpj\u202etxt.exe", "gpj<U+202E>txt.exe"),
        ("a\u200bb\u2066c", "a<U+200B>b<U+2066>c"),
        ("end\r", "end<U+000D>"),
        ("C1 \x9b", "C1 <U+009B>"),
        ("näive ☃ 日本", "näive ☃ 日本"),
        ("line\u2028separator", "line<U+2028>separator"),
    ],
)
def test_what_would_not_show_is_shown(said: str, shown: str) -> None:
    assert text.clean(said) == shown


def test_a_long_text_is_cut_and_says_so() -> None:
    cut = text.clean("x" * 10_000)
    assert cut.startswith("x" * text.LIMIT)
    assert cut.endswith("… (5904 more characters)")


@pytest.mark.parametrize(
    "said", ["x" * 10_000, "\u202e" * 10_000, "\x1b" * 500, "é" * 5000, "x" * (text.LIMIT + text.TAIL)]
)
def test_cleaning_twice_changes_nothing_more(said: str) -> None:
    assert text.clean(text.clean(said)) == text.clean(said)
    assert len(text.clean(said)) <= text.LIMIT + text.TAIL


def test_every_text_of_a_tree_is_cleaned() -> None:
    @dataclass(frozen=True)
    class Leaf:
        name: str

    @dataclass(frozen=True)
    class Tree:
        name: str
        leaves: tuple[Leaf, ...]
        words: tuple[str, ...]
        numbers: tuple[tuple[int, float | None], ...]

    tree = Tree("\x00", (Leaf("\u202e"),), ("ok", "\x07"), ((1, None),))
    assert text.cleaned(tree) == Tree("<U+0000>", (Leaf("<U+202E>"),), ("ok", "<U+0007>"), ((1, None),))


@pytest.mark.parametrize(
    ("done", "of", "share"),
    [
        (1, 3, 33.3),
        (999_999, 1_000_000, 99.9),
        (1, 1, 100.0),
        (0, 5, 0.0),
        (1, 0, None),
        (None, 1, None),
        (1, None, None),
    ],
)
def test_a_share_is_rounded_down(done: float | None, of: float | None, share: float | None) -> None:
    assert text.percent(done, of) == share


def test_nearly_nothing_is_not_called_nothing() -> None:
    assert text.percentage(0.05) == "less than 0.1\u00a0%"
    assert text.percentage(4.27) == "4.27\u00a0%"
    assert text.percentage(99.9) == "99\u00a0%"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (23973, "MiB", "23\u202f973\u00a0MiB"),
        (97.44, "C", "97.44\u00a0°C"),
        (0.000123, "", "0.000123"),
        (12345.6, "", "12\u202f346"),
        (-5, "", "-5"),
        (None, "C", "not a number"),
    ],
)
def test_numbers_are_grouped(value: float | None, unit: str, said: str) -> None:
    assert text.number(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(9.5, "9.5 s"), (60, "1 min 00 s"), (7384, "2 h 03 min"), (90061, "1 d 01 h 01 min"), (None, "unknown"), (math.nan, "unknown"), (-3, "−3 s")],
)  # fmt: skip
def test_durations_are_said_in_words(seconds: float | None, said: str) -> None:
    assert text.duration(seconds).replace("\u00a0", " ") == said


def test_an_impossible_time_is_no_crash() -> None:
    assert text.moment(1e18) == "an impossible time"
    assert text.moment(math.nan) == "an impossible time"
    assert text.moment(0) == "1970-01-01 00:00:00\u00a0UTC"
