"""report.html: one file, readable offline, printable, without a script and without a request to anywhere.

Every text goes through `clean` on its way into the page and is escaped there: the model's texts have been cleaned
before, and a second time costs nothing and cannot be forgotten.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from vetting.report import text
from vetting.report.charts import charts
from vetting.report.model import Coverage, Mark, Report, Weight
from vetting.report.plane import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

ROWS = 500  # of one table in the page; report.json holds all
SIGNS = {
    Mark.PASS: "✓",
    Mark.FAIL: "✗",
    Mark.ERROR: "!",
    Mark.SKIP: "–",
    Mark.CANCELLED: "◼",
    Mark.INTERRUPTED: "↯",
    Mark.MISSING: "○",
    Mark.RUNNING: "…",
}
TONES = {
    Mark.PASS: "good",
    Mark.FAIL: "bad",
    Mark.ERROR: "bad",
    Mark.SKIP: "warn",
    Mark.CANCELLED: "warn",
    Mark.INTERRUPTED: "warn",
    Mark.MISSING: "warn",
    Mark.RUNNING: "warn",
}
WEIGHT_SIGNS = {Weight.CRITICAL: "✗", Weight.WARNING: "△", Weight.INFO: "i"}
WEIGHT_TONES = {Weight.CRITICAL: "bad", Weight.WARNING: "warn", Weight.INFO: "note"}
VERDICTS = {  # sign, words, tone
    "vetted": ("✓", "Vetted", "good"),
    "passed, not vetted": ("◐", "Passed, not vetted", "warn"),
    "failed": ("✗", "Failed", "bad"),
    "error": ("!", "Not measured", "bad"),
    "cancelled": ("◼", "Cancelled", "warn"),
    "incomplete": ("…", "Not finished", "warn"),
    "lost": ("✗", "Lost", "bad"),
}


def render(report: Report) -> str:
    """The whole page."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            charts=charts(report),
            verdict=VERDICTS.get(report.verdict.word, ("?", report.verdict.word, "warn")),
            coverage=_by_stage(report.coverage),
            plot={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        )
    )


def escaped(said: str) -> str:
    """A text as it stands in the page."""
    return str(escape(text.clean(said)))


def _by_stage(rows: tuple[Coverage, ...]) -> list[tuple[str, list[Coverage]]]:
    stages: dict[str, list[Coverage]] = {}
    for row in rows:
        stages.setdefault(row.stage, []).append(row)
    return list(stages.items())


def _finalize(value: Any) -> Any:
    """What every expression of the template goes through before it is escaped."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return text.clean(value)


def _commands(said: str) -> Markup:
    """A sentence with its `commands` set as code."""
    parts = [escape(part) for part in text.clean(said).split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vetting.report"),  # reads out of a zipapp too
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=text.number,
        size=text.size,
        duration=text.duration,
        moment=text.moment,
        clock=text.clock,
        sign=SIGNS.__getitem__,
        tone=TONES.__getitem__,
        weight_sign=WEIGHT_SIGNS.__getitem__,
        weight_tone=WEIGHT_TONES.__getitem__,
        short=text.bounded,
        percent=text.percentage,
        commands=_commands,
        path=Markup,  # of numbers alone, made in `charts`; too long to be bounded
    )
    environment.globals.update(ROWS=ROWS, UNITS=text.UNITS)
    return environment
