"""The page: one file that asks nobody for anything, says its verdict first, and trusts no text of the host."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import records
from tests.unit.report.conftest import Gather
from vetting.domain.hostspec import Identity
from vetting.domain.outcome import Cell, Finding, Outcome, Severity, Verdict
from vetting.report import html, json
from vetting.report.model import Mark, Report
from vetting.store import Store

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = "<script>alert('x')</script>\"'><img src=http://evil/ onerror=alert(1)>\u202eexe.txt\x1b[2J" + "A" * 10_000


class Page(HTMLParser):
    """The page's tags, attributes and ids; a tag that is not closed, or in the wrong place, is remembered."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture(params=[records.vetted, records.failed_hot, records.taste], ids=lambda story: story.__name__)
def report(request: Any, store: Store, gather: Gather) -> Report:
    return gather(request.param(store), closing=request.param is not records.failed_hot)


def shown(page: str) -> str:
    """The text of a page without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("</style>")[2]))


def test_the_page_is_well_formed(report: Report) -> None:
    page = Page(html.render(report))
    assert (page.wrong, page.open) == ([], [])
    ids = Counter(value for _, name, value in page.attributes if name == "id")
    assert [one for one, count in ids.items() if count > 1] == []
    targets = {value[1:] for _, name, value in page.attributes if name == "href"}
    assert targets <= set(ids), "a link leads nowhere"
    labels = {one for _, name, value in page.attributes if name == "aria-labelledby" for one in value.split()}
    assert labels <= set(ids)


def test_the_page_asks_nobody_for_anything(report: Report) -> None:
    text = html.render(report)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "action", "poster", "background", "xlink:href"), (tag, name, value)
        assert not name.startswith("on"), (tag, name, value)
        if name == "href":
            assert value.startswith("#")
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text


def test_the_verdict_comes_first_with_everything_beside_it(report: Report) -> None:
    text = html.render(report)
    body = text.partition("<main>")[2]
    panel = body.partition("</section>")[0]
    assert html.escaped(html.VERDICTS[report.verdict.word][1]) in panel
    for said in report.verdict.qualifiers:
        assert html.escaped(said) in panel
    assert html.escaped(report.verdict.sentence) in text
    assert body.index("What was and was not tested") < body.index("Stages and attempts")
    assert text.rstrip().endswith("</html>")


def test_every_part_stands_in_the_table_with_a_word_and_a_sign(report: Report) -> None:
    table = html.render(report).partition('id="coverage"')[2].partition("</table>")[0]
    for row in report.coverage:
        assert html.escaped(row.name) in table
        assert html.escaped(row.reason) in table
    untested = [row for row in report.coverage if not row.tested]
    assert table.count("NOT TESTED") == len(untested) > 0
    signs = set(re.findall(r'aria-hidden="true">([^<]+)</span>', table))
    assert signs <= {*html.SIGNS.values()}


def test_each_mark_has_its_own_sign() -> None:
    assert len({html.SIGNS[mark] for mark in Mark}) == len(Mark)


def hostile_story(store: Store) -> records.Story:
    identity = Identity(smbios_uuid=HOSTILE, system_serial=HOSTILE, macs=(HOSTILE,))
    disk = replace(records.INVENTORY.disks[0], model=HOSTILE, serial=HOSTILE)
    found = replace(
        records.INVENTORY,
        identity=identity,
        product=HOSTILE,
        kernel=HOSTILE,
        disks=(disk,),
        unreadable={HOSTILE: HOSTILE},
    )
    story = records.Story(store).order()
    story.end(records.inventory_outcome(found), after_s=2)
    story.end(Outcome.ok(HOSTILE), after_s=2)
    story.series(
        {"temp.<b>&\"'" + "x" * 300: ("<u>", lambda at: at)}, begin_at=records.BEGIN + 109, end_at=records.BEGIN + 200
    )
    finding = Finding(severity=Severity.CRITICAL, component=HOSTILE, text=HOSTILE, source=HOSTILE)
    said = records.tool("smartctl", HOSTILE, begin_s=1, seconds=1, version=HOSTILE, excerpt=HOSTILE)
    cell = Cell(component=f"disk:{HOSTILE}", verdict=Verdict.FAIL, reason=HOSTILE)
    story.end(
        Outcome.fail(HOSTILE, findings=(finding,), tools=(said,), cells=(cell,)), after_s=9, objections=(HOSTILE,)
    )
    story.hold("SpecValidate", HOSTILE)
    return story


def test_hostile_texts_stay_texts(store: Store, gather: Gather) -> None:
    text = html.render(gather(hostile_story(store)))
    page = Page(text)
    assert (page.wrong, page.open) == ([], [])
    assert not {"script", "img", "b", "u"} & set(page.tags)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "&lt;U+202E&gt;exe.txt" in text
    assert "A" * 4200 not in text, "a text of the host is not bounded"
    assert not [value for _, name, value in page.attributes if name.startswith("on")]


def test_texts_are_clean_in_the_json_too(store: Store, gather: Gather) -> None:
    raw = json.render(gather(hostile_story(store))).decode()
    assert "\u202e" not in raw
    assert "\\u001b" not in raw
    assert "A" * 4200 not in raw


def test_a_text_that_nobody_cleaned_before_is_cleaned_by_the_page(store: Store, gather: Gather) -> None:
    report = gather(records.taste(store), closing=True)
    dirty = replace(report, host=replace(report.host, name="a\u202eb", note="N" * 10_000))
    text = html.render(dirty)
    assert "\u202e" not in text
    assert "N" * 4200 not in text


def test_a_backtick_of_the_host_makes_no_markup(store: Store, gather: Gather) -> None:
    report = gather(records.taste(store, name="a`<b>`c"), closing=True)
    page = Page(html.render(report))
    assert "b" not in page.tags
    assert page.wrong == []


def test_a_run_that_never_claimed_has_a_report(store: Store, gather: Gather) -> None:
    story = records.Story(store)
    story.limits = ()
    story.order()
    text = shown(html.render(gather(story)))
    assert "No sample of any series arrived." in text
    assert "Nothing was compared: SpecValidate was never reached." in text


def test_charts_have_a_title_and_a_description(report: Report) -> None:
    page = Page(html.render(report))
    roles = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "role")]
    assert roles
    assert page.tags["desc"] == len(roles)


# --- what can be read by whom ---------------------------------------------------------------------------------------

COLOURS = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6})")


def themes() -> dict[str, dict[str, str]]:
    style = Path(html.__file__).parent.joinpath("templates", "_style.css.j2").read_text()
    light = style.partition("@media (prefers-color-scheme: dark)")[0]
    dark = style.partition("@media (prefers-color-scheme: dark)")[2].partition("* {")[0]
    printed = style.partition("@media print")[2]
    return {name: dict(COLOURS.findall(part)) for name, part in (("light", light), ("dark", dark), ("print", printed))}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_texts_have_the_contrast_of_aa(theme: str) -> None:
    colours = themes()[theme]
    pairs = [
        ("ink", "ground"),
        ("soft", "ground"),
        ("soft", "panel"),
        ("soft", "shade"),
        ("ink", "panel"),
        ("note", "ground"),
    ]
    pairs += [(tone, f"{tone}-ground") for tone in ("good", "bad", "warn", "note")]
    pairs += [("ink", f"{tone}-ground") for tone in ("good", "bad", "warn")] + [
        ("bad", "ground"),
        ("note", "warn-ground"),
    ]
    poor = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in poor.items() if ratio < 4.5} == {}
    lines = {f"t{place}": contrast(colours[f"t{place}"], colours["ground"]) for place in range(10)}
    assert {name: round(ratio, 2) for name, ratio in lines.items() if ratio < 3.0} == {}


def test_the_templates_are_found_inside_a_zip(tmp_path: Path, repository: Path) -> None:
    archive = tmp_path / "vetting.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for part in (
            "vetting/__init__.py",
            *(str(one.relative_to(repository)) for one in repository.glob("vetting/report/**/*")),
        ):
            if "__pycache__" not in part and (repository / part).is_file():
                file.write(repository / part, part)
        for one in repository.glob("vetting/domain/*.py"):
            file.write(one, str(one.relative_to(repository)))
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "from vetting.report import html, json\n"
        "assert '.zip' in html.__file__, html.__file__\n"
        "html._environment().get_template('report.html.j2')\n"
        "assert json.published_schema()[:1] == b'{'\n"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
