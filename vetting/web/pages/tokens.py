"""Tokens for programs and for the command line elsewhere: issued, shown once, revoked."""

from __future__ import annotations

from vetting.domain.errors import NotFound
from vetting.domain.roles import Role
from vetting.orchestrator.people import LOCAL_NAME
from vetting.web.console import Console
from vetting.web.visit import Answer, Go, Need, Page, View, Visit


async def shown(console: Console, visit: Visit) -> Answer:
    tokens = await console.desk.people.operator_tokens()
    values = {"tokens": tokens, "local": LOCAL_NAME}
    return View(template="tokens.html.j2", title="API tokens", nav="settings", values=values)


async def issuing(console: Console, visit: Visit) -> Answer:
    typed = {"name": visit.form.get("name", ""), "role": visit.form.get("role", Role.VIEWER)}
    return View(template="token_issue.html.j2", title="Issue a token", nav="settings", values=typed)


async def issue(console: Console, visit: Visit) -> Answer:
    """The token stands in this answer and nowhere else: nobody, we included, can read it again."""
    name, role = visit.form.get("name", "").strip(), visit.form.get("role", "")
    token = await console.desk.people.issue_operator_token(name, role, who=visit.who.name)
    values = {
        "token": token, "name": name, "role": role, "url": console.config.server.public_url,
        "fingerprint": console.fingerprint,
    }  # fmt: skip
    return View(template="token_issued.html.j2", title=f"The token {name}", nav="settings", values=values)


async def revoking(console: Console, visit: Visit) -> Answer:
    name = visit.query.get("name", "") or visit.form.get("name", "")
    found = next((one for one in await console.desk.people.operator_tokens() if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no token named {name[:80]!r}; it may be revoked by now")
    values = {"one": found, "reason": visit.form.get("reason", "")}
    return View(template="token_revoke.html.j2", title=f"Revoke {name}", nav="settings", values=values)


async def revoke(console: Console, visit: Visit) -> Answer:
    name = visit.form.get("name", "")
    await console.desk.people.revoke_operator_token(name, who=visit.who.name, why=visit.form.get("reason", ""))
    return Go(to="/tokens", said=f"The token {name} is good for nothing from now on.")


PAGES = (
    Page(path="/tokens", need=Need.OPERATOR, show=shown),
    Page(path="/tokens/issue", need=Need.OPERATOR, show=issuing, do=issue),
    Page(path="/tokens/revoke", need=Need.OPERATOR, show=revoking, do=revoke),
)
