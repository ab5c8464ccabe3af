"""README.md and docs/: what is generated is up to date, and what they list is what the code has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tools.docs import facts, keys, pages, tables
from tools.docs.tables import Unwritten, by_hand
from vetting import cli, config
from vetting.api.routes import ROUTES
from vetting.config.values import Config
from vetting.domain.states import MOVES, STAGE_ORDER, RunState

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = pages.page_files(REPOSITORY)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


# --- generated parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_parts_of_a_page_are_up_to_date(name: str) -> None:
    try:
        new = pages.renewed(page(name))
    except Unwritten as why:
        pytest.fail(f"{name}: {why}")
    assert new == page(name), f"{name} is out of date; renew it with: {pages.RENEW}"


def test_every_block_that_can_be_made_stands_on_a_page() -> None:
    stand = {block for name in NAMES for block in pages.blocks_of(page(name))}
    assert stand == set(pages.MAKERS)


def test_a_changed_code_makes_a_page_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "ROUTES", ROUTES[1:])
    assert pages.renewed(page("docs/api.md")) != page("docs/api.md")


def test_a_block_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Unwritten, match="no generated block 'verses'"):
        pages.renewed("<!-- generated: verses -->\n<!-- end -->")


def test_a_key_that_nobody_described_is_asked_for() -> None:
    old = pages.blocks_of(page("docs/configuration.md"))["config.limits"]
    without = "".join(line for line in old.splitlines(keepends=True) if "dispatch_s" not in line)
    with pytest.raises(Unwritten, match=r"limits\.dispatch_s"):
        keys.section_table("limits", without)


def test_what_people_wrote_into_a_table_is_kept_with_its_bars() -> None:
    old = tables.table(("key", "type", "effect"), [("`a`", "text", "one | the other"), ("`gone`", "text", "old")])
    assert by_hand(old, 2)["`a`"] == "one | the other"
    assert tables.written(old, [("`a`", "number")], what="it") == [["`a`", "number", "one | the other"]]


# --- lists --------------------------------------------------------------------------------------------------------


def rows_of(name: str, block: str) -> list[list[str]]:
    lines = pages.blocks_of(page(name))[block].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_readme_lists_the_verbs_that_are_not_hidden() -> None:
    listed = [row[0] for row in rows_of("README.md", "verbs")]
    assert listed == [f"`vetting {name}`" for name, verb in cli.VERBS.items() if not verb.hidden]


def test_the_readme_lists_the_eleven_stages_in_their_order() -> None:
    listed = [row[1] for row in rows_of("README.md", "stages")]
    assert listed == list(STAGE_ORDER)
    assert len(listed) == 11


def test_the_test_suite_has_a_section_for_every_stage_in_order() -> None:
    found = re.findall(r"^## (\d+)\. (\w+)$", page("docs/test-suite.md"), re.MULTILINE)
    assert found == [(str(number), name) for number, name in enumerate(STAGE_ORDER, 1)]


def config_keys() -> Iterator[str]:
    """Every key path of the configuration, walked from Config by its own hints, not by the tables' maker."""

    def below(kind: Any, stem: str) -> Iterator[str]:
        for item in fields(kind):
            hint = get_type_hints(kind)[item.name]
            parts = [part for part in get_args(hint) if is_dataclass(part)]
            if is_dataclass(hint):
                yield from below(hint, f"{stem}{item.name}.")
            elif parts:
                yield from below(parts[0], f"{stem}{item.name}{'[]' if Ellipsis in get_args(hint) else '.NAME'}.")
            else:
                yield f"{stem}{item.name}"

    yield from below(Config, "")


def test_the_configuration_page_has_every_key_and_no_other() -> None:
    listed = [row[0].strip("`") for name in keys.SECTIONS for row in rows_of("docs/configuration.md", f"config.{name}")]
    known = {*config_keys(), "profiles.NAME.base"} - {"profiles.NAME.name"}
    assert set(listed) == known
    assert len(listed) == len(known)


def test_the_shipped_file_and_the_page_agree_on_every_default() -> None:
    """vetting.yaml says what ships; the page's defaults come from the types."""
    assert config.load(REPOSITORY / "vetting.yaml") == Config()


def test_every_route_stands_on_the_api_page() -> None:
    listed = {row[0].strip("`").replace("\\|", "|") for row in rows_of("docs/api.md", "routes")}
    assert listed == {f"{route.method} {route.path}" for route in ROUTES}


def test_the_diagram_and_the_table_hold_every_move() -> None:
    text = page("docs/architecture.md")
    for block, arrow in (("state-diagram", r"^    (\w+) --> (\w+): (.+)$"), ("state-table", r"")):
        told = pages.blocks_of(text)[block]
        for state in RunState:
            assert str(state) in told, (block, state)
        for event in {str(event) for _, event in MOVES}:
            assert event in told, (block, event)
        if arrow:
            groups = {name: members for name, _, members in facts.GROUPS}
            drawn = {
                (str(member), event)
                for start, _, events in re.findall(arrow, told, re.MULTILINE)
                for event in events.split(", ")
                for member in groups.get(start, (start,))
            }
            assert drawn == {(str(state), str(event)) for state, event in MOVES}


def test_a_move_that_one_stage_lacks_is_not_drawn_from_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {(state, event): target for (state, event), target in MOVES.items() if state is not RunState.BURN}
    monkeypatch.setattr(facts, "MOVES", fewer)
    assert "AnyStage --> Failed" not in facts.state_diagram()
    assert "Storage --> Failed" in facts.state_diagram()
