"""Templates and how values read in them. Whatever a host said goes through `said`: bounded, and nothing hidden in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import jinja2

from vetting.report import text
from vetting.web import marks

_FIRST_TAG = re.compile(r"<[a-z][a-z0-9-]*")
SHORT = 300  # characters of a text of a host's in a page, where nothing else is said


class Looks:
    """Renders templates. Every value is escaped; there is no `safe` in any template."""

    def __init__(self, asset: Callable[[str], str]) -> None:
        self._asset = asset

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        return _environment().get_template(template).render(values, asset=self._asset)

    def piece(self, template: str, values: Mapping[str, Any]) -> str:
        """A template of one element with an id, for a browser that has the page open: it takes the place of the one that is
        there, and the focus and everything in it that did not change stays as it is."""
        return _FIRST_TAG.sub(r'\g<0> hx-swap-oob="outerMorph"', self.render(template, values), count=1)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    """One for the process: a template is compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vetting.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        said=said, size=text.size, disk_size=text.disk_size, duration=text.duration, number=_number,
        moment=text.moment, clock=text.clock, path=_path, as_json=as_json, round_duration=round_duration,
    )  # fmt: skip
    environment.globals.update(mark_of=marks.of_verdict, state_of=marks.of_state)
    return environment


def said(value: object, limit: int = SHORT) -> str:
    """A host's or a person's own words."""
    return text.clean(str(value), limit)


def _number(value: float | None, unit: str = "") -> str:
    """A figure; its unit may be a host's own word."""
    return text.number(value, said(unit, 20))


def _path(value: object) -> str:
    """One segment of a URL's path."""
    return quote(str(value), safe="")


def as_json(value: object) -> str:
    """For a data attribute: our scripts read it, nothing executes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def round_duration(seconds: float) -> str:
    """About how long, as a person would say it: 40 s, 12 min, 5 h, 2 days."""
    if seconds < 90:
        return f"{max(round(seconds), 0)}\u00a0s"
    if seconds < 5400:
        return f"{round(seconds / 60)}\u00a0min"
    if seconds < 48 * 3600:
        hours = seconds / 3600
        return f"{hours:.1f}\u00a0h" if hours < 10 and round(hours, 1) != round(hours) else f"{round(hours)}\u00a0h"
    return f"{seconds / 86400:.1f}\u00a0days"
