"""`vetting check-config`: every mistake in vetting.yaml with its line and key path; starts nothing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vetting import config
from vetting.domain.errors import BadInput

EXAMPLE = "vetting check-config /etc/vetting/vetting.yaml"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", type=Path, help="the file to read (default: vetting.yaml here, then in /etc/vetting)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def main(args: Namespace) -> int:
    """0 for a file without mistakes, 2 otherwise. Raises BadInput where there is no file to read."""
    from vetting.config.loading import PLACES

    file: Path | None = args.file or next((place for place in PLACES if place.is_file()), None)
    if file is None:
        raise BadInput(f"there is no {' and no '.join(map(str, PLACES))}; name the file to check")
    mistakes: tuple[config.Mistake, ...] = ()
    lines: tuple[str, ...] = ()
    try:
        config.load(file)
    except config.ConfigErrors as errors:
        mistakes, lines = errors.mistakes, errors.lines
    if args.json:
        told = [{"line": one.line, "path": one.path, "text": one.text} for one in mistakes]
        print(json.dumps({"file": str(file), "ok": not mistakes, "mistakes": told}, indent=2))
    elif mistakes:
        print("\n".join(lines), file=sys.stderr)
    else:
        print(f"{file}: no mistakes")
    return 2 if mistakes else 0
