"""Which programs must be in the live image: read from the code that starts them, never kept by hand.

    python -m tools.image.programs

prints them, one a line. Three sources: what each stage says that it needs (`tools`), every command written out in the
agent, the stages and the surface program, and what `build.sh` installs for `try` (`try_needs`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ON_THE_HOST = ("agent", "stages", "surface")
PROGRAM = re.compile(r"/?[a-z][a-z0-9.+-]*(/[a-z0-9.+-]+)*")
OPTION = re.compile(r"--?[a-zA-Z]")
FULL_PATH = re.compile(r"(/usr)?/s?bin/[^/]+$")
OPTIONAL = {"nvidia-smi": "comes with NVIDIA's driver, which we may not carry; without it the GPU stage says so"}


def of_build(script: str) -> set[str]:
    """The programs of `try_needs` in build.sh: the word before each colon."""
    found = re.search(r"^try_needs=\(\n(.*?)^\)", script, re.MULTILINE | re.DOTALL)
    if not found:
        raise SystemExit("image: build.sh has no list try_needs any more; tools/image/programs.py reads it")
    return {word.partition(":")[0] for word in found[1].split()}


def of_source(source: str) -> set[str]:
    """The programs that a module starts or declares: `tools = (...)`, and every list or tuple that reads like a command."""
    return {word for node in ast.walk(ast.parse(source)) for word in _named(node)}


def of_code(package: Path) -> set[str]:
    return {
        word
        for folder in ON_THE_HOST
        for path in (package / folder).rglob("*.py")
        for word in of_source(path.read_text(encoding="utf-8"))
    }


def wanted(root: Path = ROOT) -> list[str]:
    """All of them, sorted; names, or full paths where the code uses one."""
    return sorted((of_code(root / "vetting") | of_build((root / "build.sh").read_text())) - set(OPTIONAL))


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "tools":
        if isinstance(node.value, ast.Tuple):
            yield from _words(node.value)
    elif isinstance(node, ast.List | ast.Tuple):
        words = _words(node)
        opening = node.elts[0] if node.elts else None
        # A list that opens with a program's name is a command; a tuple is one where an option follows, or that opens with
        # a program's full path.
        command = isinstance(node, ast.List) or any(OPTION.match(word) for word in words[1:])
        command = command or any(FULL_PATH.match(word) for word in words[:1])
        if command and isinstance(opening, ast.Constant) and words and PROGRAM.fullmatch(words[0]):
            yield words[0]


def _words(node: ast.List | ast.Tuple) -> list[str]:
    return [one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)]


if __name__ == "__main__":
    print("\n".join(wanted()))
