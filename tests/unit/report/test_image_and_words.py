"""What the host was tested with, and what its kernel said before it died."""

from __future__ import annotations

import re

from tests.fakes import records
from tests.fakes.records import Story
from tests.unit.report.conftest import Gather
from vetting.domain.image import LiveImage
from vetting.domain.outcome import Finding, Outcome, Severity
from vetting.domain.states import Event
from vetting.report import html, json
from vetting.report.model import Fact
from vetting.store import Store, findings, logs, runs

IMAGE = LiveImage(
    version="0.2 (3f2a)",
    kernel="6.12.57+deb13-amd64",
    packages={"stress-ng": "0.19.02-1", "fio": "3.39-1", "<b>x": "1"},
)
PANIC = "Kernel panic - not syncing: sysrq triggered crash"
OUTSIDE = "not the live image: the installed system's own tools"


def rows(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_report_names_the_image_its_packages_and_the_tools_that_were_used(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(Story(store))
    story.end(records.cpu_outcome(), after_s=240)
    store.write_now(lambda: runs.change(story.run_id, image=IMAGE))
    report = gather(story)
    assert report.image is not None
    assert (report.image.version, report.image.kernel) == (IMAGE.version, IMAGE.kernel)
    assert Fact(label="fio", value="3.39-1") in report.image.packages
    assert Fact(label="stress-ng", value="stress-ng 0.19.02") in report.tools
    assert Fact(label="dmidecode", value="3.6") in report.tools
    page = html.render(report)
    assert "0.2 (3f2a), kernel 6.12.57+deb13-amd64" in rows(page) and "all 3 packages" in page
    assert "<b>x" not in page and OUTSIDE not in page
    assert json.parse(json.render(report)).image == report.image


def test_outside_the_live_image_the_report_says_so(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(Story(store))
    report = gather(story)
    assert report.image is None and report.tools
    assert html.render(report).count(OUTSIDE) == 2


def test_two_versions_of_one_tool_are_both_told(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(Story(store))
    story.end(Outcome.fail("one", tools=(records.tool("dmidecode", begin_s=1, seconds=1, version="3.7"),)), after_s=240)
    assert Fact(label="dmidecode", value="3.6, 3.7") in gather(story).tools


def died(story: Story) -> None:
    """In CPUStress, with words in the order in which they were written down: errors first, the rest after the reboot."""
    story.now += 60
    at_ms = int(story.now * 1000)
    why = "rebooted unexpectedly during CPUStress"

    def written() -> None:
        said = f"the kernel's last words: {PANIC}"
        logs.append(
            story.run_id,
            [
                ("CPUStress", at_ms + 2, "error", "netconsole", f"{PANIC} <script>"),
                ("CPUStress", at_ms + 1, "info", "netconsole", "sysrq: Trigger a crash"),
                ("CPUStress", at_ms + 3, "info", "agent", "not the kernel"),
            ],
        )
        finding = Finding(severity=Severity.WARNING, component="host", text=said, source="netconsole")
        findings.add(story.run_id, "CPUStress", 1, (finding,), at=story.now)

    story.store.write_now(written)
    story.move(Event.REBOOTED_UNEXPECTEDLY, why=why, failed_stage="CPUStress", reason=why)


def test_the_last_words_stand_in_the_report_in_the_order_in_which_they_came(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(Story(store))
    died(story)
    report = gather(story)
    (words,) = report.last_words
    assert (words.stage, words.lines) == ("CPUStress", ("sysrq: Trigger a crash", f"{PANIC} <script>"))
    page = html.render(report)
    assert page.index("sysrq: Trigger") < page.index(f"{PANIC} &lt;script&gt;") and "not the kernel" not in page
    assert any(PANIC in why for why in report.verdict.why), "it stands where a person looks first"


def test_a_run_without_last_words_has_no_such_chapter(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(Story(store))
    store.write_now(
        lambda: logs.append(story.run_id, [("CPUStress", 1, "error", "netconsole", "ata1: COMRESET failed")])
    )
    report = gather(story)
    assert report.last_words == () and "Last words" not in html.render(report)
