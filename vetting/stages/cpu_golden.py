"""Digests, numbers and other known answers, computed on one core after the other by a program of our own that pins itself.

stress-ng mostly compares what a core computed with what the same core computed before; here the answer is written down.
"""

from __future__ import annotations

from vetting.domain.outcome import Cell, ToolRun, Verdict
from vetting.parsers import golden
from vetting.parsers.errors import ParseError
from vetting.stages.stress_attempt import StressAttempt
from vetting.stages.stressng_load import CRASHES

SECONDS = 0.3  # on each core; everything is computed once at least
SLOWEST_S = 5.0  # for each core, on a slow or crowded machine
START_S = 60.0


async def known_answers(attempt: StressAttempt) -> None:
    """A cell for each core that computed wrong or was not tested; the others are left to the loads that follow."""
    cpus = sorted(attempt.cpus)
    argv = [*attempt.deps.own_program("golden"), "--cpus", ",".join(map(str, cpus)), "--seconds", f"{SECONDS:g}"]
    limit_s = START_S + len(cpus) * SLOWEST_S
    ran = await attempt.deps.run(argv, limit_s=limit_s, keep="known-answers.txt")
    try:
        told = tuple(each for each in golden.parse(ran.stdout) if each.cpu in attempt.cpus)
        unread = ""
    except ParseError as why:
        told, unread = (), str(why)
    wrong = [each for each in told if each.wrong]
    for each in wrong:
        _cell(attempt, each.cpu, Verdict.FAIL, f"computed wrong: {each.wrong}")
    done = {each.cpu for each in told if each.rounds > 0 or each.wrong}
    if missing := [cpu for cpu in cpus if cpu not in done]:
        _cell(attempt, missing[0], *_why(ran, unread))
    elif ran.exit_code != (1 if wrong else 0):
        _cell(attempt, cpus[-1], Verdict.ERROR, f"the program with the known answers {ran.how_it_ended}")
    for each in told:
        attempt.measure(f"cpu.{each.cpu}.known_answers", each.rounds, "", f"cpu:{each.cpu}")


def _why(ran: ToolRun, unread: str) -> tuple[Verdict, str]:
    """Of the first core that told nothing: a program that crashed on it accuses it."""
    if ran.signal in CRASHES and not ran.timed_out:
        return Verdict.FAIL, f"the program with the known answers crashed on it with {CRASHES[ran.signal]}"
    return (
        Verdict.ERROR,
        unread or f"the program with the known answers {ran.how_it_ended} and told nothing of this core",
    )


def _cell(attempt: StressAttempt, cpu: int, verdict: Verdict, reason: str) -> None:
    place = attempt.places.get(cpu)
    words = f"{place.words}: " if place else ""
    attempt.cells.append(Cell(component=f"cpu:{cpu}", verdict=verdict, reason=words + reason))
