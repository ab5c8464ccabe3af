"""`vetting report`: a run's self-contained report, offline from the database, beside a serving orchestrator or without."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLE = "vetting report 42 --format html -o run-42.html"
FORMATS = ("html", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=int, metavar="RUN", help="the run's number, see `vetting run list`")
    parser.add_argument("--format", choices=FORMATS, default=None, help="html unless the file's name ends in .json")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write it (default: standard output)"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data directory; else that of the configuration")
    parser.add_argument("--config", type=Path, metavar="FILE", help="vetting.yaml")


def main(args: argparse.Namespace) -> int:
    from vetting import config
    from vetting.orchestrator import gathering, reporting
    from vetting.store.db import reading

    kind = args.format or ("json" if args.output and args.output.suffix == ".json" else "html")
    render = reporting.renderer_of(kind)
    data = args.data or Path(config.load(args.config).server.data_dir)
    with reading(data / "vetting.db"):
        report = gathering.gather(args.run)
    content = render(report)
    if args.output is None:
        sys.stdout.buffer.write(content)
        return 0
    reporting.put(args.output, content)
    print(f"{args.output}: {report.verdict.sentence}", file=sys.stderr)
    return 0
