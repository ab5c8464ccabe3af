"""The pages and their generated blocks: what stands between two markers is made from the code, the rest by people.

A block begins with `<!-- generated: NAME -->` and ends with `<!-- end -->`. A maker gets the old text of its block, so that
a table may keep a column that people write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.docs import facts, keys
from tools.docs.tables import Unwritten

__all__ = ["MAKERS", "RENEW", "Unwritten", "blocks_of", "page_files", "renewed"]

RENEW = ".venv/bin/python -m tools.docs"
BLOCK = re.compile(r"(?P<begin><!-- generated: (?P<name>[a-z.-]+) -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL)

MAKERS: Mapping[str, Callable[[str], str]] = {
    "verbs": lambda old: facts.verbs(),
    "stages": lambda old: facts.stages(),
    "folders": lambda old: facts.folders(),
    "layers": lambda old: facts.layers(),
    "state-diagram": lambda old: facts.state_diagram(),
    "state-table": lambda old: facts.state_table(),
    "knobs": lambda old: facts.knobs(),
    "work-floors": lambda old: facts.work_floors(),
    "tool-floors": lambda old: facts.tool_floors(),
    "yardsticks": lambda old: facts.yardsticks(),
    "counters": lambda old: facts.counters(),
    "routes": lambda old: facts.routes(),
    "errors": lambda old: facts.errors(),
    "safety-lines": facts.safety_lines,
    **{f"config.{name}": keys.maker(name) for name in keys.SECTIONS},
}


def page_files(root: Path) -> list[Path]:
    """README.md and every page in docs/."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def blocks_of(text: str) -> dict[str, str]:
    """Name -> text of the generated blocks of a page."""
    return {found["name"]: found["body"] for found in BLOCK.finditer(text)}


def renewed(text: str) -> str:
    """A page with all of its blocks made anew. Raises Unwritten where a person has to write something first."""

    def made(found: re.Match[str]) -> str:
        maker = MAKERS.get(found["name"])
        if maker is None:
            raise Unwritten(f"there is no generated block {found['name']!r}; there are {', '.join(sorted(MAKERS))}")
        return f"{found['begin']}{maker(found['body'])}{found['end']}"

    return BLOCK.sub(made, text)
