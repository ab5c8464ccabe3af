"""`vetting host pin`: what a run measured becomes the floors and ceilings of its host, or of the host's class."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="run", type=int, metavar="RUN", help="the run that measured; its last good run without it"
    )
    parser.add_argument(
        "--class", dest="class_name", default="", metavar="CLASS", help="every host of this class of vetting.yaml, too"
    )
    parser.add_argument(
        "--margin", metavar="10%%", help="room for all of it; without it each kind of figure has its own"
    )
    parser.add_argument("--firmware", action="store_true", help="the firmware versions that the run found, too")
    parser.add_argument("--reason", default="", help="kept in the audit log")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show what would be pinned, and pin nothing")


async def pin(client: Client, path: str, args: argparse.Namespace) -> wire.PinOffer | None:
    """Shows, asks, and pins. None where the person said no, or only wanted to see."""
    from urllib.parse import urlencode

    from vetting import wire

    margin = share(args.margin) if args.margin else None
    asked = {"run": args.run, "margin": margin, "class": args.class_name, "firmware": "yes" if args.firmware else None}
    query = urlencode({name: value for name, value in asked.items() if value not in (None, "")})
    offer = await client.get(f"{path}/pins{f'?{query}' if query else ''}", wire.PinOffer)
    if args.dry_run:
        return offer
    if not args.json:
        say(offer)
    if not any(one.changes for one in offer.targets):
        return offer
    if not args.yes and not _agreed(offer, args):
        return None
    wanted = wire.PinMeasured(
        run_id=offer.run_id, margin=margin, class_name=args.class_name, firmware=args.firmware, reason=args.reason,
        keys=(*(line.key for line in offer.lines), "max_temp_c"),
    )  # fmt: skip
    return await client.call(f"{path}/pins", wanted, wire.PinOffer)


def _agreed(offer: wire.PinOffer, args: argparse.Namespace) -> bool:
    """Raises BadInput where nobody can be asked."""
    from vetting.domain.errors import BadInput

    if args.json or not sys.stdin.isatty():
        raise BadInput("nothing was pinned: look at it with --dry-run, then say --yes; there is no terminal to ask")
    return input(f"Pin this in the expected spec of {_whose(offer)}? Type yes: ").strip() == "yes"


def share(text: str) -> float:
    """`10%` or `0.1`. Raises BadInput."""
    from vetting.domain.errors import BadInput

    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,4})?)\s*(%?)", text.strip())
    if match is None:
        raise BadInput(f"the margin must be like 10%, it is {text[:40]!r}")
    return float(match[1]) / (100 if match[2] else 1)


def say(offer: wire.PinOffer) -> None:
    from vetting.asking import print_table, visible

    print(f"Run {offer.run_id} of {offer.host}, profile {offer.profile}, gives:\n")
    rows = [
        (
            visible(line.name), f"{line.worst:,.6g} {line.limit.unit}", f"{line.bounds} {line.limit.value:,.6g} {line.limit.unit}",
            visible(f"{line.limit.component} {'' if line.limit.like == '*' else line.limit.like}".strip()), str(line.parts),
        )
        for line in offer.lines
    ]  # fmt: skip
    if offer.max_temp_c:
        rows.append(
            ("highest temperature", f"{offer.hottest_c:.0f} °C", f"at most {offer.max_temp_c:.0f} °C", "temp.*", "")
        )
    print_table(("figure", "measured, the worst", "would be pinned", "of", "parts"), rows)
    print()
    if offer.virtual:
        print(f"This host is virtual ({offer.virtual}): its neighbours decide what it measures, so the room is wide.\n")
    for one in offer.targets:
        left = f" ({one.left_out} left out: parts that it is not known to have)" if one.left_out else ""
        print(f"{one.host}: {len(one.changes)} changes{left}")


def said(offer: wire.PinOffer | None, args: argparse.Namespace) -> None:
    if offer is None:
        print("nothing was pinned")
    elif args.dry_run:
        say(offer)
    elif not any(one.changes for one in offer.targets):
        print("nothing would change: all of it is pinned so already")
    else:
        print(f"pinned in the expected spec of {_whose(offer)}; runs from now on are held to it")


def _whose(offer: wire.PinOffer) -> str:
    names = [one.host for one in offer.targets if one.changes]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(names[:5])}{more}"
