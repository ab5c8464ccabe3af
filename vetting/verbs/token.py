"""`vetting token`: API tokens of people and programs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client

EXAMPLE = "vetting token issue grafana --role viewer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vetting.asking import add_connection
    from vetting.domain.roles import Role

    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("list", "all tokens, and when each was used"), ("issue", "a new token, shown once"), ("revoke", "end a token"),
    ):  # fmt: skip
        one = verbs.add_parser(name, help=does, description=does, allow_abbrev=False)
        add_connection(one)
        if name != "list":
            one.add_argument("name", help="whose token it is")
        if name == "issue":
            one.add_argument("--role", choices=[str(role) for role in Role], default=str(Role.VIEWER))
        if name == "revoke":
            one.add_argument("--reason", default="", help="kept in the audit log")


def main(args: argparse.Namespace) -> int:
    from vetting.asking import ask, print_json

    answer = ask(args, lambda client: _talk(client, args))
    if args.json:
        print_json(answer)
    elif args.what == "list":
        _list(answer)
    elif args.what == "issue":
        print(f"{answer.token}\n(shown once; {args.role}, good until `vetting token revoke`)")
    else:
        print(f"the token {args.name} is good for nothing any more")
    return 0


async def _talk(client: Client, args: argparse.Namespace) -> Any:
    from vetting import wire

    if args.what == "list":
        return await client.get("/api/tokens", tuple[wire.TokenView, ...])
    if args.what == "issue":
        return await client.call("/api/tokens", wire.NewToken(name=args.name, role=args.role), wire.TokenShown)
    path = f"/api/tokens/{quote(args.name, safe='')}"
    return await client.change("DELETE", path, wire.Because(reason=args.reason), wire.Because)


def _list(tokens: tuple[wire.TokenView, ...]) -> None:
    import time

    from vetting.asking import ago, print_table

    now = time.time()
    rows = [
        (
            one.name, one.role, ago(now - one.created_at), one.issued_by,
            ago(None if one.used_at is None else now - one.used_at),
        )
        for one in tokens
    ]  # fmt: skip
    print_table(("token", "role", "issued", "by", "used"), rows)
