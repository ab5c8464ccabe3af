"""The audit log: every deed in words, found again by any of its marks, and harmless in a spreadsheet."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Visitor, visiting
from vetting import wire
from vetting.report.text import visible
from vetting.store import audit
from vetting.store.rows import AuditRow
from vetting.web.deeds import KINDS, SENTENCES, plain, sentence
from vetting.web.pages.audit import ON_A_PAGE, csv_of, harmless

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """mira overrode a held run of pve-03; completed one of pve-04; a hundred others looked at pve-05."""
    async with staged(tmp_path_factory.mktemp("audit")) as scene:
        await scene.operator()
        held = await scene.held("SMART", "pve-03", reason="a pending sector")
        because = wire.Because(reason="the =drive= is to be\nreplaced <b>anyway</b>", flags=())
        await scene.server.desk.progress.override(held.run_id, who="mira", because=because)
        await scene.completed("pve-04")

        def look(number: int) -> None:
            audit.add(at=scene.clock.now(), who=f"p{number}", what="host.power_asked", target="pve-05")

        for number in range(ON_A_PAGE + 20):
            await scene.server.store.write(lambda number=number: look(number))  # type: ignore[misc]
        yield scene


@pytest_asyncio.fixture(loop_scope="module")
async def viewer(scene: Scene) -> AsyncIterator[Visitor]:
    async with visiting(scene, await scene.viewer()) as visitor:
        yield visitor


async def test_a_deed_is_told_in_a_sentence_with_links_and_its_reason(viewer: Visitor) -> None:
    seen = await viewer.see("/audit?what=run.override")
    assert "mira overrode SMART of run 1 on pve-03 , because the =drive= is to be replaced <b>anyway</b>" in seen.text
    assert 'href="/runs/1"' in seen.raw
    assert 'href="/hosts/pve-03"' in seen.raw
    assert "<b>anyway" not in seen.raw


async def test_it_is_paged_newest_first_and_nothing_is_told_twice_or_left_out(viewer: Visitor) -> None:
    seen, whole = await viewer.see("/audit"), ""
    assert seen.text.index("vic signed in from") < seen.text.index("p119 asked")
    pages = 0
    while True:
        pages, whole = pages + 1, whole + seen.text
        after = seen.raw.partition('rel="next" href="')[2].partition('"')[0]
        if not after:
            break
        seen = await viewer.see(after.replace("&amp;", "&"))
    assert pages == 2
    for number in range(ON_A_PAGE + 20):
        assert whole.count(f" p{number} asked the management controller of pve-05") == 1
    assert "There is nothing older" in seen.text


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ("who=p7", "p7 asked", "p70 asked"),
        ("what=run.", "started run 1", "asked the management"),
        ("host=pve-03", "overrode SMART of run 1", "pve-04"),
        ("run=1", "overrode SMART", "run 2"),
        ("run=Run+1", "overrode SMART", "run 2"),
        ("text=TO+BE", "overrode SMART", "p7 asked"),
        ("text=100%25", "Nothing fits", "p7 asked"),
        ("who=mira&what=run.&host=pve-04", "started run 2 on pve-04", "run 1"),
    ],
)
async def test_a_deed_is_found_by_any_of_its_marks(viewer: Visitor, query: str, there: str, not_there: str) -> None:
    seen = (await viewer.see(f"/audit?{query}")).text.partition("Look ")[2]
    assert there in seen
    assert not_there not in seen


async def test_a_run_that_is_no_number_is_refused(viewer: Visitor) -> None:
    for run in ("one", "-1", "9" * 30, "1;2"):
        assert (await viewer.see(f"/audit?run={run}")).status == 400


async def test_the_files_hold_what_fits(viewer: Visitor) -> None:
    seen = await viewer.see("/audit.csv?host=pve-03")
    assert seen.headers["Content-Disposition"] == 'attachment; filename="vetting-audit.csv"'
    rows = list(csv.reader(io.StringIO(seen.raw)))
    assert rows[0][:3] == ["number", "time", "who"]
    assert {row[4] for row in rows[1:]} == {"pve-03"}
    told: list[dict[str, Any]] = json.loads((await viewer.see("/audit.json?what=run.override")).body)
    assert [(one["who"], one["run"], one["why"]) for one in told] == [
        ("mira", 1, "the =drive= is to be\nreplaced <b>anyway</b>")
    ]


async def test_a_stranger_learns_nothing(scene: Scene) -> None:
    async with visiting(scene, None) as nobody:
        for path in ("/audit", "/audit.csv", "/audit.json"):
            assert (await nobody.see(path)).status == 303


def deed(**changes: Any) -> AuditRow:
    whole: dict[str, Any] = {
        "id": 1, "at": 0.0, "who": "mira", "what": "host.edit", "target": "pve-03", "why": "", "run_id": None, "detail": {},
    }  # fmt: skip
    return AuditRow(**{**whole, **changes})


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
async def test_no_cell_is_a_formula(begin: str) -> None:
    formula = f'{begin}HYPERLINK("http://192.0.2.7/","x")'
    text = csv_of([deed(who=formula, target=formula, why=formula, what=formula)])
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    assert [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))] == []
    assert row[2] == f"'{visible(formula)}"


async def test_what_is_no_formula_stays_as_it_is() -> None:
    assert [harmless(said) for said in ("a=b", 42, "", "pve-03")] == ["a=b", "42", "", "pve-03"]


async def test_what_is_noted_beside_a_deed_stands_in_its_sentence() -> None:
    assert plain(deed(what="run.start", run_id=4, detail={"profile": "deep", "non_destructive": False})) == (
        "mira started run 4 on pve-03, profile deep, erasing its disks"
    )
    assert plain(deed(what="user.role", target="ann", detail={"was": "viewer", "role": "operator"})) == (
        "mira changed the role of ann from viewer to operator"
    )
    assert plain(deed(what="something.new", run_id=4)) == "mira did something.new to run 4"


async def test_a_hosts_name_is_no_way_out_of_its_link() -> None:
    links = [part.href for part in sentence(deed(target='../"x')) if part.href]
    assert links == ["/hosts/..%2F%22x"]


async def test_every_deed_that_can_be_written_down_has_its_sentence_and_its_kind(repository: Path) -> None:
    written = {what for path in (repository / "vetting").rglob("*.py") for what in deeds_in(path)}
    assert len(written) > 30
    assert written - set(SENTENCES) == set()
    assert set(SENTENCES) - written == set()
    assert all(what.startswith(tuple(KINDS)) for what in written)


def deeds_in(path: Path) -> Iterator[str]:
    """What `audit.add` and the functions that end in it are called with."""
    source = path.read_text()
    if "audit.add(" not in source:
        return
    tree = ast.parse(source)
    news = {node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args}  # say("run.moved", …)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and "'override' if" in ast.unparse(node):
            yield from ("run.override", "run.retry")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in news:
            kind, _, name = node.value.partition(".")
            if f"{kind}." in KINDS and name.replace("_", "").isalpha():
                yield node.value
