"""The one door that every call passes: Host and Origin, who calls, how much, what; and every refusal in one shape."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web

from vetting import wire
from vetting.api.route import Auth, Call, Caller, Route
from vetting.domain.errors import BadInput, Forbidden, NotAllowed, Refusal
from vetting.gate import HEADERS, hosts_allowed, read_within, refuse_foreign_origin

log = logging.getLogger(__name__)


class Gatekeeper(Protocol):
    """Says who a bearer token belongs to. Unknown, stale and foreign tokens are all the same NotAllowed."""

    async def run_of(self, token: str) -> int: ...
    async def host_of(self, token: str) -> int: ...
    async def person_of(self, token: str) -> tuple[str, str]: ...


@web.middleware
async def one_error_shape(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every refusal and every failure as `ErrorReply`; nothing of our inside in it."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return error_response(refusal.http_status, refusal.code, refusal.message, refusal.detail)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = error_response(
            error.status, f"http_{error.status}", f"{error.reason}: {request.method} {request.path}"
        )
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception:
        log.exception("a call failed: %s %r", request.method, request.path[:200])
        return error_response(500, "internal", "something went wrong here; the server's log has it; try again later")


def error_response(status: int, code: str, message: str, detail: dict[str, object] | None = None) -> web.Response:
    body = wire.ErrorReply(error=wire.ErrorBody(code=code, message=message, detail=detail or {}))
    return web.Response(status=status, body=wire.encode(body), content_type="application/json", headers=HEADERS)


class Door:
    """Turns routes into aiohttp handlers."""

    def __init__(
        self, world: object, keeper: Gatekeeper, *, allowed_hosts: Sequence[str], strict: bool = False
    ) -> None:
        self._world = world
        self._keeper = keeper
        self._check_host = hosts_allowed(allowed_hosts)
        self._strict = strict

    def open(self, app: web.Application, routes: Sequence[Route]) -> None:
        for route in routes:
            app.router.add_route(route.method, route.path, self._handler(route))

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._check_host(request)
            refuse_foreign_origin(request)
            caller = await self._caller(route.auth, request)
            message = None
            if route.takes is not None and not route.streams:
                message = self._decode(route, await read_body(request, route.max_bytes))
            call = Call(caller=caller, path=dict(request.match_info), query=dict(request.query), request=request)
            answer = await route.handle(self._world, call, message)
            if isinstance(answer, web.StreamResponse):
                return answer
            return web.Response(body=wire.encode(answer), content_type="application/json", headers=HEADERS)

        return handle

    def _decode(self, route: Route, raw: bytes) -> object:
        assert route.takes is not None
        message = wire.decode(raw, route.takes, strict=self._strict)
        if self._strict or len(raw) >= 8192 or raw == wire.encode(message):
            return message  # a body that reads the same when it is written again holds nothing that we do not know
        if extra := wire.unknown_fields(raw, message):
            log.warning(
                "%s %s: fields we do not know were ignored: %r", route.method, route.path, ", ".join(extra)[:500]
            )
        return message

    async def _caller(self, auth: Auth, request: web.Request) -> Caller:
        if auth is Auth.ANYONE:
            return Caller()
        secret = bearer(request)
        if auth in (Auth.CLAIMER, Auth.REGISTRANT):
            return Caller(secret=secret)
        if auth is Auth.RUN:
            return Caller(run_id=await self._keeper.run_of(secret))
        if auth is Auth.REPORTER:
            return Caller(host_id=await self._keeper.host_of(secret))
        name, role = await self._keeper.person_of(secret)
        if auth is Auth.OPERATOR and role != "operator":
            raise Forbidden(f"the token of {name} may look but not change anything; ask for an operator token")
        return Caller(name=name, role=role)


def bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAllowed("this call needs a valid token: send 'Authorization: Bearer …'")
    return token.strip()


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The whole JSON body. Raises BadInput, TooLarge."""
    if request.content_type != "application/json":
        raise BadInput(f"send the body as application/json, not {request.content_type[:80]!r}")
    return await read_within(request, max_bytes, what="body")
