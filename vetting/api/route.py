"""What a route is: its path, who may call it, what it takes and gives. The server and its OpenAPI description read this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from vetting.domain.errors import NotFound

KIB = 1024
MIB = 1024 * KIB


class Auth(StrEnum):
    """Who may call. A route without one cannot be written down."""

    ANYONE = "anyone"
    CLAIMER = "claimer"  # a boot ticket, or the run's token
    RUN = "run"  # the run's token
    REGISTRANT = "registrant"  # a one-time registration code
    REPORTER = "reporter"  # the host's token
    VIEWER = "viewer"  # a person's token, may read
    OPERATOR = "operator"  # a person's token, may change


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as far as the route's Auth asked."""

    name: str = ""
    role: str = ""
    run_id: int = 0
    host_id: int = 0
    secret: str = ""  # CLAIMER and REGISTRANT only: the call itself decides what it is worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: its caller, path and query parameters, and the raw request for bodies that are streamed."""

    caller: Caller
    path: dict[str, str]
    query: dict[str, str]
    request: web.Request

    def number(self, name: str) -> int:
        """A numeric path parameter; the route's pattern allows digits alone. Raises NotFound beyond any number of ours."""
        digits = self.path[name]
        if len(digits) > 15:
            raise NotFound(f"there is no {name} with a number of {len(digits)} digits")
        return int(digits)


Handler = Callable[[Any, Call, Any], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    path: str  # aiohttp's pattern
    auth: Auth
    does: str
    handle: Handler
    takes: type[Any] | None = None
    gives: Any = None
    max_bytes: int = 64 * KIB
    refusals: tuple[int, ...] = ()  # beyond those that every route has
    streams: bool = False  # the handler reads the body or writes the response itself
    query: dict[str, str] = field(default_factory=dict)  # parameter -> what it is
