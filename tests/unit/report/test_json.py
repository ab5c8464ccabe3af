"""report.json holds what the page shows, under the schema that is published with it."""

from __future__ import annotations

import json as plain
import math
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.fakes import records
from tests.unit.report.conftest import Gather
from vetting.report import json
from vetting.store import Store

STORIES = [records.vetted, records.failed_hot, records.taste]


def refuse(name: str) -> Any:
    raise AssertionError(f"{name} in report.json")


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.published_schema() == json.schema_text(), "write it again: python -m tests.fakes.report_schema"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.schema())


@pytest.mark.parametrize("story", STORIES)
def test_every_report_is_valid_and_reads_back(story: Any, store: Store, gather: Gather) -> None:
    report = gather(story(store), closing=story is not records.failed_hot)
    raw = json.render(report)
    data = plain.loads(raw, parse_constant=refuse)
    jsonschema.Draft202012Validator(json.schema()).validate(data)
    assert json.parse(raw) == report


@pytest.mark.parametrize(
    ("path", "wrong"),
    [(("verdict", "word"), 5), (("run", "id"), "one"), (("stages", 0, "verdict"), "GREEN"), (("surprise",), 1)],
)
def test_the_schema_refuses_what_is_no_report(path: tuple[Any, ...], wrong: Any, store: Store, gather: Gather) -> None:
    data = plain.loads(json.render(gather(records.taste(store), closing=True)))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.schema()).validate(data)


def test_not_a_number_is_null_and_never_nan(store: Store, gather: Gather) -> None:
    story = records.up_to_cpu(records.Story(store))
    story.series(
        {"temp.a": ("C", lambda at: math.nan if at < 50 else math.inf)},
        begin_at=records.BEGIN,
        end_at=records.BEGIN + 100,
    )
    story.breach("temp.a", limit=90, worst=math.nan, first_at=records.BEGIN, last_at=records.BEGIN + 9)
    data = plain.loads(json.render(gather(story)), parse_constant=refuse)
    assert data["breaches"][0]["worst"] is None
    assert data["breaches"][0]["text"] == "temp.a reached not a number, limit <= 90"
    (curve,) = data["curves"]["series"]
    assert curve["not_numbers"] == 10
    assert curve["high"] is None


def test_what_is_no_report_is_said_to_be_none() -> None:
    for raw in (b"", b"{}", b"[1]", b'{"format": 1}'):
        with pytest.raises(ValueError, match="no report"):
            json.parse(raw)


def test_the_command_line_finds_its_fields(store: Store, gather: Gather) -> None:
    data = plain.loads(json.render(gather(records.taste(store), closing=True)))
    assert data["verdict"]["word"] == "passed, not vetted"
    assert [row["name"] for row in data["stages"]][:3] == ["Inventory", "Firmware", "SpecValidate"]
    assert {"verdict", "reason"} <= set(data["stages"][0])
