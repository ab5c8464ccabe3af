"""Known answers: every processor of this machine gets them right, and one wrong bit is told."""

from __future__ import annotations

import os

import pytest

from vetting import cli
from vetting.parsers import ParseError, golden
from vetting.verbs.golden import CHECKS, on_this_cpu


def test_this_machine_computes_what_is_known_on_each_of_its_cpus(capsys: pytest.CaptureFixture[str]) -> None:

    before = os.sched_getaffinity(0)
    try:
        cpus = sorted(before)[:2]
        assert cli.main(["golden", "--cpus", ",".join(map(str, cpus)), "--seconds", "0.01"]) == 0
    finally:
        os.sched_setaffinity(0, before)
    told = golden.parse(capsys.readouterr().out)
    assert [each.cpu for each in told] == cpus
    assert all(each.rounds >= 1 and not each.wrong for each in told)


@pytest.mark.parametrize("name", CHECKS)
def test_each_wrong_answer_is_told(name: str) -> None:
    compute, known = CHECKS[name]
    rounds, wrong = on_this_cpu(0.0, {**CHECKS, name: (compute, "another")})
    assert (rounds, wrong) == (0, f"{name} is {known!s:.80} instead of another")


@pytest.mark.parametrize("text", ["hello", '{"cpu": 1}', '{"cpu": "x", "rounds": 1, "wrong": ""}', "[]"])
def test_other_words_are_no_answers(text: str) -> None:
    with pytest.raises(ParseError):
        golden.parse(text)
