"""`vetting user`: who signs in to the console. At the orchestrator's own shell it opens a console that nobody gets into."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client

EXAMPLE = "vetting user add ann --role operator"

READ_BYTES = 8192  # of a password on standard input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vetting.asking import add_connection
    from vetting.domain.roles import Role

    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("list", "everybody who signs in"), ("add", "add somebody; asks for the password"),
        ("role", "make somebody a viewer or an operator"), ("password", "a new password for somebody"),
        ("sign-out", "sign somebody out everywhere"), ("disable", "let nobody sign in by this name meanwhile"),
        ("enable", "let them sign in again"), ("remove", "remove somebody"),
    ):  # fmt: skip
        more = (
            "" if name not in ("add", "password") else "; where no terminal is, the first line of standard input is it"
        )
        one = verbs.add_parser(name, help=does, description=does + more, allow_abbrev=False)
        add_connection(one)
        if name != "list":
            one.add_argument("name", help="the user's name")
        if name == "add":
            one.add_argument("--role", choices=[str(role) for role in Role], default=str(Role.VIEWER))
        if name == "role":
            one.add_argument("role", choices=[str(role) for role in Role])
        if name == "remove":
            one.add_argument("--reason", default="", help="kept in the audit log")


def main(args: argparse.Namespace) -> int:
    from vetting.asking import ask, print_json

    args.password = read_password(args.name) if args.what in ("add", "password") else ""
    answer = ask(args, lambda client: _talk(client, args))
    if args.json:
        print_json(answer)
    elif args.what == "list":
        _list(answer)
    else:
        print(_done(args, answer))
    return 0


async def _talk(client: Client, args: argparse.Namespace) -> Any:
    from vetting import wire

    if args.what == "list":
        return await client.get("/api/users", tuple[wire.PersonView, ...])
    if args.what == "add":
        new = wire.NewPerson(name=args.name, role=args.role, password=args.password)
        return await client.call("/api/users", new, wire.PersonView)
    path = f"/api/users/{quote(args.name, safe='')}"
    if args.what == "remove":
        return await client.change("DELETE", path, wire.Because(reason=args.reason), wire.Because)
    if args.what == "password":
        return await client.change("PUT", f"{path}/password", wire.NewPassword(password=args.password), wire.PersonView)
    if args.what == "sign-out":
        return await client.call(f"{path}/sign-out", wire.Because(), wire.PersonView)
    if args.what == "role":
        return await client.change("PUT", path, wire.PersonChange(role=args.role), wire.PersonView)
    change = wire.PersonChange(disabled=args.what == "disable")
    return await client.change("PUT", path, change, wire.PersonView)


def read_password(name: str) -> str:
    """Twice from the terminal without echo, or the first line of standard input. Raises BadInput."""
    import getpass

    from vetting.domain.errors import BadInput

    if not sys.stdin.isatty():
        line = sys.stdin.readline(READ_BYTES).rstrip("\r\n")
        if not line:
            raise BadInput("there is no terminal to ask for the password: write it to standard input, as one line")
        return line
    password = getpass.getpass(f"new password of {name}: ")
    if getpass.getpass("again: ") != password:
        raise BadInput("the two passwords differ; nothing was changed")
    return password


def _done(args: argparse.Namespace, answer: Any) -> str:
    if args.what == "remove":
        return f"{args.name} is removed and signed out; API tokens that they issued stay (`vetting token list`)"
    if args.what == "add":
        return f"{answer.name} may sign in, as {answer.role}"
    if args.what == "role":
        return f"{answer.name} is {answer.role} now, and signed out everywhere"
    if args.what == "disable":
        return f"{answer.name} is signed out, and cannot sign in until `vetting user enable {answer.name}`"
    if args.what == "enable":
        return f"{answer.name} may sign in again"
    if args.what == "password":
        return f"{answer.name} has a new password, and is signed out everywhere"
    return f"{answer.name} is signed out everywhere"


def _list(people: tuple[wire.PersonView, ...]) -> None:
    import time

    from vetting.asking import ago, print_table

    if not people:
        print("nobody yet; `vetting user add NAME --role operator` adds the first one, or the console's set-up page")
        return
    now = time.time()
    rows = [
        (
            one.name, one.role, "disabled" if one.disabled else str(one.sessions),
            ago(None if one.last_seen_at is None else now - one.last_seen_at),
        )
        for one in people
    ]  # fmt: skip
    print_table(("user", "role", "signed in", "last seen"), rows)
