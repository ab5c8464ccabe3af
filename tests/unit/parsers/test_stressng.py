"""stress-ng as recorded in 0.15, 0.17 and 0.19, and the corpus of 0.17 and 0.21: what happened is in its text, never in its exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vetting.parsers import ParseError, stressng

Recorded = Callable[[str], str]


def test_a_run_of_all_cores_tells_instances_and_work(joined: Recorded) -> None:
    run = stressng.parse(joined("stress-ng/cpu"))
    assert run.dispatched == {"cpu": 2}
    assert run.instances == 2
    metric = run.metric("cpu")
    assert metric is not None
    assert metric.bogo_ops > 1000
    assert metric.real_time_s == pytest.approx(2.0, abs=0.1)
    assert metric.rss_max_kib is not None and metric.rss_max_kib > 1000
    assert run.success is True
    assert run.run_time_s == pytest.approx(2.0, abs=0.1)
    assert not run.failures and not run.errors and not run.not_run


def test_the_tallies_are_absent_in_the_version_that_prints_none(joined: Recorded, system: str) -> None:
    run = stressng.parse(joined("stress-ng/mixed"))
    assert run.dispatched == {"cpu": 1, "matrix": 1, "vm": 1}
    assert [metric.name for metric in run.metrics] == ["cpu", "matrix", "vm"]
    if system == "debian12":
        assert (run.passed, run.failed, run.skipped, run.untrustworthy) == (None, None, None, None)
    else:
        assert (run.passed, run.failed, run.skipped, run.untrustworthy) == (3, 0, 0, 0)
        assert run.passed_by == {"cpu": 1, "matrix": 1, "vm": 1}


def test_flipped_bits_in_the_tested_memory_are_failures(joined: Recorded, system: str) -> None:
    run = stressng.parse(joined("stress-ng/memory-fault"))
    assert any("memory error" in line for line in run.failures)
    assert any("bit errors while stressing memory" in line for line in run.failures)
    assert run.success is False
    assert run.errors
    if system != "debian12":
        assert run.failed_by == {"vm": 1}


def test_a_terminated_run_claims_success_and_only_its_time_gives_it_away(joined: Recorded) -> None:
    run = stressng.parse(joined("stress-ng/terminated"))
    assert run.success is True
    metric = run.metric("cpu")
    assert metric is not None and metric.real_time_s < 2, "it was told to run for 20 s"


def test_a_killed_worker_is_seen_in_the_work_done(joined: Recorded, system: str) -> None:
    run, whole = stressng.parse(joined("stress-ng/worker-killed")), stressng.parse(joined("stress-ng/cpu"))
    metric, full = run.metric("cpu"), whole.metric("cpu")
    assert metric is not None and full is not None
    if system == "debian12":
        assert run.success is False
        assert any("corrupted bogo-ops counter" in line for line in run.failures)
    else:
        assert (run.passed, run.failed, run.success) == (2, 0, True), (
            "0.17 and 0.19 say passed: 2 with one of two killed"
        )
        assert metric.bogo_ops / metric.real_time_s < 0.75 * full.bogo_ops / full.real_time_s


def test_an_unsupported_stressor_is_named_and_nothing_is_dispatched(joined: Recorded, system: str) -> None:
    run = stressng.parse(joined("stress-ng/unsupported"))
    assert run.dispatched == {}
    assert run.metrics == ()
    assert any("smi" in line for line in run.not_run)
    if system == "debian12":
        assert run.errors == ("No stress workers invoked",)
    else:
        assert (run.skipped_by, run.success) == ({"smi": 1}, True), "0.17 and 0.19 call it a successful run"


def test_one_unsupported_of_two_is_still_named(joined: Recorded) -> None:
    run = stressng.parse(joined("stress-ng/partly-unsupported"))
    assert run.dispatched == {"cpu": 1}
    assert any("'smi'" in line for line in run.not_run)


def test_memory_that_cannot_be_had_is_nought_bogo_ops_and_not_a_failure(joined: Recorded) -> None:
    run = stressng.parse(joined("stress-ng/no-memory"))
    metric = run.metric("vm")
    assert metric is not None and metric.bogo_ops == 0
    assert run.success is True and not run.failures


def test_without_metrics_there_are_none(joined: Recorded) -> None:
    assert stressng.parse(joined("stress-ng/no-metrics")).metrics == ()


def test_brief_metrics_have_no_memory_column(joined: Recorded) -> None:
    metric = stressng.parse(joined("stress-ng/metrics-brief")).metric("cpu")
    assert metric is not None and metric.rss_max_kib is None and metric.bogo_ops > 0


def test_an_unknown_option_is_no_output_of_a_run(joined: Recorded) -> None:
    with pytest.raises(ParseError, match="stress-ng cannot be read"):
        stressng.parse(joined("stress-ng/unknown-option"))


@pytest.mark.parametrize("text", ["", "\n", "passed: 2: cpu (2)\nsuccessful run completed in 60 secs\n"])
def test_what_is_no_log_of_stress_ng_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        stressng.parse(text)


def test_the_yaml_file_agrees_with_the_table(joined: Recorded, recorded: Recorded) -> None:
    table = stressng.parse(joined("stress-ng/mixed")).metrics
    written = stressng.parse_yaml(recorded("stress-ng/mixed.yaml"))
    assert [(each.name, each.bogo_ops, each.rss_max_kib) for each in written] == [
        (each.name, each.bogo_ops, each.rss_max_kib) for each in table
    ]
    assert written[0].real_time_s == pytest.approx(table[0].real_time_s, abs=0.01)


def test_a_yaml_file_without_metrics_is_an_error(recorded: Recorded) -> None:
    with pytest.raises(ParseError, match="no metrics section"):
        stressng.parse_yaml(recorded("stress-ng/no-metrics.yaml"))


@pytest.mark.parametrize(
    ("ending", "seconds"),
    [
        ("2.00s", 2.0),
        ("60.02s (1 min, 0.02 secs)", 60.02),
        ("15.02 secs", 15.02),
        ("1 sec", 1.0),
        ("1 min, 0.05 secs", 60.05),
        ("2 hours, 3 mins, 4.50 secs", 7384.5),
    ],
)
def test_every_spelling_of_a_duration_is_seconds(ending: str, seconds: float) -> None:
    run = stressng.parse(f"stress-ng: info:  [7] successful run completed in {ending}\n")
    assert run.run_time_s == pytest.approx(seconds)


def test_a_run_without_its_closing_line_was_killed(joined: Recorded) -> None:
    cut = "\n".join(line for line in joined("stress-ng/cpu").splitlines() if "run completed" not in line)
    run = stressng.parse(cut)
    assert run.success is None and run.run_time_s is None


def test_versions_are_read(recorded: Recorded, system: str) -> None:
    known = {"debian12": "0.15.06", "ubuntu2404": "0.17.06", "debian13": "0.19.02"}
    assert stressng.parse_version(recorded("stress-ng/version")) == known[system]


def test_the_recordings_of_other_versions_hold(corpus: Path) -> None:
    folder = corpus / "stress-ng"
    old = stressng.parse((folder / "v17-stdout").read_text())
    assert (old.dispatched, old.passed, old.failed, old.success) == ({"qsort": 128}, 128, 0, True)
    assert old.metrics[0].bogo_ops == 15341 and old.run_time_s == pytest.approx(10.04)
    new = stressng.parse((folder / "v02103b-stdout").read_text())
    assert (new.dispatched, new.passed, new.untrustworthy) == ({"cpu": 640}, 640, 0)
    assert new.metrics[0].bogo_ops == 3257280
    assert stressng.parse_version((folder / "v17-version").read_text()) == "0.17.04"
    assert stressng.parse_version((folder / "v02103b-version-stdout").read_text()) == "0.21.03"


def test_workers_are_counted_by_their_own_ends() -> None:
    text = (
        "stress-ng: debug: [7] cpu: [8] exited (instance 0 on CPU 1)\n"
        "stress-ng: debug: [7] cpu: exited [9] (instance 1)\n"
        "stress-ng: debug: [7] cpu: exited [9] (instance 1)\n"
        "stress-ng: debug: [7] process [10] (vm) terminated on signal: 9 (Killed)\n"
        "stress-ng: debug: [7] vm: child died: signal 7 'SIGBUS' (instance 0)\n"
    )
    told = stressng.parse_workers(text)
    assert told.exited == {"cpu": 2}
    assert told.deaths == (("vm", 9), ("vm", 7))
    assert stressng.parse_workers("") == stressng.Workers(exited={}, deaths=())


def test_only_what_is_enabled_verifies() -> None:
    text = (
        "Verification always enabled:\n cpu hash\nVerification enabled by --verify option:\n vm\nVerify none:\n fork\n"
    )
    assert stressng.parse_verifiable(text) == {"cpu", "hash", "vm"}
    assert stressng.parse_verifiable("stress-ng: unknown option") == frozenset()
