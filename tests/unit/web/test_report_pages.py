"""A run's report in the console, the files to take along, and two runs beside each other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Visitor, visiting
from vetting.store.rows import RunRow
from vetting.web.pages.report import file_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One for all of them; each test has hosts of its own."""
    async with staged(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene, await scene.viewer()) as visitor:
        yield visitor


async def test_the_report_is_framed_by_us_alone_and_can_do_nothing_there(scene: Scene, viewer: Visitor) -> None:
    run = await scene.completed("pve-12")
    page = await viewer.see(f"/runs/{run.run_id}/report")
    assert f'<iframe class="report-frame" src="/runs/{run.run_id}/report.html"' in page.raw
    assert 'sandbox=""' in page.raw
    framed = await viewer.see(f"/runs/{run.run_id}/report.html")
    assert "<h1>Vetting report of pve-12</h1>" in framed.raw
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "frame-ancestors 'self'; sandbox" in policy
    assert framed.headers.getall("X-Frame-Options") == ["SAMEORIGIN"]  # type: ignore[attr-defined]
    assert "Content-Disposition" not in framed.headers
    assert (await viewer.see("/")).headers["X-Frame-Options"] == "DENY"


async def test_the_files_to_take_along_are_named_after_host_and_run(scene: Scene, viewer: Visitor) -> None:
    run = await scene.completed("pve-14")
    page = await viewer.see(f"/runs/{run.run_id}/report.html?save")
    assert page.headers["Content-Disposition"] == f'attachment; filename="vetting-pve-14-run-{run.run_id}.html"'
    data = await viewer.see(f"/runs/{run.run_id}/report.json")
    assert data.headers["Content-Disposition"] == f'attachment; filename="vetting-pve-14-run-{run.run_id}.json"'
    assert json.loads(data.body)["host"]["name"] == "pve-14"


async def test_a_run_that_is_not_there_has_no_report(viewer: Visitor) -> None:
    for path in ("report", "report.html", "report.json", "compare"):
        seen = await viewer.see(f"/runs/77/{path}")
        assert (seen.status, "there is no run 77" in seen.text) == (404, True), path


async def test_a_stranger_sees_no_report(scene: Scene, viewer: Visitor) -> None:
    run = await scene.completed("pve-16")
    async with visiting(scene, None) as nobody:
        for path in ("report", "report.html", "report.json", "compare"):
            assert (await nobody.see(f"/runs/{run.run_id}/{path}")).status == 303


async def test_a_run_stands_beside_the_hosts_last_good_one(scene: Scene, viewer: Visitor) -> None:
    good = await scene.completed("pve-18")
    bad = await scene.held("CPUStress", "pve-18", reason="core 3 computed 4 for 2 + 1")
    seen = await viewer.see(f"/runs/{bad.run_id}/compare")
    assert f"Run {bad.run_id} beside run {good.run_id}" in seen.text
    assert "▼ Worse" in seen.text
    assert seen.text.index("core 3 computed 4 for 2 + 1") < seen.text.index("things are the same")
    assert f"run {bad.run_id} did not pass (failed)" in seen.text
    assert "▼ Worse 0" not in seen.text
    assert "= Same 0" not in seen.text


async def test_without_a_good_run_before_it_the_page_says_what_to_do(scene: Scene, viewer: Visitor) -> None:
    first = await scene.completed("pve-20")
    seen = await viewer.see(f"/runs/{first.run_id}/compare")
    assert "There is no good run of this host before this one" in seen.text
    other = await scene.completed("pve-21")
    seen = await viewer.see(f"/runs/{first.run_id}/compare?number={other.run_id}")
    assert "these are two hosts, pve-21 and pve-20" in seen.text
    assert (await viewer.see(f"/runs/{first.run_id}/compare?with={first.run_id}")).status == 400
    assert (await viewer.see(f"/runs/{first.run_id}/compare?with=x")).status == 400
    assert (await viewer.see(f"/runs/{first.run_id}/compare?with={'9' * 40}")).status == 404


async def test_what_a_host_says_is_inert_and_bounded_beside_another_run(scene: Scene, viewer: Visitor) -> None:
    await scene.completed("pve-22")
    hostile = '"><script>alert(1)</script>\x1b[31m\u202eevil' + "x" * 10_000
    bad = await scene.held("CPUStress", "pve-22", reason=hostile)
    seen = await viewer.see(f"/runs/{bad.run_id}/compare")
    assert "<script>alert" not in seen.raw
    assert "\x1b" not in seen.raw
    assert "\u202e" not in seen.raw
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in seen.raw
    assert "x" * 1000 not in seen.raw


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("pve-07", "vetting-pve-07-run-42.html"),
        ('../../etc/"x\r\nSet-Cookie: a', "vetting-etc-x-Set-Cookie-a-run-42.html"),
        ("\u202egnp.exe", "vetting-gnp.exe-run-42.html"),
        ("…", "vetting-host-run-42.html"),
        ("x" * 500, f"vetting-{'x' * 80}-run-42.html"),
    ],
)
async def test_what_a_host_is_called_reaches_no_header_as_it_is(host: str, name: str) -> None:
    class Run:
        id = 42
        host_name = host

    run: RunRow = Run()  # type: ignore[assignment]
    assert file_name(run, "html") == name
