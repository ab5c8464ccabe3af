"""Import directions: the layers by import-linter, the finer rules by reading every file's imports."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROCESS_STARTERS = {
    "os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp",
    "os.execv", "os.execve", "os.execvp", "os.execvpe", "os.execl", "os.execle", "os.execlp", "os.spawnv", "os.spawnl",
    "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell",
}  # fmt: skip
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty", "asyncio.subprocess"}
ORCHESTRATORS_SIDE = ("store", "orchestrator", "web", "api", "notify", "report")


@dataclass(frozen=True)
class Rule:
    """Files at or below one of `where` (and not one of `but`) name none of `never`."""

    why: str
    never: tuple[str, ...]
    where: tuple[str, ...] = ("vetting",)
    but: tuple[str, ...] = ()


RULES = (
    Rule(
        "only proc.py starts programs",
        tuple(sorted(PROCESS_MODULES | PROCESS_STARTERS)),
        but=("vetting.proc",),
    ),
    Rule("only store imports peewee", ("peewee", "playhouse"), but=("vetting.store",)),
    Rule(
        "what runs on the host knows nothing of the orchestrator's side",
        tuple(f"vetting.{name}" for name in ORCHESTRATORS_SIDE),
        where=("vetting.agent", "vetting.reporter", "vetting.stages", "vetting.surface", "vetting.parsers"),
    ),
    Rule(
        "domain and parsers do no I/O and know no clock",
        ("asyncio", "subprocess", "os", "time", "aiohttp", "peewee", "socket", "threading"),
        where=("vetting.domain", "vetting.parsers"),
    ),
    Rule(
        "a stage's world comes in through Deps",
        ("os", "subprocess", "socket", "aiohttp", "peewee", "psutil", "vetting.proc", "vetting.client", "vetting.config",
         "vetting.clock", "vetting.wire", "vetting.agent", "vetting.surface"),
        where=("vetting.stages",),
    ),
)  # fmt: skip


def module_of(path: Path, root: Path) -> str:
    """The dotted name of a file below the repository's root."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def names_used(source: str) -> Iterator[tuple[int, str]]:
    """Every module and module attribute that the source imports or reaches for, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


def stages_in(registry: str) -> set[str]:
    """The modules that the registry, `vetting/stages/__init__.py`, makes stages of; the others there are shared ground."""
    return {
        ".".join(name.split(".")[:3])
        for _, name in names_used(registry)
        if within(name, "vetting.stages") and not within(name, "vetting.stages.base") and name.count(".") >= 2
    }


def broken(module: str, source: str, stages: set[str]) -> list[str]:
    """What the source of `module` does against the rules, in words."""
    found = []
    for rule in RULES:
        if not any(within(module, place) for place in rule.where) or any(within(module, place) for place in rule.but):
            continue
        for line, name in names_used(source):
            if any(within(name, never) for never in rule.never):
                found.append(f"{module}:{line} uses {name}: {rule.why}")
    if within(module, "vetting.stages") and module != "vetting.stages":
        others = {stage for stage in stages if not within(module, stage)}
        for line, name in names_used(source):
            if any(within(name, stage) for stage in others):
                found.append(f"{module}:{line} uses {name}: a stage and what stages share never import a stage")
    return found


def test_the_layers_hold(repository: Path) -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_file_keeps_the_finer_rules(repository: Path) -> None:
    stages = stages_in((repository / "vetting" / "stages" / "__init__.py").read_text())
    found = [
        line
        for path in sorted((repository / "vetting").rglob("*.py"))
        for line in broken(module_of(path, repository), path.read_text(), stages)
    ]
    assert not found, "\n".join(found)


STAGES = {"vetting.stages.smart", "vetting.stages.network", "vetting.stages.storage"}


def test_the_registry_tells_which_modules_are_stages() -> None:
    registry = (
        "from vetting.stages.base import Stage\nfrom vetting.stages.network import Network\nimport vetting.stages.smart"
    )
    assert stages_in(registry) == {"vetting.stages.network", "vetting.stages.smart"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("vetting.agent.main", "import subprocess"),
        ("vetting.agent.main", "from asyncio import create_subprocess_exec"),
        ("vetting.agent.main", "import asyncio\nasync def f():\n    await asyncio.create_subprocess_exec('true')"),
        ("vetting.serve", "import os\nos.system('true')"),
        ("vetting.api.result", "from peewee import Model"),
        ("vetting.agent.main", "from vetting.store import db"),
        ("vetting.agent.main", "from vetting import orchestrator"),
        ("vetting.domain.states", "import time"),
        ("vetting.domain.states", "import os.path"),
        ("vetting.parsers.fio", "from asyncio import sleep"),
        ("vetting.stages.smart", "from vetting.stages import network"),
        ("vetting.stages.smart", "from vetting.stages.network import Network"),
        ("vetting.stages.watch", "from vetting.stages.network import Network"),
        ("vetting.stages.smart", "from vetting import proc"),
        ("vetting.stages.smart", "import os"),
    ],
)
def test_a_file_that_breaks_a_rule_is_named(module: str, source: str) -> None:
    assert broken(module, source, STAGES)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("vetting.proc", "import subprocess\nimport asyncio\nasyncio.create_subprocess_exec"),
        ("vetting.store.models", "import peewee"),
        ("vetting.stages.smart", "from vetting.stages.base import Deps\nfrom vetting.parsers import smartctl"),
        ("vetting.stages.smart", "from vetting.stages.watch import Seen"),
        ("vetting.stages.storage.surface", "from vetting.stages.storage import probe"),
        ("vetting.agent.main", "import os\nos.environ"),
    ],
)
def test_a_file_that_keeps_the_rules_is_let_be(module: str, source: str) -> None:
    assert broken(module, source, STAGES) == []


def test_the_layers_would_be_seen_broken(tmp_path: Path, repository: Path) -> None:
    package = tmp_path / "vetting"
    for name in ("cli", "verbs", "domain", "parsers", "store"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "domain" / "states.py").write_text("import vetting.store\n")
    (tmp_path / "pyproject.toml").write_text((repository / "pyproject.toml").read_text())
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert "vetting.domain.states -> vetting.store" in textwrap.dedent(told.stdout)
