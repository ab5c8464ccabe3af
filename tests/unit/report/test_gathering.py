"""What the records say becomes what the report says: nothing tested is lost, nothing untested is hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import records
from tests.unit.report.conftest import Gather
from vetting.domain.errors import NotFound
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.inventory import FoundDisk
from vetting.domain.outcome import Cell, Finding, Outcome, Severity, Verdict, Work
from vetting.domain.profiles import QUICK
from vetting.domain.states import Event
from vetting.domain.thresholds import Op, Threshold
from vetting.orchestrator import gathering
from vetting.report import html, json
from vetting.report.model import Coverage, Mark, Report
from vetting.store import Store, attempts


def row(report: Report, stage: str, component: str) -> Coverage:
    (found,) = [one for one in report.coverage if (one.stage, one.component) == (stage, component)]
    return found


def test_a_healthy_host_is_vetted_and_its_unplugged_port_is_told(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    assert report.verdict.word == "vetted"
    assert "network card eno2 (3c:ec:ef:00:11:23) was not tested: no link" in report.verdict.qualifiers
    port = row(report, "Network", "nic:3c:ec:ef:00:11:23")
    assert (port.mark, port.tested, port.reason) == (Mark.MISSING, False, "no link")
    memory = row(report, "CPUStress", "memory")
    assert memory.work[0].percent == 77.6
    assert memory.name == "memory (125.8\u00a0GiB)"


def test_the_report_that_completes_a_run_is_the_report_of_the_completed_run(store: Store, gather: Gather) -> None:
    story = records.vetted(store)
    before = gather(story, closing=True)
    after = gather(records.completed(story))
    assert json.render(before) == json.render(after)
    assert html.render(before) == html.render(after)


def test_without_closing_a_run_in_reporting_is_not_finished(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store))
    assert report.verdict.word == "incomplete"
    assert report.stages[-1].verdict is Mark.RUNNING


def test_a_taste_says_everything_that_it_did_not_do(store: Store, gather: Gather) -> None:
    report = gather(records.taste(store), closing=True)
    assert report.verdict.word == "passed, not vetted"
    beside = "\n".join(report.verdict.qualifiers)
    for said in (
        "scratch device",
        "not observable: no series temp.*, fan.*",
        "shortened: profile taste",
        "SMART skipped",
        "GPU skipped",
        "vda-0001",
    ):
        assert said in beside
    assert row(report, "Storage", "disk:vda-0001").mark is Mark.SKIP
    assert row(report, "Inventory", "dimms").reason == "could not be read: no DMI tables on this machine"
    assert row(report, "Sensors", "series:temp.*").tested is False
    assert row(report, "CPUStress", "memory").work[0].percent == 4.2


def test_what_the_caller_remarks_stands_beside_the_verdict(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store, scaled={"remarks": ["one core was taken out by hand"]}), closing=True)
    assert report.verdict.word == "passed, not vetted"
    assert "one core was taken out by hand" in report.verdict.qualifiers


def test_a_disk_that_nobody_expected_bars_the_vetting_and_is_printed_as_not_tested(
    store: Store, gather: Gather
) -> None:
    stranger = FoundDisk(name="sdc", serial="STRANGE1", model="Kingston", size_bytes=10**12, transport="sata")
    loop = FoundDisk(name="loop0", serial="", size_bytes=10**6, transport="loop")
    found = replace(records.INVENTORY, disks=(*records.INVENTORY.disks, stranger, loop))
    story = records.Story(store).order()
    story.end(records.inventory_outcome(found), after_s=5)
    report = gather(story)
    assert row(report, "Storage", "disk:STRANGE1").reason == "found, and not in the host's expected spec"
    assert "disk STRANGE1 is not in the expected spec and was not tested" in report.verdict.qualifiers
    assert "loop0" not in str(report.coverage)


def test_stages_that_a_profile_drops_are_printed_as_not_tested(store: Store, gather: Gather) -> None:
    story = records.Story(store, profile=replace(QUICK, drop=("Burn",))).order()
    story.end(records.inventory_outcome(), after_s=5)
    report = gather(story)
    assert row(report, "Burn", "host").reason == "left out by the profile"
    assert any("Burn is left out" in said for said in report.verdict.qualifiers)


def test_a_part_that_a_failed_stage_never_spoke_of_is_not_tested(store: Store, gather: Gather) -> None:
    report = gather(records.failed_hot(store))
    assert report.verdict.word == "failed"
    assert row(report, "CPUStress", "cpu").mark is Mark.FAIL
    assert row(report, "CPUStress", "memory").reason == "attempt 2 ended FAIL without a result for it"
    assert row(report, "Storage", f"disk:{records.DISKS[0].serial}").reason == "this stage was never reached"
    assert all(one.tested is False for one in report.coverage if one.stage in ("Storage", "Burn", "PSU"))


def test_every_attempt_is_kept_with_its_objections(store: Store, gather: Gather) -> None:
    report = gather(records.failed_hot(store))
    stage = next(one for one in report.stages if one.name == "CPUStress")
    first, second = stage.attempts
    assert (first.mark, first.posted) == (Mark.ERROR, Mark.PASS)
    assert len(first.objections) == 2
    assert (second.mark, second.posted) == (Mark.FAIL, None)
    assert first.our_s == 9.0
    assert first.planned_s == 240.0
    assert (stage.verdict, len(first.tools)) == (Mark.FAIL, 1)


def test_an_override_is_told_with_its_person_and_reason(store: Store, gather: Gather) -> None:
    report = gather(records.failed_hot(store))
    (override,) = report.overrides
    assert (override.stage, override.who, override.why) == (
        "CPUStress",
        "mira",
        "the tool had been started by hand; run it once more",
    )
    assert any("overridden by mira" in said for said in report.verdict.qualifiers)
    assert [one.what for one in report.audit] == ["run.start", "run.override"]


def test_override_flags_are_told(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    story.end(records.cpu_outcome(), after_s=260)
    story.end(Outcome.fail("UnexpectedData on disk"), after_s=2)
    story.hold("Storage", "Storage FAIL: UnexpectedData on disk")
    story.override("old data, may go", flags=("wipe_probe",))
    report = gather(story)
    assert report.overrides[0].flags == ("wipe_probe",)
    assert any(
        "Storage overridden with wipe_probe by mira because: old data, may go" in said
        for said in report.verdict.qualifiers
    )


def test_a_host_that_went_silent_is_lost(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    why = "lost during CPUStress"
    store.write_now(
        lambda: attempts.close_attempt(
            story.run_id, "CPUStress", 1, now=story.now, verdict=Verdict.INTERRUPTED, reason=why
        )
    )
    story.move(Event.HOST_LOST, after_s=200, why=why, failed_stage="CPUStress", reason=why)
    report = gather(story)
    assert report.verdict.word == "lost"
    assert report.stages[4].attempts[0].mark is Mark.INTERRUPTED
    assert row(report, "CPUStress", "cpu").mark is Mark.MISSING


def test_a_late_result_is_shown_and_never_counted(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    store.write_now(
        lambda: attempts.keep_late(story.run_id, now=story.now, stage="Storage", attempt=1, boot_id="x",
                                   why="the run's current stage is CPUStress", outcome=Outcome.ok(cells=records.disk_cells()))
    )  # fmt: skip
    report = gather(story)
    assert report.late[0].mark is Mark.PASS
    assert row(report, "Storage", f"disk:{records.DISKS[0].serial}").mark is Mark.MISSING


def test_a_critical_finding_bars_the_vetting(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    bad = Finding(severity=Severity.CRITICAL, component="dimm:DIMM0", text="2 corrected errors", source="edac")
    story.end(records.cpu_outcome().but(findings=(bad,)), after_s=250)
    report = gather(records.to_the_report(story), closing=True)
    assert report.verdict.word == "passed, not vetted"
    assert any("2 corrected errors" in said for said in report.verdict.qualifiers)


def test_a_missing_part_in_a_completed_run_is_told(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    only_cpu = tuple(cell for cell in records.cpu_outcome().cells if cell.component == "cpu")
    story.end(records.cpu_outcome().but(cells=only_cpu), after_s=250)
    report = gather(records.to_the_report(story), closing=True)
    assert report.verdict.word != "vetted"
    assert "memory in CPUStress: MISSING" in report.verdict.qualifiers


def test_work_that_is_no_number_is_unknown_and_not_nothing(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    work = (Work(what="cpus", done=3, of=0, unit="cpus"),)
    story.end(Outcome.fail("odd", cells=(Cell(component="cpu", verdict=Verdict.FAIL, work=work),)), after_s=9)
    story.hold("CPUStress", "odd")
    assert row(gather(story), "CPUStress", "cpu").work[0].percent is None


def test_counters_tell_growth_and_what_could_not_be_read(store: Store, gather: Gather) -> None:
    by_name = {one.name: one for one in gather(records.vetted(store), closing=True).counters}
    assert by_name["core_throttle_count"].delta == 3
    assert by_name["corrected"].delta is None
    text = html.render(gather(records.vetted(store), closing=True)).partition('id="counters"')[2]
    assert "2 others did not change" in text


def test_thresholds_tell_what_was_heard(store: Store, gather: Gather) -> None:
    limits = (*records.LIMITS, Threshold(series="volt.*", op=Op.ABOVE, limit=11.4, stages=("PSU",)))
    report = gather(records.vetted(store, limits=limits), closing=True)
    heard = {one.series: one.heard for one in report.thresholds}
    assert heard == {"temp.*": 18, "fan.*": 1, "net.*.rx_errors": 0, "volt.*": 0}


def test_the_reports_own_files_are_not_among_its_files(store: Store, gather: Gather) -> None:
    report = gather(records.vetted(store), closing=True)
    assert {one.name for one in report.artifacts} == {"inventory.json", "stress-ng.txt"}


def test_next_steps_fit_the_verdict(store: Store, gather: Gather) -> None:
    good = gather(records.vetted(store), closing=True)
    bad = gather(records.failed_hot(store, name="pve-r7-04"))
    assert "may carry virtual machines again" in good.verdict.next_steps[0]
    assert "Do not put pve-r7-04 into service" in bad.verdict.next_steps[0]
    assert "192.0.2.41" in bad.verdict.next_steps[1]
    assert any("hotter than 90" in said for said in bad.verdict.why)


def test_a_run_that_is_not_there_is_said_so(store: Store) -> None:
    with pytest.raises(NotFound, match="no run 77"):
        store.read_now(lambda: gathering.gather(77))


def test_a_host_without_a_spec_has_a_report(store: Store, gather: Gather) -> None:
    story = records.Story(store, spec=ExpectedSpec()).order()
    story.end(records.inventory_outcome(), after_s=4)
    report = gather(story)
    assert {one.component for one in report.coverage if one.stage == "Storage"} >= {
        f"disk:{disk.serial}" for disk in records.DISKS
    }


def test_a_stage_that_speaks_of_parts_nobody_expected_shows_them_in_place_of_the_whole(
    store: Store, gather: Gather
) -> None:
    scratch = replace(records.DISKS[0], serial="loop:1", kind="scratch")
    story = records.Story(store, spec=ExpectedSpec(disks=(scratch,))).order()
    for _ in range(3):
        story.end(records.inventory_outcome(), after_s=1)
    cell = Cell(component="disk:loop:1", verdict=Verdict.SKIP, reason="no SMART on a scratch disk")
    story.end(Outcome.skip("disk:loop:1: no SMART", cells=(cell,)), after_s=1)
    shown = [one.component for one in gather(story).coverage if one.stage == "SMART"]
    assert shown == ["disk:loop:1"]


def test_a_remark_about_the_scratch_device_is_said_once(store: Store, gather: Gather) -> None:
    remark = "the surface test wrote to a scratch file, not to the disks of this machine"
    report = gather(records.taste(store, scaled={"loopback": True, "remarks": [remark]}), closing=True)
    assert [said for said in report.verdict.qualifiers if "scratch" in said] == [remark]
