"""Storage's own decisions: who is written, who is skipped, and what a scan or fio is worth."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.disk_world import DISK, FILE, FILES, LSBLK, SERIAL, Change, FioDeps, changed, diskstats, surface
from tests.fakes.scripted_deps import Says, ScriptedDeps, job
from tests.fakes.stage_world import MIB, RELEASES, recorded, tool_text
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.domain.outcome import Verdict
from vetting.domain.profiles import TASTE, StorageKnobs, SurfaceMode
from vetting.parsers.hwmon import slug
from vetting.stages.base import Checkpoint, NotTaken
from vetting.stages.disk_paths import Device, unexpected
from vetting.stages.fio_load import area_of, job_file, next_call
from vetting.stages.storage import Storage
from vetting.stages.way_back import countdown_s

KNOBS = StorageKnobs(surface=SurfaceMode.FULL, fio_s=2, fio_size_bytes=32 * MIB)


def world(
    *,
    release: str = "debian12",
    probe: tuple[int, str] | None = None,
    scan: tuple[int, str] | None = None,
    heads: tuple[int, str] | None = None,
    scan_s: float = 1.0,
    fio: Says | None = None,
    fio_change: Change | None = None,
    files: dict[str, Any] | None = None,
    **changes: Any,
) -> FioDeps:
    status, said = recorded(release, "fio-round")
    tools = [
        LSBLK,
        surface("probe", probe or recorded(release, "surface-probe")),
        surface("scan", scan or recorded(release, "surface-scan"), elapsed_s=scan_s),
        surface("save-heads", heads or recorded(release, "surface-save-heads")),
        fio or Says("fio", stdout=said, exit_code=status, elapsed_s=2.0),
    ]
    asked = job(
        profile=replace(TASTE, storage=KNOBS), expected_disks=(DISK,), permit="{}", permit_key="00", host="bench"
    )
    deps = FioDeps(replace(asked, **changes), tools, {**FILES, **(files or {})})
    deps.fio = fio_change
    return deps


def written(deps: ScriptedDeps) -> list[tuple[str, ...]]:
    return [argv for argv in deps.argvs() if argv[0] == "fio" or argv[:3] == ("vetting", "surface", "scan")]


@pytest.mark.parametrize("release", RELEASES)
async def test_a_clean_scan_and_verified_rounds_pass(release: str) -> None:
    deps = world(release=release)
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert [(each.what, each.done == each.of) for each in outcome.cells[0].work] == [
        ("surface verified", True),
        ("surface covered", True),
        ("fio verified", True),
    ]
    scan = next(argv for argv in deps.argvs() if "scan" in argv)
    assert {"--permit", "--permit-key", "--run-id", "--host-id", "--heads-dir"} <= set(scan)
    assert "--sample" not in scan


async def test_a_non_destructive_run_skips_every_disk_and_says_why() -> None:
    deps = world(non_destructive=True)
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.SKIP
    assert "non-destructive" in outcome.cells[0].reason
    assert not written(deps)


async def test_a_disk_that_is_only_to_be_read_is_skipped_beside_one_that_is_written() -> None:
    real = ExpectedDisk(serial="WD-1", write=False)
    outcome = await Storage().run(world(expected_disks=(real, DISK)))
    assert {each.component: each.verdict for each in outcome.cells} == {
        "disk:WD-1": Verdict.SKIP,
        f"disk:{SERIAL}": Verdict.PASS,
    }


async def test_a_disk_that_is_not_there_fails_the_host() -> None:
    outcome = await Storage().run(world(expected_disks=(ExpectedDisk(serial="WD-1"),)))
    assert outcome.verdict is Verdict.FAIL
    assert "no disk with this serial" in outcome.reason


async def test_no_expected_disk_is_our_error() -> None:
    assert (await Storage().run(world(expected_disks=()))).verdict is Verdict.ERROR


async def test_data_on_one_disk_stops_the_writing_of_all() -> None:
    other = replace(DISK, serial=SERIAL[:-1] + "2", path=FILE.replace("1.img", "2.img"))
    deps = world(
        expected_disks=(DISK, other),
        files={
            "/sys/block/loop1/loop/backing_file": other.path,
            "/sys/block/loop1/size": f"{64 * MIB // 512}",
        },
    )
    clean = recorded("debian12", "surface-probe")[1].replace(SERIAL, other.serial)
    deps.tools[1:2] = [
        Says("vetting surface probe /dev/loop0", stdout=recorded("debian12", "surface-probe-ext4")[1], exit_code=2),
        Says("vetting surface probe /dev/loop1", stdout=clean),
    ]
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.reason.startswith(f"UnexpectedData: disk:{SERIAL} holds ext2/3/4 at byte 1080")
    assert not written(deps)
    assert {each.verdict for each in outcome.cells} == {Verdict.ERROR}


async def test_without_a_permit_nothing_is_written() -> None:
    deps = world(permit="")
    assert (await Storage().run(deps)).verdict is Verdict.ERROR
    assert not written(deps)


@pytest.mark.parametrize("key", ["serial", "size_bytes"])
async def test_another_disk_under_the_same_name_is_never_written(key: str) -> None:
    def swap(row: dict[str, Any]) -> None:
        row["disk"][key] = "loop:other" if key == "serial" else 1

    deps = world(probe=changed("surface-probe", swap))
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "another disk" in outcome.reason
    assert not written(deps)


async def test_a_name_that_swaps_between_scan_and_fio_keeps_fio_away() -> None:
    def swap(row: dict[str, Any]) -> None:
        row["disk"]["serial"] = "loop:other"

    deps = world()
    deps.tools.insert(1, surface("probe", recorded("debian12", "surface-probe"), times=1))
    deps.tools[2] = surface("probe", changed("surface-probe", swap))
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert not deps.argvs("fio")


async def test_a_disk_exchanged_between_two_calls_of_fio_is_not_written() -> None:
    """fio opens its disk by name, again and again for hours; the bay may hold another disk by then."""

    def swap(row: dict[str, Any]) -> None:
        row["disk"]["serial"] = "loop:other"

    deps = world(profile=replace(TASTE, storage=replace(KNOBS, fio_s=9)))
    deps.tools.insert(1, surface("probe", recorded("debian12", "surface-probe"), times=2))
    deps.tools[2] = surface("probe", changed("surface-probe", swap))
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "another disk" in outcome.reason
    assert len(deps.argvs("fio")) == 1


def bad(row: dict[str, Any]) -> None:
    error = {"phase": "verify", "cycle": 1, "offset": 4096, "length": 4096, "kind": "bits", "detail": "1 bits differ"}
    row |= {"outcome": "bad", "reason": "1 bad blocks", "bad_blocks": 1, "errors": [error]}


def half(row: dict[str, Any]) -> None:
    row |= {name: row[name] // 2 for name in ("covered_bytes", "bytes_promised", "bytes_written", "bytes_verified")}
    for phase in row["phases"]:
        phase["ok_bytes"] //= 2


def twice(row: dict[str, Any]) -> None:
    row |= {name: row[name] * 2 for name in ("cycles", "bytes_promised", "bytes_written", "bytes_verified")}
    row["phases"] += [{**phase, "cycle": 2} for phase in row["phases"]]


@pytest.mark.parametrize(
    ("change", "status", "verdict", "words"),
    [
        (bad, 1, Verdict.FAIL, "the first at byte 4096: 1 bits differ"),
        (lambda row: row.update(outcome="vanished", reason="the disk vanished"), 1, Verdict.FAIL, "vanished"),
        (lambda row: row.update(outcome="stopped", reason="TERM"), 4, Verdict.ERROR, "stopped"),
        (lambda row: row.update(outcome="error", reason="OSError"), 3, Verdict.ERROR, "error"),
        (lambda row: row.update(bytes_verified=row["bytes_verified"] - 4096), 0, Verdict.ERROR, "numbers do not agree"),
        (half, 0, Verdict.ERROR, "covered 33554432 of 67108864"),
        (twice, 0, Verdict.ERROR, "covered"),
        (lambda row: None, 137, Verdict.ERROR, "exit 137"),
    ],
)  # fmt: skip
async def test_a_scan_is_judged_by_its_numbers(change: Change, status: int, verdict: Verdict, words: str) -> None:
    deps = world(scan=(status, changed("surface-scan", change)[1]))
    outcome = await Storage().run(deps)
    assert outcome.verdict is verdict
    assert words in outcome.reason
    assert not deps.argvs("fio")


@pytest.mark.parametrize("text", ["", "ok", '{"event": "result"', "[]"])
async def test_a_scan_without_a_result_is_our_error(text: str) -> None:
    assert (await Storage().run(world(scan=(0, text)))).verdict is Verdict.ERROR


async def test_a_scan_past_its_deadline_fails_the_disk_only_when_it_was_seen_to_crawl() -> None:
    progress = {"event": "progress", "phase": "write", "cycle": 1, "done_bytes": 4096, "of_bytes": 64 * MIB}
    line = json.dumps({**progress, "mib_s": 0.1, "bad_blocks": 0})
    crawling = await Storage().run(world(scan=(0, line + "\n"), scan_s=100_000))
    silent = await Storage().run(world(scan=(0, ""), scan_s=100_000))
    assert (crawling.verdict, silent.verdict) == (Verdict.FAIL, Verdict.ERROR)
    assert "floor 20 MB/s" in crawling.reason


def one(**parts: Any) -> Change:
    def change(row: dict[str, Any]) -> None:
        for key, value in parts.items():
            if key in ("read", "write"):
                row["jobs"][0][key].update(value)
            else:
                row["jobs"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        (one(error=84), Verdict.FAIL, "did not verify"),
        (one(error=5), Verdict.FAIL, "I/O error"),
        (one(error=22), Verdict.ERROR, "error 22"),
        (one(total_err=3), Verdict.ERROR, "3 errors"),
        (one(read={"io_bytes": 4096}), Verdict.ERROR, "not all was verified"),
        (one(write={"io_bytes": 0}), Verdict.ERROR, "not all was verified"),
        (one(jobname="last-week-0"), Verdict.ERROR, "not of this run"),
        (lambda row: row.update(jobs=[]), Verdict.ERROR, "not of this run"),
    ],
)
async def test_fio_is_judged_by_what_it_verified(change: Change, verdict: Verdict, words: str) -> None:
    outcome = await Storage().run(world(fio_change=change))
    assert outcome.verdict is verdict
    assert words in outcome.reason


async def test_fio_that_the_kernel_never_saw_is_not_believed() -> None:
    outcome = await Storage().run(world(files={"/proc/diskstats": diskstats(0)}))
    assert outcome.verdict is Verdict.ERROR
    assert "the kernel counted 0" in outcome.reason


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["write-only", "mounted", "verify-error-continue", "missing-file", "randrw-timed"])
async def test_recordings_of_fio_that_verified_nothing_never_pass(release: str, name: str) -> None:
    said = Says("fio", stdout=tool_text(release, f"fio/{name}"), elapsed_s=2.0)
    outcome = await Storage().run(world(fio=said))
    assert outcome.verdict in (Verdict.ERROR, Verdict.FAIL)


async def test_a_missing_fio_is_told_as_missing() -> None:
    deps = world()
    deps.tools.pop()
    with pytest.raises(ToolMissing):
        await Storage().run(deps)


@pytest.mark.parametrize(
    ("pinned", "words"),
    [
        (ExpectedSpec(disk_iops_floor=10**9), "floor 1000000000"),
        (ExpectedSpec(disk_p99_ceiling_ms=0.0001), "ceiling 0.0001 ms"),
    ],
)
async def test_a_disk_below_its_pinned_floor_fails(pinned: ExpectedSpec, words: str) -> None:
    outcome = await Storage().run(world(expected=pinned))
    assert outcome.verdict is Verdict.FAIL
    assert words in outcome.reason


def test_what_is_planned_is_fio_alone_and_nothing_when_nothing_is_written() -> None:
    asked = world().job
    assert Storage().planned_s(asked) == 2
    assert Storage().planned_s(replace(asked, non_destructive=True)) == 0
    assert Storage().limit_s(asked) > 64 * MIB / 20e6 * 2


DEVICE = Device(disk=DISK, path="/dev/disk/by-id/usb-a:b", kname="sda", size_bytes=1000 * MIB)


def test_fio_never_leaves_the_disk_and_its_names_are_escaped() -> None:
    area = area_of(DEVICE, 10**12)
    assert area == 500 * MIB
    text = job_file(DEVICE, "n", area, 4 * MIB, 50, 7)
    offsets = [int(each) for each in re.findall(r"^offset=(\d+)$", text, re.MULTILINE)]
    assert len(set(offsets)) > 40 and all(each >= 0 and each + area <= DEVICE.size_bytes for each in offsets)
    assert "filename=/dev/disk/by-id/usb-a\\:b\n" in text
    assert "allow_file_create=0" in text and "randrepeat=0" in text and "time_based" not in text


def test_the_next_call_of_fio_fits_the_time_that_is_left() -> None:
    assert next_call(4 * MIB, 4.0, 100.0, 512 * MIB) == (20 * MIB, 5)  # a slow disk: 1 MiB/s, 20 s each
    io_bytes, sections = next_call(512 * MIB, 1.0, 10_000.0, 512 * MIB)
    assert io_bytes == 512 * MIB and sections == 200
    assert next_call(MIB, 60.0, 5.0, 512 * MIB) == (MIB, 1)


def test_nothing_stands_against_disks_that_were_not_looked_at() -> None:
    assert unexpected([], ()) == ""


async def test_growth_of_a_drives_counter_fails_it(corpus: Path) -> None:
    report, serial = ata_recording(corpus)
    calm = await Storage().run(real_disk_world(report, serial, 0))
    grown = await Storage().run(real_disk_world(report, serial, 1))
    assert calm.verdict is Verdict.PASS, calm.reason
    assert grown.verdict is Verdict.FAIL
    assert "pending sectors grew from 0 to 1" in grown.reason


def ata_recording(corpus: Path) -> tuple[dict[str, Any], str]:
    """A SATA drive's `smartctl -x` with a counter of pending sectors at 0."""
    for path in sorted(corpus.rglob("*.json")):
        try:
            row = json.loads(path.read_text())
        except ValueError:
            continue
        table = row.get("ata_smart_attributes", {}).get("table", []) if isinstance(row, dict) else []
        calm = any(each["id"] == 197 and each["raw"]["value"] == 0 for each in table)
        if calm and row.get("serial_number") and row.get("smart_status", {}).get("passed"):
            return row, str(row["serial_number"])
    pytest.skip("no recording of a calm ATA drive")


def real_disk_world(report: dict[str, Any], serial: str, grown: int) -> FioDeps:
    after = json.loads(json.dumps(report))
    for each in after["ata_smart_attributes"]["table"]:
        if each["id"] == 197:
            each["raw"] = {"value": grown, "string": str(grown)}
    status = report["smartctl"]["exit_status"]
    block = {
        "name": "sda",
        "path": "/dev/sda",
        "kname": "sda",
        "type": "disk",
        "size": 64 * MIB,
        "serial": serial,
        "tran": "sata",
    }

    def as_real(name: str) -> tuple[int, str]:
        return changed(name, lambda row: row["disk"].update(serial=serial))

    deps = world(
        expected_disks=(ExpectedDisk(serial=serial),),
        probe=as_real("surface-probe"),
        scan=as_real("surface-scan"),
        heads=as_real("surface-save-heads"),
    )
    deps.tools[0] = Says("lsblk", stdout=json.dumps({"blockdevices": [block]}))
    deps.tools += [
        Says("smartctl --scan-open", stdout=json.dumps({"smartctl": {"exit_status": 0}, "devices": []})),
        Says("smartctl -x", stdout=json.dumps(report), exit_code=status, times=1),
        Says("smartctl -x", stdout=json.dumps(after), exit_code=status),
    ]

    def of_sda(now_s: float) -> str:
        return diskstats(now_s).replace("loop0", "sda")

    deps.files["/proc/diskstats"] = of_sda
    deps.files["/sys/block/sda/size"] = f"{64 * MIB // 512}\n"
    return deps


async def test_a_raid_volume_is_tested_and_its_members_health_is_left_to_smart() -> None:
    deps = real_disk_world({"smartctl": {"exit_status": 2}, "ata_smart_attributes": {"table": []}}, "VOL-1", 0)
    perc = "/sys/bus/pci/devices/0000:18:00.0"
    deps.files |= {
        f"{perc}/class": "0x010400",
        f"{perc}/host0/scsi_host/host0/proc_name": "megaraid_sas",
        f"{perc}/host0/target0:2:0/0:2:0:0/type": "0",
        f"{perc}/host0/target0:2:0/0:2:0:0/vendor": "DELL",
        f"{perc}/host0/target0:2:0/0:2:0:0/model": "PERC H730",
        f"{perc}/host0/target0:2:0/0:2:0:0/block/sda/size": "1",
    }
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert any("whose members SMART examines" in finding.text for finding in outcome.findings)
    assert not [argv for argv in deps.argvs("smartctl") if "-x" in argv]


# the way back ---------------------------------------------------------------------------------------------------------


async def test_the_ends_of_a_disk_are_with_the_orchestrator_before_its_scan_begins() -> None:
    deps, there = world(), []
    scan = next(line for line in deps.tools if line.fits(("vetting", "surface", "scan")))
    scan.effect = lambda seen: there.append(dict(seen.uploads))
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    saved = json.loads(recorded("debian12", "surface-save-heads")[1])["heads"]
    assert there == [{f"heads-{slug(SERIAL)}.bin": saved}]
    order = [argv[2] for argv in deps.argvs("vetting")]
    assert order.index("save-heads") < order.index("scan")


async def test_without_contact_nothing_is_written_to_any_disk() -> None:
    deps = world()
    deps.takes_no_upload = "the orchestrator did not acknowledge it within 300 s"
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "nothing was written" in outcome.reason and "did not acknowledge it within 300 s" in outcome.reason
    assert not written(deps)


def another_disk(row: dict[str, Any]) -> None:
    row["disk"]["serial"] = "loop:other"


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        ((3, changed("surface-save-heads", lambda row: row.update(outcome="error", reason="no space"))[1]), "no space"),
        ((2, changed("surface-save-heads", lambda row: row.update(outcome="refused", reason="STOP"))[1]), "STOP"),
        (changed("surface-save-heads", lambda row: row.update(heads="")), "were not saved"),
        (changed("surface-save-heads", another_disk), "another disk"),
        ((137, recorded("debian12", "surface-save-heads")[1]), "were not saved"),
        ((0, ""), "were not saved"),
    ],
)
async def test_ends_that_were_not_saved_keep_the_scan_away(heads: tuple[int, str], words: str) -> None:
    deps = world(heads=heads)
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert words in outcome.reason
    assert not deps.uploads and not written(deps)


async def test_a_disk_whose_ends_were_not_saved_keeps_the_others_from_being_written() -> None:
    other = replace(DISK, serial=SERIAL[:-1] + "2", path=FILE.replace("1.img", "2.img"))
    sizes = {"/sys/block/loop1/loop/backing_file": other.path, "/sys/block/loop1/size": f"{64 * MIB // 512}"}
    deps = world(expected_disks=(DISK, other), files=sizes)

    def as_other(name: str) -> str:
        return recorded("debian12", name)[1].replace(SERIAL, other.serial)

    deps.tools[:0] = [
        Says("vetting surface probe /dev/loop1", stdout=as_other("surface-probe")),
        Says("vetting surface save-heads /dev/loop1", stdout="", exit_code=3),
    ]
    outcome = await Storage().run(deps)
    assert [each.verdict for each in outcome.cells] == [Verdict.ERROR] * 2
    assert len(deps.uploads) == 1
    assert not written(deps)


async def test_a_real_disk_is_counted_down_for_and_a_scratch_disk_is_not(corpus: Path) -> None:
    report, serial = ata_recording(corpus)
    deps = real_disk_world(report, serial, 0)
    deps.job = replace(deps.job, profile=replace(TASTE, storage=replace(KNOBS, countdown_s=60)))
    assert (await Storage().run(deps)).verdict is Verdict.PASS
    saved, begun = (next(call.at_s for call in deps.calls if verb in call.argv) for verb in ("save-heads", "scan"))
    assert begun - saved >= 60
    notes = [note for *_, note in deps.progresses if note.startswith("erasing")]
    assert notes[0] == f"erasing {serial} in 60 s; cancel the run to stop"
    assert notes[-1] == f"erasing {serial} in 1 s; cancel the run to stop"
    assert ("warning", notes[0]) in deps.logs
    assert Storage().planned_s(deps.job) == 62

    scratch = world(profile=replace(TASTE, storage=replace(KNOBS, countdown_s=60)))
    assert (await Storage().run(scratch)).verdict is Verdict.PASS
    assert not [note for *_, note in scratch.progresses if note.startswith("erasing")]
    assert Storage().planned_s(scratch.job) == 2


def test_no_profile_takes_the_countdown_from_real_disks_away() -> None:
    asked = replace(world().job, profile=replace(TASTE, storage=replace(KNOBS, countdown_s=0)))
    assert countdown_s(asked) == 0
    real = ExpectedDisk(serial="WD-1")
    assert countdown_s(replace(asked, expected_disks=(DISK, real))) == 60
    assert countdown_s(replace(asked, expected_disks=(replace(real, write=False),))) == 0
    assert countdown_s(replace(asked, expected_disks=(real,), non_destructive=True)) == 0
    short = replace(asked.profile, storage=replace(KNOBS, countdown_s=5))
    assert countdown_s(replace(asked, expected_disks=(real,), profile=short)) == 5


async def test_a_run_cancelled_in_the_countdown_has_written_nothing(corpus: Path) -> None:
    deps = real_disk_world(*ata_recording(corpus), 0)
    stage = asyncio.create_task(Storage().run(deps))
    while not any(note.startswith("erasing") for *_, note in deps.progresses):  # noqa: ASYNC110 - its clock is virtual
        await asyncio.sleep(0)
    stage.cancel()
    await asyncio.gather(stage, return_exceptions=True)
    assert stage.cancelled()
    assert not written(deps)


async def test_why_there_is_no_permit_is_the_stages_own_reason() -> None:
    outcome = await Storage().run(world(permit="", permit_refused="STOP is set"))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.reason == "nothing was written: STOP is set"


async def test_a_permit_is_held_against_the_clock_of_who_issued_it() -> None:
    deps = world(clock_ahead_s=-3600.0)
    await Storage().run(deps)
    argv = next(argv for argv in deps.argvs() if argv[:3] == ("vetting", "surface", "scan"))
    assert "--clock-offset-s=-3600" in argv


# --- a power cut -----------------------------------------------------------------------------------------------------

COMPONENT = f"disk:{SERIAL}"
HEADS = "ab" * 32
LEFT = Checkpoint(component=COMPONENT, seq=7, heads_sha256=HEADS, text="digest\n{}\n")


def gone_on(row: dict[str, Any]) -> None:
    row |= {"heads": "", "heads_sha256": HEADS, "resumed": True}


def resumed(row: dict[str, Any]) -> None:
    where = {"phase": "write", "cycle": 1, "at_byte": 47 * MIB, "done_bytes": 47 * MIB, "after": "boot"}
    row |= {"resumed": True, "sessions": 2, "resumes": [where]}


async def test_what_an_earlier_boot_left_is_gone_on_from_and_the_report_says_where() -> None:
    deps = world(heads=changed("surface-save-heads", gone_on), scan=changed("surface-scan", resumed))
    deps.checkpoints[COMPONENT] = LEFT
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    for verb in ("save-heads", "scan"):
        (argv,) = [argv for argv in deps.argvs() if verb in argv]
        path = argv[argv.index("--carried") + 1]
        assert deps.files[path] == LEFT.text
        assert ("--keep-checkpoint" in argv) == (verb == "scan")
    assert deps.uploads == {}, "the ends as they were are with the orchestrator already"
    (told,) = [one for one in outcome.findings if one.source == "surface"]
    assert "resumed once: at 37 % (write, cycle 1, byte 49283072) after the host had booted again" in told.text


@pytest.mark.parametrize("sha256", ["", "cd" * 32], ids=["no ends", "other ends"])
async def test_a_disk_whose_way_back_is_not_known_for_sure_is_not_written(sha256: str) -> None:
    def other(row: dict[str, Any]) -> None:
        row |= {"heads": "", "heads_sha256": sha256, "resumed": True}

    deps = world(heads=changed("surface-save-heads", other))
    deps.checkpoints[COMPONENT] = LEFT
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR and "were not saved" in outcome.reason
    assert not written(deps)


async def test_where_nobody_says_whether_an_earlier_boot_had_begun_nothing_is_written() -> None:
    deps = world()
    deps.takes_no_upload = "the orchestrator did not answer within 300 s"
    outcome = await Storage().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "whether an earlier boot had begun could not be asked: the orchestrator did not answer" in outcome.reason
    assert not written(deps)


async def test_a_checkpoint_that_cannot_be_gone_on_from_is_said_and_the_disk_tested_from_its_start() -> None:
    deps = world()
    deps.no_checkpoint = "the saved ends of this disk are not with the orchestrator"
    assert (await Storage().run(deps)).verdict is Verdict.PASS
    assert any("is tested from the start: the saved ends" in text for _, text in deps.logs)
    assert deps.uploads and not any("--carried" in argv for argv in deps.argvs())


def checkpoint_text(seq: int) -> str:
    tallies = [{"bucket_bytes": [seq * MIB, 0]}, {"bucket_bytes": [0, 0]}]
    return "digest\n" + json.dumps({"heads_sha256": HEADS, "standing": {"seq": seq, "tallies": tallies}}) + "\n"


async def test_where_a_scan_stands_is_carried_away_while_it_goes_and_when_it_has_ended() -> None:
    path = f"/lasting/surface-{slug(SERIAL)}.checkpoint"
    deps = world(scan_s=70.0, files={path: lambda now_s: checkpoint_text(int(now_s // 10))})
    seen: list[int] = []
    keep = deps.carry

    async def carry(checkpoint: Checkpoint, **how: Any) -> None:
        await keep(checkpoint, **how)
        seen.append(checkpoint.seq)

    vars(deps)["carry"] = carry
    assert (await Storage().run(deps)).verdict is Verdict.PASS
    assert len(seen) == 4 and seen == sorted(set(seen)), seen  # every 20 s of 70, and the last
    assert deps.checkpoints[COMPONENT] == Checkpoint(
        component=COMPONENT, seq=seen[-1], heads_sha256=HEADS, text=checkpoint_text(seen[-1])
    )


async def test_a_scan_goes_on_where_its_checkpoints_are_not_taken_and_says_so_once() -> None:
    path = f"/lasting/surface-{slug(SERIAL)}.checkpoint"
    deps = world(scan_s=200.0, files={path: lambda now_s: checkpoint_text(int(now_s))})

    async def carry(checkpoint: Checkpoint, **how: Any) -> None:
        raise NotTaken("no answer")

    vars(deps)["carry"] = carry
    assert (await Storage().run(deps)).verdict is Verdict.PASS
    assert len([text for _, text in deps.logs if "was not carried away: no answer" in text]) == 1
