"""The page of a run as it comes from the server: for reading, whole, honest, and with nothing of a host's alive in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.browser.hand import Hand
from tests.browser.machines import Machine
from tests.browser.scene import Scene
from tests.unit.web.visitor import Seen, Visitor
from vetting.domain.errors import StageMismatch
from vetting.domain.outcome import Cell, Severity, Verdict, Work
from vetting.domain.states import STAGE_ORDER
from vetting.orchestrator.bus import News
from vetting.store import audit, runs
from vetting.web.pages.evidence import file_name
from vetting.web.pages.run_log import log_event

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVIL = "\x1b[31m<script>alert(1)</script>\"\u202e' onload=x " + "A" * 10_000
STEP = re.compile(r'<li id="step-(\w+)".*?</li>', re.S)
TAGS = re.compile(r"<[^>]+>")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vetted(scene: Scene) -> Hand:
    return await scene.vetted("pve-good")


def steps(page: Seen) -> dict[str, str]:
    """What stands at each stage, in their order."""
    return {found[1]: " ".join(TAGS.sub(" ", found[0]).split()) for found in STEP.finditer(page.raw)}


async def private_key(scene: Scene, run_id: int) -> str:
    row = await scene.server.store.read(lambda: runs.get(run_id))
    assert "PRIVATE KEY" in row.hold_private_key
    return row.hold_private_key


async def test_the_eleven_stages_stand_in_their_order_each_with_a_word(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("CPUStress", profile="quick")
    await run.beat(done=64 * 2**20, of=256 * 2**20, unit="bytes", note="all cores")
    found = steps(await viewer.see(f"/runs/{run.run_id}"))
    assert tuple(found) == STAGE_ORDER
    assert found["SMART"].startswith("✓ SMART Pass")
    assert found["CPUStress"].startswith("▶ CPUStress Running")
    assert "of 5 min 04 s" in found["CPUStress"]
    assert "64.0 MiB of 256.0 MiB all cores" in found["CPUStress"]
    assert found["Burn"] == "○ Burn To come planned 2 min 00 s"


async def test_a_verdict_is_never_greener_than_it_is(scene: Scene, viewer: Visitor, vetted: Hand) -> None:
    good = await viewer.see(f"/runs/{vetted.run_id}")
    assert "✓ Vetted Every stage passed. ◐ GPU skipped: no GPU in this host" in good.text
    run = await scene.completed(non_destructive=True)
    row = await scene.run(run.run_id)
    page = await viewer.see(f"/runs/{run.run_id}")
    assert "◐ Passed, not vetted Every stage passed, and something stands against calling it vetted:" in page.text
    assert "✓ Vetted" not in page.text
    assert len(row.verdict_detail["qualifiers"]) > 4
    for one in row.verdict_detail["qualifiers"]:
        assert one[:300] in page.text


async def test_a_stage_that_passed_after_a_failure_is_no_plain_green(scene: Scene, operator: Visitor) -> None:
    run = await scene.held("SMART", verdict="ERROR", reason="smartctl hung")
    seen = re.search(r'name="seen" value="([^"]*)"', (await operator.see(f"/runs/{run.run_id}/retry")).raw)
    assert seen
    await operator.send(f"/runs/{run.run_id}/retry", seen=seen[1])
    await run.obey()
    await run.finish()
    found = steps(await operator.see(f"/runs/{run.run_id}"))
    assert found["SMART"].startswith("◐ SMART Passed at a later attempt, attempt 2")


async def test_a_stage_shows_what_it_covered_and_every_programs_words(viewer: Visitor, vetted: Hand) -> None:
    page = await viewer.see(f"/runs/{vetted.run_id}/stages/CPUStress")
    assert "MiB tested by stressapptest: 112 640 of 128 800 MiB (87.4 %)" in page.text
    assert "cpus: 64 of 64 cpus" in page.text
    assert "choom -n 500 -- stress-ng --cpu 0 --cpu-method all --verify" in page.text
    assert "Version 0.19.02" in page.text
    assert "by our clock" in page.text
    assert "stress-ng: metrc" in page.text
    assert "for operators" in page.text  # the whole output
    assert "/artifacts/" not in page.raw
    assert (await viewer.see(f"/runs/{vetted.run_id}/stages/Lunch")).status == 404


async def test_a_pass_that_was_not_believed_shows_why(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("CPUStress")
    tools = run.outcome().tools
    await run.post(run.outcome(tools=tuple(replace(one, exit_code=3) for one in tools), cells=()))
    page = await viewer.see(f"/runs/{run.run_id}")
    assert "The host said PASS, and was not believed:" in page.text
    assert "(us) no result for cpu: promised and missing" in page.text


async def test_a_result_that_nobody_waited_for_is_shown_and_not_counted(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("CPUStress")
    run.stage = "Storage"  # an agent that lost its place
    with pytest.raises(StageMismatch):
        await run.post(run.outcome())
    page = await viewer.see(f"/runs/{run.run_id}")
    assert "Results that nobody waited for: kept, and not counted" in page.text
    assert "Storage, attempt 1 the run's current stage is CPUStress" in page.text
    found = steps(page)
    assert found["CPUStress"].startswith("↯ CPUStress Interrupted")
    assert found["Storage"].startswith("○ Storage To come")
    assert "Held in Storage (expected CPUStress)" in page.text


async def test_a_held_host_is_entered_by_operators_alone(scene: Scene, operator: Visitor, viewer: Visitor) -> None:
    run = await scene.held(host="pve-held")
    secret = await private_key(scene, run.run_id)
    body = "".join(secret.splitlines()[1:-1])
    for page in (await viewer.see(f"/runs/{run.run_id}"), await operator.see(f"/runs/{run.run_id}")):
        assert "Held in SMART" in page.text
        assert "waits at an SSH prompt at 192.0.2.41" in page.text
        assert "PRIVATE KEY" not in page.raw
        assert body[:40] not in page.raw
    theirs, ours = await viewer.see(f"/runs/{run.run_id}"), await operator.see(f"/runs/{run.run_id}")
    assert "ssh -i" in ours.raw and "ssh-ed25519" in ours.raw and "/key" in ours.raw
    assert "ssh -i" not in theirs.raw and "ssh-ed25519" not in theirs.raw and "/key" not in theirs.raw
    assert (await viewer.see(f"/runs/{run.run_id}/key")).status == 403
    assert (await viewer.send(f"/runs/{run.run_id}/key")).status == 403
    asked = await operator.see(f"/runs/{run.run_id}/key")
    assert "PRIVATE KEY" not in asked.raw
    taken = await scene.server.store.read(lambda: audit.entries(run_id=run.run_id))
    assert "run.hold_key" not in [one.what for one in taken]
    shown = await operator.send(f"/runs/{run.run_id}/key", **{"as": "text"})
    assert secret.strip() in shown.raw
    assert shown.headers["Cache-Control"] == "no-store"
    file = await operator.send(f"/runs/{run.run_id}/key", **{"as": "file"})
    assert (file.body.decode(), file.headers["Content-Type"]) == (secret, "application/octet-stream")
    assert file.headers["Content-Disposition"] == f'attachment; filename="run-{run.run_id}.key"'
    taken = await scene.server.store.read(lambda: audit.entries(run_id=run.run_id))
    assert [(one.who, one.what) for one in taken if one.what == "run.hold_key"] == [("mira", "run.hold_key")] * 2
    assert "the key of the hold mira" in (await viewer.see(f"/runs/{run.run_id}")).text


async def test_a_hold_without_a_door_says_why_and_offers_no_key(scene: Scene, operator: Visitor) -> None:
    run = await scene.running("SMART")
    await run.fail("it is dying")
    await run.hold(door=False, trouble="sshd did not start")
    page = await operator.see(f"/runs/{run.run_id}")
    assert "nobody can sign in: run" in page.text
    assert "its SSH server did not start" in page.text
    assert "/key" not in page.raw
    refused = await operator.send(f"/runs/{run.run_id}/key", **{"as": "text"})
    assert refused.status == 409


async def test_evidence_is_for_the_disk_and_never_for_show(scene: Scene, operator: Visitor, viewer: Visitor) -> None:
    run = await scene.running("Storage")
    data = b"<script>alert(1)</script>" + bytes(range(256))
    await run.upload('heads/../"\r\nX: y\u202e.html', data, "text/html")
    page = await operator.see(f"/runs/{run.run_id}?stage=Storage")
    link = re.search(rf"/runs/{run.run_id}/artifacts/\d+", page.raw)
    assert link
    got = await operator.see(link[0])
    assert (got.body, got.headers["Content-Type"], got.headers["X-Content-Type-Options"]) == (
        data, "application/octet-stream", "nosniff",
    )  # fmt: skip
    assert re.fullmatch(r'attachment; filename="run-\d+-\d+-[A-Za-z0-9._-]+"', got.headers["Content-Disposition"])
    assert (await viewer.see(link[0])).status == 403
    assert link[0] not in (await viewer.see(f"/runs/{run.run_id}?stage=Storage")).raw
    taken = await scene.server.store.read(lambda: audit.entries(run_id=run.run_id))
    assert [one.who for one in taken if one.what == "artifact.take"] == ["mira"]
    assert (await operator.see(link[0].replace(f"/{run.run_id}/", "/1/"))).status == 404


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("stress-ng.txt", "-stress-ng.txt"),
        ("", ""),
        ("..", ""),
        ("\u202egpj.exe", "-gpj.exe"),
        ("a\r\nb: c/d", "-a-b-c-d"),
    ],
)
async def test_a_host_s_name_for_a_file_is_no_name_of_a_file(told: str, named: str) -> None:
    assert file_name(told) == named


async def all_is_dead(run: Hand, operator: Visitor, viewer: Visitor, *paths: str) -> None:
    for path in paths:
        for who in (operator, viewer):
            page = await who.see(f"/runs/{run.run_id}{path}")
            for alive in ("<script>alert", "\x1b", "\u202e", "A" * 5000):
                assert alive not in page.raw, (path, alive)


async def test_whatever_a_host_says_is_dead_on_the_page(scene: Scene, operator: Visitor, viewer: Visitor) -> None:
    await scene.add(Machine(77, "pve-evil", model=EVIL))
    run = await scene.running("CPUStress", "pve-evil")
    await run.say(EVIL, level="error", source="kernel")
    await run.find(EVIL, component=EVIL[:100], severity=Severity.CRITICAL)
    await run.beat(done=1, of=2, unit=EVIL[:50], note=EVIL[:7000])
    await all_is_dead(run, operator, viewer, "", "?stage=Inventory", "/stages/CPUStress", "/log", "/cancel")
    work = (Work(what=EVIL, done=1, of=2, unit=EVIL),)
    cells = (Cell(component=EVIL, verdict=Verdict.ERROR, reason=EVIL, work=work),)
    tools = tuple(replace(one, argv=(EVIL,), version=EVIL, excerpt=EVIL) for one in run.outcome().tools)
    held = await run.post(run.outcome(verdict=Verdict.ERROR, reason=EVIL, tools=tools, cells=cells))
    assert held.state == "FailedHolding"
    await all_is_dead(run, operator, viewer, "", "/stages/CPUStress", "/override", "/cancel-reboot")
    assert "&lt;script&gt;alert(1)" in (await operator.see(f"/runs/{run.run_id}")).raw


async def test_the_log_is_read_by_stage_level_and_text_and_paged_without_a_gap(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("CPUStress")
    for first in range(0, 450, 150):
        await run.say(*(f"line {number:03d}" for number in range(first, first + 150)), level="debug")
    await run.say("i/o ERROR on sda", level="error", source="kernel", stage="SMART")
    path = f"/runs/{run.run_id}/log"
    page = await viewer.see(path)
    assert "i/o ERROR on sda" in page.text and "line 449" in page.text and "line 200" not in page.text
    read: list[str] = []
    while True:
        read[:0] = re.findall(r"line \d{3}", page.text)
        older = re.search(r'href="([^"]*before=\d+)"', page.raw)
        if older is None:
            break
        page = await viewer.see(older[1].replace("&amp;", "&"))
    assert read == [f"line {number:03d}" for number in range(450)]
    urgent = await viewer.see(f"{path}?level=warning&stage=SMART")
    assert "i/o ERROR on sda" in urgent.text and not re.findall(r"line \d{3}", urgent.text)
    found = await viewer.see(f"{path}?contains=line+44")
    assert re.findall(r"line \d{3}", found.text) == [f"line {number}" for number in range(440, 450)]
    for wrong in ("stage=Lunch", "level=loud", "after=x", "before=99999999999999999999"):
        assert (await viewer.see(f"{path}?{wrong}")).status == 400, wrong


async def test_our_script_is_given_every_line_after_the_one_it_knows_once(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("SMART")
    await run.say(*(f"line {number}" for number in range(700)))
    path = f"{scene.url}/runs/{run.run_id}/log"
    assert viewer.guest is not None
    found: list[int] = []
    after = 1
    more = True
    while more:
        async with viewer.session.get(
            f"{path}?after={after}", headers={"Accept": "application/json"}, cookies=viewer.guest.cookies
        ) as answer:
            told = json.loads(await answer.read())
        found += [int(line[5].split()[1]) for line in told["lines"] if line[5].startswith("line")]
        after, more = told["lines"][-1][0], told["more"]
    assert found == list(range(700))


def news(**data: object) -> News:
    return News(id=1, at=1.0, kind="run.log", run_id=7, data=data)


async def test_lines_go_out_live_with_their_numbers_and_nothing_in_them_alive() -> None:
    lines = [("SMART", 1000, "info", "agent", "\x1b[2J<b>two\nlines")]
    assert log_event(news(lines=lines, ids=[41])) == (
        "log", {"run": 7, "lines": [[41, "SMART", "00:00:01", "info", "agent", "<U+001B>[2J<b>two↵ lines"]]},
    )  # fmt: skip
    assert log_event(news(lines=lines * 201, ids=list(range(201)))) == ("log", {"run": 7, "ask": True})
    assert log_event(news(text="of a version before ours")) is None


async def test_an_agent_that_was_started_again_stands_in_the_log(scene: Scene, viewer: Visitor) -> None:
    run = await scene.running("CPUStress")
    with scene.server.bus.listen() as listener:
        await run.claim()
        told = [one for one in listener._queue if one.kind == "run.log"]
    page = await viewer.see(f"/runs/{run.run_id}/log")
    assert "the agent was restarted within the same boot; CPUStress runs again as a new attempt" in page.text
    assert [f'data-id="{number}"' in page.raw for one in told for number in one.data["ids"]] == [True]


async def test_a_run_that_is_not_there_is_not_there(viewer: Visitor) -> None:
    for path in ("/runs/999", "/runs/999/log", "/runs/999/stages/SMART"):
        assert (await viewer.see(path)).status == 404
