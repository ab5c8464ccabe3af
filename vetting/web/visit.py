"""One request of a person, and what a page answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aiohttp import web

from vetting.domain.errors import NotFound
from vetting.orchestrator.accounts import Person, Role

if TYPE_CHECKING:
    from vetting.web.console import Console
    from vetting.web.live import Feed, Mark


class Need(StrEnum):
    """Who may see a page. A page without one cannot be written down."""

    ANYONE = "anyone"
    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """`form` holds the last value of each field of a POST; `fields` all of them, for boxes and lists."""

    request: web.Request
    person: Person | None
    peer: str  # address that the request came from
    mark: Mark  # what happens after it is news to the page that answers
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""  # why the form was not taken, when it is shown again with what was typed

    @property
    def who(self) -> Person:
        """The signed-in person; only pages that anyone may see have none."""
        assert self.person is not None
        return self.person

    @property
    def operator(self) -> bool:
        return self.person is not None and self.person.role is Role.OPERATOR

    @property
    def partial(self) -> bool:
        """htmx asks for a piece of the page, to put into the one that is there."""
        return self.request.headers.get("HX-Request") == "true"

    def number(self, name: str) -> int:
        """A numeric path parameter; the pattern allows digits alone. Raises NotFound beyond any number of ours."""
        digits = self.path[name]
        if len(digits) > 15:
            raise NotFound(f"there is no {name} with a number of {len(digits)} digits")
        return int(digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A template and its values. `feeds`: what of it is kept up to date while it is looked at."""

    template: str
    title: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    nav: str = ""  # which entry of the navigation it belongs to: fleet, runs, audit, settings
    feeds: tuple[Feed, ...] = ()
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Go there; `said` is told on that page."""

    to: str
    said: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)  # name -> value; an empty value deletes


Answer = View | Go | web.StreamResponse
Handler = Callable[["Console", Visit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A path, who may see it, what shows it (GET) and what its form does (POST).

    A form that is refused is shown again by `show`, with `visit.problem` and everything that was typed.
    """

    path: str  # aiohttp's pattern
    need: Need
    show: Handler | None = None
    do: Handler | None = None
    max_bytes: int = 256 * 1024  # of the form
