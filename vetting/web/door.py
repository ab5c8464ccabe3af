"""The one door that every page passes: Host, who is there and what they may, where a form comes from; every refusal
as a page that says what to do, and the headers that keep a page what we made it."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import quote

from aiohttp import web

from vetting.domain.errors import Forbidden, NotAllowed, NotFound, Refusal
from vetting.gate import HEADERS, hosts_allowed, refuse_foreign_origin
from vetting.web.console import Console
from vetting.web.forms import read_form
from vetting.web.shell import framed
from vetting.web.visit import Answer, Go, Handler, Need, Page, View, Visit
from vetting.web.who import person_at, put_cookie

log = logging.getLogger(__name__)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": CSP,
    # With no-referrer browsers send the Origin of our own forms as "null", and we could not tell them from others'.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Strict-Transport-Security": "max-age=31536000",
    "Vary": "HX-Request",
}
SIGN_IN, SETUP = "/sign-in", "/setup"


class Door:
    """Turns pages into aiohttp handlers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._check_host = hosts_allowed(console.config.server.allowed_hosts)

    def open(self, app: web.Application, pages: Sequence[Page]) -> None:
        for page in pages:
            if page.show is not None:
                app.router.add_get(page.path, self._shown(page))
            if page.do is not None:
                app.router.add_post(page.path, self._done(page))
        app.router.add_get("/assets/{name}", self._console.assets.serve)
        app.router.add_get(r"/{path:(?!api/|register/|reporter/).*}", self._nothing_there())

    def _shown(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            visit = await self._visit(request)
            if (turned_away := await self._turned_away(page.need, visit)) is not None:
                return turned_away
            return await self._answer(page.show, visit)

        return self._in_pages(handle)

    def _done(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        assert page.do is not None

        async def handle(request: web.Request) -> web.StreamResponse:
            visit = await self._visit(request)
            demand_our_own_page(request)
            if page.need is not Need.ANYONE and visit.person is None:
                raise NotAllowed("your session has ended, so nothing was done; sign in and do it again")
            fields = await read_form(request, page.max_bytes)
            visit = replace(visit, fields=fields, form={name: values[-1] for name, values in fields.items()})
            if visit.person is not None and not hmac.compare_digest(
                visit.form.get("csrf", "").encode(), visit.person.csrf.encode()
            ):
                raise Forbidden("this form is not from your session, so nothing was done; load the page again")
            self._demand(page.need, visit)
            try:
                return await self._answer(page.do, visit)
            except Refusal as refusal:
                if page.show is None or (refusal.http_status in (401, 403, 404) and page.need is not Need.ANYONE):
                    raise
                again = replace(visit, problem=refusal.message)
                return await self._answer(page.show, again, status=refusal.http_status)

        return self._in_pages(handle)

    def _nothing_there(self) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            raise NotFound("there is no such page; the fleet is a good place to go on from")

        return self._in_pages(handle)

    def _in_pages(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Refusals become pages in one place."""

        async def shown(request: web.Request) -> web.StreamResponse:
            try:
                self._check_host(request)
            except Refusal as refusal:  # nothing of ours for a name that is not ours, not even the page's frame
                return web.Response(status=refusal.http_status, text=refusal.message, headers=HEADERS)
            try:
                return await handle(request)
            except Refusal as refusal:
                view = View(
                    template="problem.html.j2", title="That did not work", status=refusal.http_status,
                    values={"message": refusal.message, "status": refusal.http_status},
                )  # fmt: skip
                return await self._rendered(view, await self._visit(request))

        return shown

    async def _visit(self, request: web.Request) -> Visit:
        mark, peer = self._console.hub.now(), request.remote or ""
        person = await person_at(self._console, request, peer)
        return Visit(
            request=request,
            person=person,
            peer=peer,
            mark=mark,
            path=dict(request.match_info),
            query=dict(request.query),
        )

    async def _turned_away(self, need: Need, visit: Visit) -> web.StreamResponse | None:
        """To the sign-in, or to the first start's setup; None for those who may go on. Raises Forbidden."""
        if need is Need.ANYONE:
            return None
        if visit.person is None:
            if visit.partial or visit.request.path == "/live":  # a piece of a page: the page itself has to go there
                return web.Response(status=401, text="signed out", headers={**HEADERS, "HX-Refresh": "true"})
            wanted = quote(visit.request.path_qs, safe="/?=&")
            to = SETUP if await self._console.accounts.needs_setup() else f"{SIGN_IN}?next={quote(wanted, safe='/')}"
            return web.Response(status=303, headers={**PAGE_HEADERS, "Location": to})
        self._demand(need, visit)
        return None

    def _demand(self, need: Need, visit: Visit) -> None:
        if need is Need.OPERATOR and not visit.operator:
            raise Forbidden(
                f"{visit.who.name} may look but not change anything; ask an operator for the operator's role"
            )

    async def _answer(self, handle: Handler | None, visit: Visit, *, status: int = 0) -> web.StreamResponse:
        assert handle is not None
        answer: Answer = await handle(self._console, visit)
        if isinstance(answer, Go):
            if answer.said and visit.person is not None:
                self._console.notices.put(visit.person.csrf, answer.said)
            response = web.Response(status=303, headers={**PAGE_HEADERS, "Location": answer.to})
            for name, value in answer.cookies.items():
                put_cookie(response, name, value)
            return response
        if isinstance(answer, View):
            return await self._rendered(replace(answer, status=status or answer.status), visit)
        return answer

    async def _rendered(self, view: View, visit: Visit) -> web.Response:
        html = await framed(self._console, view, visit)
        return web.Response(
            text=html, status=view.status, content_type="text/html", charset="utf-8", headers=PAGE_HEADERS
        )


def demand_our_own_page(request: web.Request) -> None:
    """A form must come from a page of ours: browsers say so with every POST. Raises Forbidden."""
    refuse_foreign_origin(request)
    if request.headers.get("Sec-Fetch-Site") != "same-origin" and "Origin" not in request.headers:
        raise Forbidden("your browser does not say which page this form came from; use a current one")
