"""`vetting try`: vets this very machine now."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

EXAMPLE = "vetting try --profile taste"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="taste", help="taste (about 90 s) by default; others take their full time")
    parser.add_argument(
        "--data", type=Path, default=Path("/var/lib/vetting/try"), metavar="DIR",
        help="where database, evidence and report go (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="vetting.yaml (default: here, then in /etc/vetting)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last, and no live table")


def main(args: argparse.Namespace) -> int:
    """0 passed, 1 failed, 2 an error."""
    from vetting import tryout
    from vetting.asking import print_table, visible
    from vetting.config import load

    config = load(args.config)
    if args.json:
        tried = asyncio.run(
            tryout.vet_this_machine(config, profile=args.profile, data=args.data, show=lambda view, url: None)
        )
        told = {"verdict": tried.verdict, "word": tried.word, "run": tried.run, "report": tried.report}
        print(json.dumps({**told, "stages": list(tried.stages)}))
        return tried.exit_code
    from vetting.watching import Live

    with Live() as live:
        tried = asyncio.run(tryout.vet_this_machine(config, profile=args.profile, data=args.data, show=live.show))
    print_table(("stage", "what was and was not tested", "", ""), tried.coverage)
    print(f"\n{tried.word.upper()}")
    for qualifier in tried.qualifiers or (tried.verdict,):
        print(f"  · {visible(qualifier, 1000)}")
    print(f"\nreport: {tried.report}")
    return tried.exit_code
