"""`vetting agent`: the program in the live image."""

from __future__ import annotations

import argparse
import asyncio

EXAMPLE = (
    "vetting agent --url https://10.0.0.5:8443 --fingerprint 9f86d0… --ticket-file /run/ticket\n"
    "  (in the live image: no arguments; vetting.url=, vetting.fingerprint=, vetting.ticket= of the kernel command line)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="", help="the orchestrator, https://host:port")
    parser.add_argument("--fingerprint", default="", help="SHA-256 of its certificate, in hex")
    parser.add_argument(
        "--ticket-file", default="", metavar="FILE",
        help="holds the one-time boot ticket; never an argument, for all users can read those (or $VETTING_TICKET)",
    )  # fmt: skip
    parser.add_argument("--run", default="", help="number of the run, for the log")
    parser.add_argument(
        "--state-dir", default="/run/vetting", help="keeps token and traces for a restart within this boot"
    )
    parser.add_argument("--root", default="/", help="where /proc and /sys are read")
    parser.add_argument(
        "--on-end", choices=("exit", "poweroff"), default="",
        help="what an order to shut down or reboot does; power only in the live image, where it is the default",
    )  # fmt: skip
    parser.add_argument(
        "--protect",
        action="store_true",
        help="ask the kernel to spare the agent when memory runs out (live image: always)",
    )


def main(args: argparse.Namespace) -> int:
    from vetting.agent import main as program
    from vetting.agent.settings import settle
    from vetting.stages import STAGES

    settings = settle(
        url=args.url,
        fingerprint=args.fingerprint,
        ticket_file=args.ticket_file,
        run=args.run,
        state_dir=args.state_dir,
        root=args.root,
        on_end=args.on_end,
        protect=args.protect,
    )
    return asyncio.run(program.run(settings, STAGES))
