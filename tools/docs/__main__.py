"""`python -m tools.docs [--check]`: renews the generated parts, or says which are out of date and exits 1."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.docs.pages import RENEW, Unwritten, page_files, renewed


def main(words: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    stale = []
    for page in page_files(root):
        text = page.read_text(encoding="utf-8")
        try:
            new = renewed(text)
        except Unwritten as why:
            print(f"{page.relative_to(root)}: {why}", file=sys.stderr)
            return 2
        if new != text:
            stale.append(str(page.relative_to(root)))
            if "--check" not in words:
                page.write_text(new, encoding="utf-8")
    if "--check" in words and stale:
        print(f"out of date: {', '.join(stale)}; renew with: {RENEW}", file=sys.stderr)
        return 1
    print(f"renewed: {', '.join(stale)}" if stale else "everything was up to date")
    return 0


sys.exit(main(sys.argv[1:]))
