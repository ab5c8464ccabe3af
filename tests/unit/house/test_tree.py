"""What no file of the project may say, and what the pinned requirements must be."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Written in pieces, so that this file does not name what it forbids.
REGISTRIES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "docker" + ".io",
    "pkg" + ".dev",
)
FORBIDDEN = {
    "a registry's host": re.compile("|".join(re.escape(host) for host in REGISTRIES)),
    "a path of one machine": re.compile(r"(?<![\w.}])/(?:wor" + r"k|far" + r"m|home/[a-z]+)/"),
    "a note to do it later": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b"),
}


def tracked(repository: Path) -> Iterator[Path]:
    """The files that git knows and that are here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = repository / name
        if name and path.is_file():
            yield path


def said(text: str) -> list[str]:
    """What of the forbidden stands in a text."""
    return [f"{what}: {found.group()!r}" for what, pattern in FORBIDDEN.items() if (found := pattern.search(text))]


def test_no_file_names_a_registry_a_machine_or_unfinished_work(repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)} holds {one}"
        for path in tracked(repository)
        for one in said(path.read_bytes().decode(errors="replace"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "https://" + REGISTRIES[0] + "/simple",
        "see /wor" + "k/main/x",
        "# TO" + "DO later",
        "raise NotImplemented" + "Error",
    ],
)
def test_a_text_that_says_it_is_found(text: str) -> None:
    assert said(text)


@pytest.mark.parametrize("text", ["net/work/x", "the framework/", "mktemp /tmp/aXXXXXX", "a mastodon"])
def test_a_text_that_only_looks_like_it_is_let_be(text: str) -> None:
    assert not said(text)


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_every_requirement_is_pinned_and_hashed_and_nothing_else_stands_in_the_lock(
    repository: Path, name: str
) -> None:
    text = (repository / "requirements" / name).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][^\s;]* \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line
    releases = re.split(r"\n(?=[a-z])", "\n".join(lines))
    assert len(releases) > 10
    assert all("--hash" in release for release in releases)


def test_the_runtime_lock_holds_what_the_project_depends_on(repository: Path) -> None:
    import tomllib

    wanted = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = re.findall(r"^([a-z0-9-]+)==", (repository / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    assert set(wanted) <= set(locked)


def test_ci_runs_the_second_command(repository: Path) -> None:
    script = repository / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "./build.sh test\n" in script.read_text()


def test_the_readme_opens_with_the_two_commands(repository: Path) -> None:
    opening = (repository / "README.md").read_text()[:1500]
    assert opening.index("./build.sh try") < opening.index("./build.sh test")
