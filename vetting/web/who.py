"""Who is at the browser: the session's cookie, or the name that a trusted reverse proxy tells."""

from __future__ import annotations

from aiohttp import web

from vetting.orchestrator.accounts import Person, told_by_proxy
from vetting.web.console import Console

COOKIE = "__Host-vetting"  # the prefix: over TLS alone, for this very name, for every path; no other site can set it
THEME = "vetting-theme"
THEMES = ("light", "dark")
THEME_KEPT_S = 365 * 86400  # a session's cookie ends with the browser, and on our side whenever the session does


async def person_at(console: Console, request: web.Request, peer: str) -> Person | None:
    """None: nobody that we know."""
    proxied = console.config.console
    if proxied.proxy_header and (name := told_by_proxy(proxied, peer, the_only(request, proxied.proxy_header))):
        return await console.accounts.by_proxy(name)
    if secret := request.cookies.get(COOKIE, ""):
        return await console.accounts.session(secret)
    return None


def the_only(request: web.Request, header: str) -> str | None:
    """A header's value; None where it is not there, or there twice: then somebody before the proxy sent one too."""
    values = request.headers.getall(header, [])
    return values[0] if len(values) == 1 else None


def put_cookie(response: web.StreamResponse, name: str, value: str) -> None:
    """Sets one of ours; an empty value takes it away. Scripts cannot read it and other sites' requests do not carry it."""
    if value:
        max_age = THEME_KEPT_S if name == THEME else None
        response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax", max_age=max_age)
    else:
        response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Lax")
