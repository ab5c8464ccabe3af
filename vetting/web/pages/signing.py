"""First start, signing in and out, light or dark."""

from __future__ import annotations

from vetting.domain.errors import BadInput
from vetting.web.console import Console
from vetting.web.visit import Answer, Go, Need, Page, View, Visit
from vetting.web.who import COOKIE, THEME, THEMES


async def setup(console: Console, visit: Visit) -> Answer:
    if not await console.accounts.needs_setup():
        return Go(to="/sign-in")
    typed = {name: visit.form.get(name, "") for name in ("code", "name")}
    return View(template="setup.html.j2", title="First start", values=typed)


async def set_up(console: Console, visit: Visit) -> Answer:
    if visit.form.get("password", "") != visit.form.get("again", ""):
        raise BadInput("the two passwords differ; type them again")
    made = await console.accounts.set_up(
        code=visit.form.get("code", ""),
        name=visit.form.get("name", ""),
        password=visit.form.get("password", ""),
        peer=visit.peer,
    )
    console.notices.put(made.person.csrf, f"Welcome, {made.person.name}. This account is an operator's.")
    return Go(to="/", cookies={COOKIE: made.secret})


async def sign_in_page(console: Console, visit: Visit) -> Answer:
    if visit.person is not None:
        return Go(to=home(visit.query.get("next", "")))
    if await console.accounts.needs_setup():
        return Go(to="/setup")
    values = {"next": home(visit.form.get("next") or visit.query.get("next", "")), "name": visit.form.get("name", "")}
    return View(template="sign_in.html.j2", title="Sign in", values=values)


async def sign_in(console: Console, visit: Visit) -> Answer:
    signed_in = await console.accounts.sign_in(
        name=visit.form.get("name", ""), password=visit.form.get("password", ""), peer=visit.peer
    )
    if old := visit.request.cookies.get(COOKIE, ""):  # whoever used this browser before
        await console.accounts.sign_out(old)
    return Go(to=home(visit.form.get("next", "")), cookies={COOKIE: signed_in.secret})


async def sign_out(console: Console, visit: Visit) -> Answer:
    await console.accounts.sign_out(visit.request.cookies.get(COOKIE, ""))
    return Go(to="/sign-in", cookies={COOKIE: ""})


async def choose_theme(console: Console, visit: Visit) -> Answer:
    theme = visit.form.get("theme", "")
    return Go(to=home(visit.form.get("back", "")), cookies={THEME: theme if theme in THEMES else ""})


def home(wanted: str) -> str:
    """A path of ours to go on to; everything else is the fleet, so that no link takes a person elsewhere after signing in."""
    ours = (
        wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable() and "\\" not in wanted
    )
    return wanted if ours else "/"


PAGES = (
    Page(path="/setup", need=Need.ANYONE, show=setup, do=set_up),
    Page(path="/sign-in", need=Need.ANYONE, show=sign_in_page, do=sign_in),
    Page(path="/sign-out", need=Need.VIEWER, do=sign_out),
    Page(path="/theme", need=Need.VIEWER, do=choose_theme),
)
