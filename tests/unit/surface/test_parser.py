"""The surface program's own words, read back: only a result that agrees with itself is clean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.surface.memory_disk import MIB, MemoryDisk, scan_of
from vetting.parsers import ParseError
from vetting.parsers.surface import Report, SurfaceOutcome, parse, parse_progress
from vetting.surface.ledger import Phase
from vetting.surface.words import Voice, told_scan

SIZE = 3 * MIB + 4096


def row_of(disk: MemoryDisk, **scan_options: Any) -> dict[str, Any]:
    """A result as the program says it, without the parts that need a real descriptor."""
    scan = scan_of(disk, **scan_options)
    ending = scan.run()
    return {
        "event": "result",
        "format": 1,
        "outcome": ending.outcome,
        "reason": ending.reason,
        "objections": [],
        "hits": [],
        "found": "blank",
        "heads": "/x",
        "disk": None,
        "bytes_read": 0,
        **told_scan(scan),
    }


CLEAN = row_of(MemoryDisk(SIZE), cycles=2)


def report(**changes: Any) -> Report:
    return parse(json.dumps({**CLEAN, **changes}))


def test_a_clean_scan_is_clean_and_keeps_its_figures() -> None:
    found = report()

    assert found.clean and found.outcome is SurfaceOutcome.CLEAN
    assert (found.covered_bytes, found.cycles, found.bytes_verified) == (SIZE, 2, 2 * SIZE)
    assert [(p.phase, p.cycle, p.ok_bytes) for p in found.phases] == [
        ("write", 1, SIZE),
        ("verify", 1, SIZE),
        ("write", 2, SIZE),
        ("verify", 2, SIZE),
    ]
    assert all(p.mean_mib_s > 0 and p.profile_mib_s and p.slowest_ms > 0 for p in found.phases)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "bad"},
        {"outcome": "stopped"},
        {"outcome": "vanished"},
        {"bytes_promised": 0, "bytes_written": 0, "bytes_verified": 0, "covered_bytes": 0},
        {"bytes_verified": 2 * SIZE - 1},
        {"bytes_written": 2 * SIZE - 4096},
        {"bytes_promised": 2 * SIZE + 1},
        {"covered_bytes": SIZE + 1},
        {"cycles": 1},
        {"bad_blocks": 1},
        {"phases": []},
        {"phases": CLEAN["phases"][:3]},
        {"phases": list(reversed(CLEAN["phases"]))},
        {"errors": [{"phase": "verify", "cycle": 1, "offset": 0, "length": 4096, "kind": "bits", "detail": "x"}]},
        {"objections": [{"line": "stop", "reason": "x"}]},
    ],
)
def test_a_result_that_does_not_agree_with_itself_is_not_clean(changes: dict[str, Any]) -> None:
    assert not report(**changes).clean


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "fine"},
        {"outcome": None},
        {"format": 2},
        {"bytes_verified": -1},
        {"bytes_verified": None},
        {"bytes_verified": 1.5},
        {"seconds": "soon"},
        {"phases": [{}]},
        {"phases": [{**CLEAN["phases"][0], "profile_mib_s": [1.0] * 101}]},
        {"phases": [{**CLEAN["phases"][0], "profile_mib_s": ["x"]}]},
        {"errors": "none"},
        {"hits": [{"offset": 1}]},
    ],
)
def test_a_result_of_another_shape_cannot_be_read(changes: dict[str, Any]) -> None:
    with pytest.raises(ParseError):
        report(**changes)


LINE = json.dumps(CLEAN)
PROGRESS = json.dumps({"event": "progress", "phase": "write", "cycle": 1})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        PROGRESS,
        f"{LINE}\n{LINE}",
        f"{LINE}\n{PROGRESS}",
        f"{LINE}\nSegmentation fault",
        LINE[:-1],
        "[]",
        "{}",
        "[" * 9999,
    ],
)
def test_an_output_without_exactly_one_result_at_its_end_cannot_be_read(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_a_hole_in_the_middle_of_a_long_output_is_counted_and_does_no_harm() -> None:
    found = parse(f"{PROGRESS}\n{PROGRESS[:20]}\n[123456 bytes dropped]\n{PROGRESS[20:]}\n{PROGRESS}\n{LINE}\n")
    assert found.clean and found.lines_unread == 3


def test_reading_alone_is_never_taken_for_a_verified_surface() -> None:
    found = parse(json.dumps(row_of(MemoryDisk(SIZE), read_only=True)))

    assert found.read_clean and not found.clean
    assert not replace(found, bytes_read=SIZE - 1).read_clean


def test_only_the_wipe_probe_alone_is_unexpected_data() -> None:
    probe, other = {"line": "wipe probe", "reason": "ext4"}, {"line": "in use", "reason": "mounted"}

    assert report(outcome="refused", objections=[probe, probe]).unexpected_data
    assert not report(outcome="refused", objections=[probe, other]).unexpected_data
    assert not report(outcome="refused", objections=[]).unexpected_data
    assert not report(objections=[probe]).unexpected_data


def test_progress_is_said_at_most_once_a_second_and_read_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("vetting.surface.words.time.monotonic", lambda: now[0])
    voice = Voice()
    tally = scan_of(MemoryDisk(SIZE)).standing
    scan = scan_of(MemoryDisk(SIZE))
    scan.standing = tally
    scan.run()
    for _ in range(35):
        now[0] += 0.1
        voice.progress(Phase("write", 1), scan.standing.tallies[0], SIZE, 0)
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    progress = parse_progress(lines[0])
    assert progress and (progress.done_bytes, progress.of_bytes, progress.phase) == (SIZE, SIZE, "write")
    assert parse_progress("anything else") is None
    with pytest.raises(ParseError):
        parse_progress(PROGRESS)


def test_every_outcome_has_an_exit_status_and_only_clean_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    codes = {outcome: Voice().result(outcome.value, "why") for outcome in SurfaceOutcome}

    assert codes == {
        SurfaceOutcome.CLEAN: 0,
        SurfaceOutcome.BAD: 1,
        SurfaceOutcome.VANISHED: 1,
        SurfaceOutcome.REFUSED: 2,
        SurfaceOutcome.ERROR: 3,
        SurfaceOutcome.STOPPED: 4,
    }
    for line in capsys.readouterr().out.splitlines():
        assert not parse(line).clean  # a result without any work is never clean
