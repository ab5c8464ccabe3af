"""`vetting surface`: the surface test of one disk, started by the agent; a program of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLE = (
    "vetting surface scan --read-only --disk /dev/sdb --sample 4294967296\n"
    "  vetting surface restore-heads --disk /dev/sdb --heads sdb.heads --permit permit.json --permit-key HEX \\\n"
    "    --run-id 42 --host-id pve-07\n"
    "  (sdb.heads comes from `vetting run artifact`; putting it back is a write and passes the same safety lines)"
)
MIB = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("scan", "probe", "save-heads", "restore-heads"))
    parser.add_argument(
        "--disk",
        type=Path,
        help="the block device, or a scratch file; restore-heads finds it by the serial in the saved ends",
    )
    permit = parser.add_argument_group("permit", "without a valid one nothing is written")
    permit.add_argument("--permit", type=Path, help="file with the signed permit")
    permit.add_argument("--permit-key", default="", metavar="HEX", help="public key that must have signed it")
    permit.add_argument("--run-id", type=int, default=0, help="the run that the permit must be for")
    permit.add_argument("--host-id", default="", help="the host that the permit must be for")
    permit.add_argument(
        "--clock-offset-s", type=float, default=0.0, help="what to add to this clock to get the issuer's"
    )
    permit.add_argument("--non-destructive", action="store_true", help="the run's flag: nothing is written")
    permit.add_argument("--stop-file", default="", help="nothing is written while this file exists")
    scan = parser.add_argument_group("scan")
    scan.add_argument("--read-only", action="store_true", help="read the surface, write nothing")
    scan.add_argument("--cycles", type=int, choices=(1, 2), default=1, help="2: the data, then its complement")
    scan.add_argument("--sample", type=_positive, default=0, metavar="BYTES", help="test a sample, not the whole disk")
    scan.add_argument("--checkpoint", type=Path, help="file that lets a killed scan go on where it was")
    scan.add_argument(
        "--carried", type=Path, metavar="FILE", help="a checkpoint of an earlier boot, where this has none"
    )
    scan.add_argument("--keep-checkpoint", action="store_true", help="also when the scan is finished")
    scan.add_argument("--checkpoint-every", type=_positive, default=2048 * MIB, metavar="BYTES")
    scan.add_argument("--threads", type=int, choices=range(1, 17), default=None, metavar="N", help="requests in flight")
    scan.add_argument("--max-bad-blocks", type=_positive, default=10_000, metavar="N", help="give up after so many")
    scan.add_argument("--progress-s", type=float, default=1.0, help="seconds between two progress lines")
    heads = parser.add_argument_group("heads", "the first and last 4 MiB, saved before the first write")
    heads.add_argument("--heads-dir", type=Path, help="directory that takes them")
    heads.add_argument("--heads", type=Path, help="restore-heads: the file to put back")


def main(args: argparse.Namespace) -> int:
    from vetting.domain.errors import BadInput
    from vetting.surface.program import Program

    if args.action == "save-heads" and not (args.permit and args.heads_dir):
        raise BadInput("save-heads needs --permit, for a saved head belongs to a permit, and --heads-dir")
    if not args.disk and args.action != "restore-heads":
        raise BadInput(f"{args.action} needs --disk")
    if args.action == "restore-heads" and not args.heads:
        raise BadInput("restore-heads needs --heads with the file to put back")
    return Program(args).run()


def _positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("it must be greater than zero")
    return value
