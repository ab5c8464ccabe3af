"""The verbs: one table, each verb's program imported only when it is called.

Exit statuses: 0 done, 1 it failed, 2 the request was wrong (or, for `try`, an error), 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from vetting import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
BROKEN_PIPE = 141


class Verb(NamedTuple):
    """One verb: the module that carries it and what it does, in a line."""

    module: str
    summary: str
    hidden: bool = False


VERBS: dict[str, Verb] = {
    "try": Verb("vetting.verbs.try_", "vet this very machine now, harming none of its disks"),
    "serve": Verb("vetting.verbs.serve", "run the orchestrator: API, network boot, dispatcher, watchdog, iperf3"),
    "agent": Verb("vetting.verbs.agent", "run the agent that tests a host, in the live image"),
    "reporter": Verb("vetting.verbs.reporter", "on an installed host: report, and reboot into vetting when ordered"),
    "report": Verb("vetting.verbs.report", "write the report of a run, offline, from the database"),
    "host": Verb("vetting.verbs.host", "list, show, add, edit and remove hosts"),
    "run": Verb("vetting.verbs.run", "start, list, show, watch, cancel, override, retry and release runs"),
    "user": Verb("vetting.verbs.user", "list, add, change and remove the people who sign in to the console"),
    "token": Verb("vetting.verbs.token", "list, issue and revoke API tokens of people and programs"),
    "check-config": Verb("vetting.verbs.check_config", "tell every mistake in vetting.yaml with its line"),
    "surface": Verb("vetting.verbs.surface", "write and verify the whole surface of one disk or file", hidden=True),
    "golden": Verb("vetting.verbs.golden", "compute what is known on each processor and compare", hidden=True),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status; what is refused is said in one sentence, never in a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(words)
        sys.stdout.flush()  # a reader that went away shows here and not at interpreter exit
        return status
    except KeyboardInterrupt:
        print("vetting: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE


def _dispatch(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):  # before argparse: a version is asked for often and costs nothing
        print(f"vetting {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[0] == "help":
            return _dispatch([words[1], "--help"])
        print(_overview())
        return 0 if words else 2
    name, rest = words[0], words[1:]
    if name not in VERBS:
        return _unknown(name)
    return _call(name, VERBS[name], rest)


def _call(name: str, verb: Verb, words: list[str]) -> int:
    import argparse
    from importlib import import_module

    from vetting.domain.errors import Refusal

    module = import_module(verb.module)
    parser = argparse.ArgumentParser(
        prog=f"vetting {name}",
        description=verb.summary[0].upper() + verb.summary[1:] + ".",
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    cut = words.index("--") if "--" in words else len(words)  # argparse gives a verb's own words to what stands behind
    try:
        args = parser.parse_args(words[:cut])
        if cut < len(words):
            if not hasattr(args, "command"):
                parser.error(f"nothing is run elsewhere here: leave out {' '.join(words[cut:])}")
            args.command = words[cut + 1 :]
    except SystemExit as ended:  # argparse has said why, or has shown the help
        return ended.code if isinstance(ended.code, int) else 2
    try:
        status: int = module.main(args)
    except Refusal as refusal:
        print(f"vetting: {refusal}", file=sys.stderr)
        return refusal.exit_code
    return status


def _overview() -> str:
    shown = {name: verb for name, verb in VERBS.items() if not verb.hidden}
    width = max(map(len, shown), default=0)
    lines = ["usage: vetting VERB [ARGUMENTS]", "", "verbs:"]
    lines += [f"  {name:<{width}}  {verb.summary}" for name, verb in shown.items()]
    lines += ["", "`vetting VERB --help` tells a verb's arguments and an example; `vetting --version` the version."]
    return "\n".join(lines)


def _unknown(name: str) -> int:
    from difflib import get_close_matches

    shown = [verb for verb in VERBS if not VERBS[verb].hidden]
    close = get_close_matches(name, shown, n=1)
    hint = f"did you mean `vetting {close[0]}`?" if close else "`vetting --help` lists the verbs"
    print(f"vetting: there is no verb {name!r}; {hint}", file=sys.stderr)
    return 2


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain about the broken pipe."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
