"""The one door that every page passes: Host, who is there and what they may, where a form comes from; every refusal
as a page that says what to do, and the headers that keep a page what we made it."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

from aiohttp import web

from vetting.domain.errors import Forbidden, NotAllowed, NotFound, Refusal
from vetting.gate import HEADERS, hosts_allowed, refuse_foreign_origin
from vetting.web.console import Console
from vetting.web.forms import is_token_of, read_form
from vetting.web.live import Mark
from vetting.web.shell import framed
from vetting.web.visit import Answer, Go, Handler, Need, Page, View, Visit
from vetting.web.who import person_at, put_cookie

log = logging.getLogger(__name__)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# No Strict-Transport-Security: browsers ignore it over our own certificate, and over a site's it would bind every port of
# this name for a year, and lock people out on the day the certificate is our own again. We answer over TLS alone anyway,
# and our cookies travel over nothing else. A reverse proxy may add it for its own name.
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": CSP,
    # With no-referrer browsers send the Origin of our own forms as "null", and we could not tell them from others'.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "HX-Request, Accept-Encoding",
}
MACHINES = r"(?!(?:api|register|reporter)(?:/|$))"  # what is not there for them is told in their own shape
SIGN_IN, SETUP = "/sign-in", "/setup"
WORTH_PACKING = 2048  # bytes
NO_MARK = Mark(frame=0, news=0)
FAILED = "something went wrong here, and the server's log says what; nothing was promised that was not done; try again"

Shown = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
        app.router.add_get("/assets/{name}", self._in_pages(self._asset))
        app.router.add_get(rf"/{{path:{MACHINES}(?s:.*)}}", self._in_pages(self._nothing_there))

    def _shown(self, page: Page) -> Shown:
        async def handle(visit: Visit) -> web.StreamResponse:
            refuse_foreign_use(visit.request)
            if (turned_away := await self._turned_away(page.need, visit)) is not None:
                return turned_away
            return await self._answer(page.show, visit)

        return self._in_pages(handle)

    def _done(self, page: Page) -> Shown:
        async def handle(visit: Visit) -> web.StreamResponse:
            demand_our_own_page(visit.request)
            if page.need is not Need.ANYONE and visit.person is None:
                raise NotAllowed("your session has ended, so nothing was done; sign in and do it again")
            self._demand(page.need, visit)
            fields = await read_form(visit.request, page.max_bytes)
            visit = replace(visit, fields=fields, form={name: values[-1] for name, values in fields.items()})
            if page.need is not Need.ANYONE and not is_token_of(visit.who.csrf, visit.form.get("csrf", "")):
                raise Forbidden("this form is not from your session, so nothing was done; load the page again")
            try:
                return await self._answer(page.do, visit)
            except Refusal as refusal:
                if page.show is None or (refusal.http_status in (401, 403, 404) and page.need is not Need.ANYONE):
                    raise
                again = replace(visit, problem=refusal.message)
                response = await self._answer(page.show, again, status=refusal.http_status)
                return say_when(response, refusal.detail)

        return self._in_pages(handle)

    async def _asset(self, visit: Visit) -> web.StreamResponse:
        return await self._console.assets.serve(visit.request)

    async def _nothing_there(self, visit: Visit) -> web.StreamResponse:
        raise NotFound("there is no such page; the fleet is a good place to go on from")

    def _in_pages(self, handle: Callable[[Visit], Awaitable[web.StreamResponse]]) -> Shown:
        """Refusals and failures become pages in one place, and every answer has its headers."""

        async def shown(request: web.Request) -> web.StreamResponse:
            try:
                self._check_host(request)
            except Refusal as refusal:  # nothing of ours for a name that is not ours, not even the page's frame
                return web.Response(status=refusal.http_status, text=refusal.message, headers=PAGE_HEADERS)
            visit = Visit(request=request, person=None, peer=request.remote or "", mark=NO_MARK)
            try:
                visit = await self._known(visit)
                response = await handle(visit)
            except Refusal as refusal:
                response = await self._problem(visit, refusal.http_status, refusal.message, refusal.detail)
            except (web.HTTPException, ConnectionResetError):
                raise
            except Exception:
                log.exception("a page failed: %s %r", request.method, request.path[:200])
                response = await self._problem(visit, 500, FAILED, {})
            if not response.prepared:
                for name, value in PAGE_HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return shown

    async def _known(self, visit: Visit) -> Visit:
        """With who it is; the mark comes before anything is read for a page."""
        request = visit.request
        visit = replace(visit, path=dict(request.match_info), query=dict(request.query))
        if request.path.startswith("/assets/"):
            return visit
        person = await person_at(self._console, request, visit.peer)
        return replace(visit, person=person, mark=self._console.hub.now()) if person is not None else visit

    async def _problem(
        self, visit: Visit, status: int, message: str, detail: Mapping[str, object]
    ) -> web.StreamResponse:
        """A page that needs nothing of what may just have failed."""
        request = visit.request
        back = (
            request.path_qs if request.method in ("GET", "HEAD") else urlsplit(request.headers.get("Referer", "")).path
        )
        values = {"message": message, "status": status, "sign_in": sign_in_and_back(back or "/")}
        view = View(template="problem.html.j2", title="That did not work", status=status, values=values)
        try:
            response: web.StreamResponse = await self._rendered(view, visit)
        except Exception as error:
            if not isinstance(error, Refusal):
                log.error("the page of a problem could not be shown whole", exc_info=error)
            response = await self._rendered(view, replace(visit, person=None))
        return say_when(response, detail)

    async def _turned_away(self, need: Need, visit: Visit) -> web.StreamResponse | None:
        """To the sign-in, or to the first start's setup; None for those who may go on. Raises Forbidden."""
        if need is Need.ANYONE:
            return None
        if visit.person is None:
            if visit.partial or visit.request.path == "/live":  # a piece of a page: the page itself has to go there
                return web.Response(status=401, text="signed out", headers={**HEADERS, "HX-Refresh": "true"})
            needs_setup = await self._console.accounts.needs_setup()
            to = SETUP if needs_setup else sign_in_and_back(visit.request.path_qs)
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
        body = (await framed(self._console, view, visit)).encode("utf-8", "replace")
        headers = dict(PAGE_HEADERS)
        if len(body) > WORTH_PACKING and "gzip" in visit.request.headers.get("Accept-Encoding", ""):
            body = await asyncio.to_thread(gzip.compress, body, 4, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, status=view.status, content_type="text/html", charset="utf-8", headers=headers)


def say_when(response: web.StreamResponse, detail: Mapping[str, object]) -> web.StreamResponse:
    """For programs, what the page says in words."""
    if isinstance(wait_s := detail.get("retry_after_s"), int | float):
        response.headers["Retry-After"] = str(int(wait_s))
    return response


def sign_in_and_back(path: str) -> str:
    return f"{SIGN_IN}?next={quote(path, safe='/')}"


def demand_our_own_page(request: web.Request) -> None:
    """A form must come from a page of ours: browsers say so with every POST. Raises Forbidden."""
    refuse_foreign_origin(request)
    origin = request.headers.get("Origin")
    if origin is None and request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise Forbidden("your browser does not say which page this form came from; use a current one")
    if origin is not None and not origin.startswith("https://"):
        raise Forbidden("this form came over plain HTTP, where anybody may have changed it; use https://")


def refuse_foreign_use(request: web.Request) -> None:
    """Others may link to our pages, and make no other use of them: no picture, frame, script or call. Raises Forbidden."""
    fetched = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate"
    framed = request.headers.get("Sec-Fetch-Dest", "document") not in ("document", "empty")
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and (fetched or framed):
        raise Forbidden("a page of another origin asked for this; open it yourself")
