"""One's own account: password, browsers that are signed in, and out of all of them at once."""

from __future__ import annotations

from vetting.domain.errors import BadInput, Conflict, NotAllowed
from vetting.orchestrator.roster import ends_at
from vetting.store import sessions, tokens, users
from vetting.store.rows import SessionRow
from vetting.web.console import Console
from vetting.web.visit import Answer, Go, Need, Page, View, Visit
from vetting.web.who import COOKIE


async def shown(console: Console, visit: Visit) -> Answer:
    secret, now = visit.request.cookies.get(COOKIE, ""), console.clock.now()
    here = tokens.hash_of(secret) if secret else ""

    def look() -> list[SessionRow]:
        me = None if visit.who.by_proxy else users.find(visit.who.name)
        return sessions.of_user(me.id) if me is not None else []

    going = [one for one in await console.store.read(look) if now < ends_at(one, console.config.console)]
    values = {
        "sessions": [
            (one.secret_hash == here, one, ends_at(one, console.config.console)) for one in going
        ],
        "settings": console.config.console,
    }  # fmt: skip
    return View(template="account.html.j2", title="My account", values=values)


async def change_password(console: Console, visit: Visit) -> Answer:
    demand_account(visit)
    if visit.form.get("password", "") != visit.form.get("again", ""):
        raise BadInput("the two new passwords differ; type them again")
    old, new = visit.form.get("old", ""), visit.form.get("password", "")
    try:
        await console.accounts.change_own_password(
            name=visit.who.name, old=old, new=new, keep=visit.request.cookies.get(COOKIE, "")
        )
    except NotAllowed as wrong:  # of the form alone: the session goes on
        raise BadInput(wrong.message) from wrong
    return Go(to="/account", said="Your password is changed. Every other browser of yours is signed out.")


async def sign_out_everywhere(console: Console, visit: Visit) -> Answer:
    demand_account(visit)
    await console.accounts.end_sessions(visit.who.name, who=visit.who.name)
    return Go(to="/sign-in", cookies={COOKIE: ""})


def demand_account(visit: Visit) -> None:
    """Raises Conflict."""
    if visit.who.by_proxy:
        raise Conflict("the reverse proxy signs you in; there is no password or session of yours here")


PAGES = (
    Page(path="/account", need=Need.VIEWER, show=shown, do=change_password),
    Page(path="/account/sign-out", need=Need.VIEWER, show=shown, do=sign_out_everywhere),
)
