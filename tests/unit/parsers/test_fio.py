"""fio as recorded in 3.33 and 3.39: a run is judged by bytes and errors, for its exit status was 0 in half of these."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vetting.parsers import ParseError, fio

Recorded = Callable[[str], str]
MIB = 2**20


def test_a_verified_write_tells_the_bytes_of_both_phases(joined: Recorded) -> None:
    run = fio.parse(joined("fio/verify-ok"))
    (job,) = run.jobs
    assert (job.error, job.total_err) == (0, None)
    assert job.write.io_bytes == job.read.io_bytes == 8 * MIB
    assert job.read.clat_p99_ns is not None and job.read.clat_p99_ns > 100
    assert job.options["verify"] == "md5"
    assert run.miscompares == () and not run.aborted


def test_notes_before_the_json_are_kept(joined: Recorded) -> None:
    run = fio.parse(joined("fio/depth-note"))
    assert run.jobs[0].error == 0
    assert any("queue depth will be capped" in note for note in run.notes)


def test_corrupted_blocks_are_found_with_their_places(joined: Recorded) -> None:
    run = fio.parse(joined("fio/verify-error"))
    assert run.jobs[0].error == 84
    assert len(run.miscompares) == 1
    assert run.miscompares[0].offset % (2 * MIB) == 0


def test_a_verify_that_goes_on_counts_every_error_although_it_exits_with_nought(joined: Recorded, system: str) -> None:
    run = fio.parse(joined("fio/verify-error-continue"))
    assert (run.jobs[0].error, run.jobs[0].total_err) == (84, 4)
    assert sorted(bad.offset for bad in run.miscompares) == [0, 2 * MIB, 4 * MIB, 6 * MIB]
    index = json.loads((Path(__file__).parents[2] / "fixtures/tools" / system / "index.json").read_text())
    assert index["fio/verify-error-continue"]["exit_status"] == 0


def test_writing_only_verifies_nothing(joined: Recorded) -> None:
    job = fio.parse(joined("fio/write-only")).jobs[0]
    assert job.write.io_bytes == 8 * MIB
    assert job.read.io_bytes == 0
    assert job.read.clat_p99_ns is None, "nothing was measured, so there is no latency"


@pytest.mark.parametrize("name", ["fio/mounted", "fio/missing-file"])
def test_a_refused_job_is_aborted_and_did_nothing(joined: Recorded, name: str) -> None:
    run = fio.parse(joined(name))
    assert run.aborted
    assert run.jobs[0].error == 0, "its own error field says nothing of it"
    assert run.jobs[0].read.io_bytes == run.jobs[0].write.io_bytes == 0


def test_a_timed_run_tells_rates_and_length(joined: Recorded) -> None:
    job = fio.parse(joined("fio/randrw-timed")).jobs[0]
    assert job.job_runtime_ms is not None and job.job_runtime_ms >= 2000
    assert job.read.runtime_ms >= 2000 and job.read.iops > 0 and job.write.iops > 0


def test_several_jobs_are_told_apart(joined: Recorded) -> None:
    assert [job.name for job in fio.parse(joined("fio/two-jobs")).jobs] == ["a", "b"]


def test_an_unknown_option_is_no_run(joined: Recorded) -> None:
    with pytest.raises(ParseError, match="no JSON"):
        fio.parse(joined("fio/unknown-option"))


def test_half_a_document_is_an_error(joined: Recorded) -> None:
    text = joined("fio/verify-ok")
    with pytest.raises(ParseError, match="broken"):
        fio.parse(text[: len(text) // 2])


def test_json_of_something_else_is_an_error() -> None:
    with pytest.raises(ParseError, match="no fio version"):
        fio.parse('{"jobs": []}')


def test_a_job_without_its_error_field_is_an_error() -> None:
    with pytest.raises(ParseError, match="error is missing"):
        fio.parse('{"fio version": "fio-3.39", "jobs": [{"jobname": "a", "read": {}, "write": {}}]}')


def test_nan_is_refused(joined: Recorded) -> None:
    text = joined("fio/verify-ok").replace('"iops" :', '"iops" : NaN, "x" :', 1)
    with pytest.raises(ParseError):
        fio.parse(text)


def test_versions_are_read(recorded: Recorded, system: str) -> None:
    assert (
        fio.parse_version(recorded("fio/version"))
        == {"debian12": "3.33", "ubuntu2404": "3.36", "debian13": "3.39"}[system]
    )
