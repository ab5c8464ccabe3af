"""`python -m tests.lab`: a virtual rack by hand."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from tests.lab import hand
from tests.lab.hardware import Firmware

EXAMPLE = """examples (as root):
  python -m tests.lab up --hosts 2          two hosts, one BIOS and one UEFI, beside `vetting serve`; Ctrl-C ends it
  python -m tests.lab do on h1              power h1 on, from another terminal
  python -m tests.lab do reset h1           and what else can go wrong: off, freeze, thaw, panic, unplug, plug
  python -m tests.lab down                  end it from another terminal; clear what a killed one left behind
"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m tests.lab", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="build a rack and leave it running until Ctrl-C")
    up.add_argument("--hosts", type=int, default=2, metavar="N", help="how many hosts (default 2)")
    up.add_argument(
        "--firmware", default="bios,uefi", metavar="LIST",
        help=f"of the hosts in turn, of {', '.join(Firmware)} (default bios,uefi)",
    )  # fmt: skip
    up.add_argument("--proxy", action="store_true", help="proxyDHCP beside a foreign DHCP server, as a site has it")
    up.add_argument("--zipapp", type=Path, metavar="FILE", help="serve from this zipapp instead of the checkout")
    up.add_argument("--power-on", action="store_true", help="power all hosts on at once")
    do = verbs.add_parser("do", help="do something to a host of the rack that is up")
    do.add_argument("deed", choices=hand.DEEDS)
    do.add_argument("host")
    verbs.add_parser("down", help="end the rack and clear what killed ones left behind")
    return top


def main(words: list[str]) -> int:
    args = parser().parse_args(words)
    if os.geteuid() != 0:
        print("the lab makes network namespaces and needs root", file=sys.stderr)
        return 2
    if args.verb == "do":
        return asyncio.run(hand.tell([args.deed, args.host]))
    if args.verb == "down":
        return asyncio.run(hand.down())
    try:
        firmware = tuple(Firmware(word.strip()) for word in args.firmware.split(","))
    except ValueError as error:
        print(f"--firmware: {error}; there are {', '.join(Firmware)}", file=sys.stderr)
        return 2
    if not 1 <= args.hosts <= 16:
        print("--hosts: between 1 and 16", file=sys.stderr)
        return 2
    wishes = hand.Wishes(
        hosts=args.hosts, firmware=firmware, proxy=args.proxy, zipapp=args.zipapp, power_on=args.power_on
    )
    return asyncio.run(hand.up(wishes))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
