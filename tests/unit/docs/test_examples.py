"""The examples that the pages write out are run: the stage of the walk-through, the expected spec."""

from __future__ import annotations

import html
import re
import sys
import types
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import pytest
import yaml

from tests.browser.scene import staged
from tests.fakes.scripted_deps import ScriptedDeps, job
from tests.unit.web.raw import ask
from tests.unit.web.streams import open_stream
from tools.docs import pages
from vetting.domain.hostspec import ExpectedSpec
from vetting.web import looks, routes, site

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = pages.page_files(REPOSITORY)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def walk_through(which: int) -> str:
    """What contributing.md writes out, first the stage and then the page, without the list's indentation."""
    blocks = [block for kind, block in FENCE.findall(page("docs/contributing.md")) if kind == "python"]
    assert len(blocks) == 2
    return "\n".join(line.removeprefix("   ") for line in blocks[which].splitlines())


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [({}, "SKIP"), ({"1": "900\n"}, "PASS"), ({"1": "900\n", "2": "0\n"}, "FAIL"), ({"1": "rubbish"}, "ERROR")],
)
async def test_the_stage_of_the_walk_through_works_as_it_is_written(speeds: dict[str, str], verdict: str) -> None:
    scope: dict[str, Any] = {"__name__": "fans"}
    exec(compile(walk_through(0), "contributing.md", "exec"), scope)
    files = {f"/sys/class/hwmon/hwmon0/fan{number}_input": text for number, text in speeds.items()}
    outcome = await scope["Fans"]().run(ScriptedDeps(job(), files=files))
    assert str(outcome.verdict) == verdict


async def test_the_page_of_the_walk_through_works_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its two templates are ours, for the walk-through only describes them."""
    module = types.ModuleType("cancelled")
    monkeypatch.setitem(sys.modules, "cancelled", module)
    exec(compile(walk_through(1), "contributing.md", "exec"), module.__dict__)
    piece = '<ul id="cancelled">{% for run in runs %}<li>{{ run.host_name|said }}</li>{% endfor %}</ul>'
    around = '{% extends layout %}{% block main %}<h1>x</h1>{% include "_cancelled.html.j2" %}{% endblock %}'
    ours = jinja2.DictLoader({"cancelled.html.j2": around, "_cancelled.html.j2": piece})
    monkeypatch.setattr(
        jinja2, "PackageLoader", lambda name, _load=jinja2.PackageLoader: jinja2.ChoiceLoader([ours, _load(name)])
    )
    monkeypatch.setattr(looks, "_environment", lru_cache(maxsize=1)(looks._environment.__wrapped__))  # none made before
    monkeypatch.setattr(site, "PAGES", (*routes.PAGES, *module.PAGES))
    monkeypatch.setitem(routes.FEEDS, "cancelled", lambda console, visit, argument: module.Cancelled(console))
    async with staged(tmp_path) as scene:
        viewer = await scene.viewer()
        found = await ask(scene, "GET", "/cancelled", guest=viewer)
        assert (found.status, '<ul id="cancelled"></ul>' in found.text) == (200, True)
        assert (await ask(scene, "GET", "/cancelled")).status == 303
        address = re.search(r'hx-sse:connect="([^"]+)"', found.text)
        assert address is not None
        await scene.cancelled("CPUStress", "pve-07")
        async with open_stream(scene, html.unescape(address[1]), viewer) as stream:
            await stream.until(b'<ul hx-swap-oob="outerMorph" id="cancelled"><li>pve-07</li></ul>')


def test_the_expected_spec_on_the_configuration_page_is_one() -> None:
    ((_, text),) = [found for found in FENCE.findall(page("docs/configuration.md")) if found[0] == "yaml"]
    spec = msgspec.convert(yaml.safe_load(text), ExpectedSpec)
    assert {disk.write for disk in spec.disks} == {True, False}
    assert set(yaml.safe_load(text)) <= set(ExpectedSpec.__dataclass_fields__)
