"""Every link on a page leads somewhere, and every command on a page would be taken."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tools.docs import pages
from vetting import cli

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = pages.page_files(REPOSITORY)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, blanks to hyphens, other signs gone."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(text: str, where: Path) -> list[str]:
    dead = []
    for link in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (where.parent / path).resolve() if path else where
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    return dead


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    assert not dead_links(page(name), REPOSITORY / name)


@pytest.mark.parametrize("link", ["nowhere.md", "README.md#no-such-heading", "#none"])
def test_a_dead_link_is_found(link: str) -> None:
    assert dead_links(f"see [there]({link})", REPOSITORY / "README.md") == [link]


def test_the_readme_leads_to_every_page() -> None:
    links = {link.partition("#")[0] for link in LINK.findall(page("README.md"))}
    assert {name for name in NAMES if name.startswith("docs/")} <= links


# --- commands -----------------------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """(program, its words) of our own commands in fenced blocks, continuation lines joined."""
    for _, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words[1:3] == ["-m", "vetting"]:
                words = ["vetting", *words[3:]]
            if words and Path(words[0]).name in ("vetting", "build.sh"):
                yield Path(words[0]).name, words[1:]


def refused(words: list[str]) -> str:
    """Why the command line would not take these words of `vetting`; empty where it would."""
    if words in (["--version"], ["--help"]):
        return ""
    if not words or words[0] not in cli.VERBS:
        return f"no verb {words[:1]}"
    module = import_module(cli.VERBS[words[0]].module)
    parser = argparse.ArgumentParser(prog=words[0], allow_abbrev=False, exit_on_error=False)
    module.add_arguments(parser)
    try:
        parser.parse_args(words[1:])
    except (SystemExit, argparse.ArgumentError) as why:
        return "" if "--help" in words and why.args == (0,) else f"{words}: {why}"
    return ""


@pytest.fixture(scope="module")
def build_help() -> str:
    return subprocess.run([REPOSITORY / "build.sh", "help"], capture_output=True, text=True, check=True).stdout


def unknown_to_build(words: list[str], told: str) -> str:
    known = re.findall(r"^  ((?:test )?[a-z]+)", told, re.MULTILINE)
    asked = " ".join(words[:2]) if words[:1] == ["test"] and words[1:] else "".join(words[:1])
    return "" if asked in known else f"./build.sh {' '.join(words)}"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_on_a_page_would_be_taken(name: str, build_help: str) -> None:
    bad = [
        why
        for program, words in commands(page(name))
        if (why := refused(words) if program == "vetting" else unknown_to_build(words, build_help))
    ]
    assert not bad


def test_the_pages_show_commands_at_all() -> None:
    shown = [program for name in NAMES for program, _ in commands(page(name))]
    assert shown.count("vetting") >= 8
    assert shown.count("build.sh") >= 5


@pytest.mark.parametrize("line", ["vetting vet", "vetting run strat x", "vetting try --quickly", "vetting report nine"])
def test_a_command_that_would_be_refused_is_found(line: str) -> None:
    ((_, words),) = commands(f"```sh\n{line}\n```")
    assert refused(words)


@pytest.mark.parametrize("line", ["./build.sh bild", "./build.sh test lob"])
def test_a_build_command_that_is_not_there_is_found(line: str, build_help: str) -> None:
    ((_, words),) = commands(f"```sh\n{line}\n```")
    assert unknown_to_build(words, build_help)


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_and_option_in_running_text_is_known(name: str) -> None:
    """Inline code such as `vetting run start --start-by manual`; words in capitals are placeholders."""
    for code in re.findall(r"`(vetting [a-z][^`\n]*)`", FENCE.sub("", page(name))):
        verb, *rest = code.split()[1:]
        assert verb in cli.VERBS, code
        told = "".join(_helps(verb))
        for option in (word for word in rest if word.startswith("-")):
            assert option.partition("=")[0] in told, code


def _helps(verb: str) -> Iterator[str]:
    parser = argparse.ArgumentParser()
    import_module(cli.VERBS[verb].module).add_arguments(parser)
    waiting = [parser]
    while waiting:
        one = waiting.pop()
        yield one.format_help()
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()


# --- files --------------------------------------------------------------------------------------------------------

IMAGINED = {"vetting/stages/fans.py", "vetting/web/pages/cancelled.py"}  # of the walk-throughs


def absent_files(text: str) -> list[str]:
    """Files and folders of the repository that running text names and that are not there."""
    named = re.findall(r"`((?:[a-z_]+/)+(?:[\w.]+\.(?:py|sh|md|txt|json))?)`", FENCE.sub("", text))
    places = (REPOSITORY, REPOSITORY / "vetting")
    return [
        name for name in named if name not in IMAGINED | LATER and not any((place / name).exists() for place in places)
    ]


LATER = {"tests/lab/"}  # named as coming
OF_THE_DATA_DIRECTORY = {"keys/"}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    assert set(absent_files(page(name))) <= OF_THE_DATA_DIRECTORY


def test_a_file_that_is_not_there_is_found() -> None:
    assert absent_files("see `domain/stats.py` and `domain/states.py`") == ["domain/stats.py"]
