"""`vetting golden`: computes what is known on one CPU after the other and compares; started by the agent, for it pins itself.

A sum of a block against a value that is written down here found flips in registers, of vectors too, that tools which compare
two results of the same processor missed. Digests come from OpenSSL, which takes the widest units that a processor has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import time
import zlib
from collections.abc import Callable, Mapping

EXAMPLE = "vetting golden --cpus 0,1 --seconds 0.3"
BLOCK = bytes(range(256)) * 256
POWER = 2**521 - 1


def _float() -> str:
    return math.fsum(math.sqrt(number) * 1e-3 / (number + 1.5) for number in range(400)).hex()


CHECKS: Mapping[str, tuple[Callable[[], object], object]] = {
    "sha256": (
        lambda: hashlib.sha256(BLOCK).hexdigest(),
        "7daca2095d0438260fa849183dfc67faa459fdf4936e1bc91eec6b281b27e4c2",
    ),
    "sha512": (
        lambda: hashlib.sha512(BLOCK).hexdigest()[:64],
        "76a59ba2dd234dfb4136e2e33a7e3b344d82f4885a17e3b297eab9a5ded81043",
    ),
    "blake2b": (
        lambda: hashlib.blake2b(BLOCK).hexdigest()[:64],
        "628791b04211d62163c51e6f91f8f95ddc431774410e2d1031a394f6c9ad0090",
    ),
    "crc32": (lambda: zlib.crc32(BLOCK), 2971526817),
    "adler32": (lambda: zlib.adler32(BLOCK), 3149563762),
    "deflate": (lambda: zlib.decompress(zlib.compress(BLOCK[:8192], 6)) == BLOCK[:8192], True),
    "integers": (lambda: pow(3, POWER // 7, POWER) % (2**61 - 1), 1053815428083788523),
    "floats": (_float, "0x1.28272b168ff06p-5"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cpus", required=True, help="CPU numbers, with commas between them")
    parser.add_argument("--seconds", type=float, default=0.3, help="on each of them")


def main(args: argparse.Namespace) -> int:
    status = 0
    for cpu in [int(word) for word in args.cpus.split(",")]:
        os.sched_setaffinity(0, {cpu})
        rounds, wrong = on_this_cpu(args.seconds)
        status = 1 if wrong else status
        print(json.dumps({"cpu": cpu, "rounds": rounds, "wrong": wrong}), flush=True)
    return status


def on_this_cpu(seconds: float, checks: Mapping[str, tuple[Callable[[], object], object]] = CHECKS) -> tuple[int, str]:
    """How often everything was computed, at least once, and what came out wrong first; empty where nothing did."""
    end_s, rounds = time.monotonic() + seconds, 0
    while not rounds or time.monotonic() < end_s:
        for name, (compute, known) in checks.items():
            if (found := compute()) != known:
                return rounds, f"{name} is {found!s:.80} instead of {known!s:.80}"
        rounds += 1
    return rounds, ""
