"""The examples that the pages write out are run: the stage of the walk-through, the expected spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.fakes.scripted_deps import ScriptedDeps, job
from tools.docs import pages
from vetting.domain.hostspec import ExpectedSpec

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = pages.page_files(REPOSITORY)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def walk_through() -> str:
    """The stage that contributing.md writes out, without the list's indentation."""
    blocks = [block for kind, block in FENCE.findall(page("docs/contributing.md")) if kind == "python"]
    assert len(blocks) == 1
    return "\n".join(line.removeprefix("   ") for line in blocks[0].splitlines())


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [({}, "SKIP"), ({"1": "900\n"}, "PASS"), ({"1": "900\n", "2": "0\n"}, "FAIL"), ({"1": "rubbish"}, "ERROR")],
)
async def test_the_stage_of_the_walk_through_works_as_it_is_written(speeds: dict[str, str], verdict: str) -> None:
    scope: dict[str, Any] = {"__name__": "fans"}
    exec(compile(walk_through(), "contributing.md", "exec"), scope)
    files = {f"/sys/class/hwmon/hwmon0/fan{number}_input": text for number, text in speeds.items()}
    outcome = await scope["Fans"]().run(ScriptedDeps(job(), files=files))
    assert str(outcome.verdict) == verdict


def test_the_expected_spec_on_the_configuration_page_is_one() -> None:
    ((_, text),) = [found for found in FENCE.findall(page("docs/configuration.md")) if found[0] == "yaml"]
    spec = msgspec.convert(yaml.safe_load(text), ExpectedSpec)
    assert {disk.write for disk in spec.disks} == {True, False}
    assert set(yaml.safe_load(text)) <= set(ExpectedSpec.__dataclass_fields__)
