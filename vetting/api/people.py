"""Who signs in to the console, and whose tokens are good: for the command line, so that a locked console opens again."""

from __future__ import annotations

from vetting import wire
from vetting.api.route import KIB, Auth, Call, Handler, Route
from vetting.domain.errors import BadInput
from vetting.orchestrator.desk import Desk

USER = "/api/users/{user}"
TOKEN = "/api/tokens/{token}"


async def users(desk: Desk, call: Call, message: None) -> tuple[wire.PersonView, ...]:
    return await desk.accounts.people()


async def add(desk: Desk, call: Call, message: wire.NewPerson) -> wire.PersonView:
    await desk.accounts.add(name=message.name, role=message.role, password=message.password, who=call.caller.name)
    return await desk.accounts.person(message.name)


async def change(desk: Desk, call: Call, message: wire.PersonChange) -> wire.PersonView:
    name = call.path["user"]
    if (message.role is None) == (message.disabled is None):
        raise BadInput("say one thing to change: `role` or `disabled`")
    if message.role is not None:
        await desk.accounts.change_role(name, message.role, who=call.caller.name)
    if message.disabled is not None:
        await desk.accounts.set_disabled(name, message.disabled, who=call.caller.name)
    return await desk.accounts.person(name)


async def password(desk: Desk, call: Call, message: wire.NewPassword) -> wire.PersonView:
    await desk.accounts.set_password(call.path["user"], message.password, who=call.caller.name)
    return await desk.accounts.person(call.path["user"])


async def remove(desk: Desk, call: Call, message: wire.Because) -> wire.Because:
    await desk.accounts.remove(call.path["user"], who=call.caller.name, why=message.reason)
    return message


async def sign_out(desk: Desk, call: Call, message: wire.Because) -> wire.PersonView:
    await desk.accounts.end_sessions(call.path["user"], who=call.caller.name)
    return await desk.accounts.person(call.path["user"])


async def tokens(desk: Desk, call: Call, message: None) -> tuple[wire.TokenView, ...]:
    return await desk.people.operator_tokens()


async def issue(desk: Desk, call: Call, message: wire.NewToken) -> wire.TokenShown:
    token = await desk.people.issue_operator_token(message.name, message.role, who=call.caller.name)
    return wire.TokenShown(token=token)


async def revoke(desk: Desk, call: Call, message: wire.Because) -> wire.Because:
    await desk.people.revoke_operator_token(call.path["token"], who=call.caller.name, why=message.reason)
    return message


def _route(
    method: str, path: str, does: str, handle: Handler, takes: type | None, gives: object, *refusals: int
) -> Route:
    return Route(
        method=method, path=path, auth=Auth.OPERATOR, does=does, handle=handle, takes=takes, gives=gives,
        max_bytes=16 * KIB, refusals=(*refusals, 503),
    )  # fmt: skip


ROUTES = (
    _route("GET", "/api/users", "Everybody who signs in to the console.", users, None, tuple[wire.PersonView, ...]),
    _route("POST", "/api/users", "Add somebody.", add, wire.NewPerson, wire.PersonView, 409, 429),
    _route(
        "PUT", USER, "Change somebody's role, or shut them out; they are signed out everywhere. Never the last operator.",
        change, wire.PersonChange, wire.PersonView, 404, 409,
    ),
    _route(
        "PUT", USER + "/password", "A new password for somebody, who is signed out everywhere.",
        password, wire.NewPassword, wire.PersonView, 404, 429,
    ),
    _route("POST", USER + "/sign-out", "Sign somebody out everywhere.", sign_out, wire.Because, wire.PersonView, 404),
    _route("DELETE", USER, "Remove somebody; never the last operator.", remove, wire.Because, wire.Because, 404, 409),
    _route("GET", "/api/tokens", "The tokens of people and programs.", tokens, None, tuple[wire.TokenView, ...]),
    _route("POST", "/api/tokens", "A new token; shown once.", issue, wire.NewToken, wire.TokenShown, 409),
    _route("DELETE", TOKEN, "End a token.", revoke, wire.Because, wire.Because, 404, 409),
)  # fmt: skip
