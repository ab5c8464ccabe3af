"""What the pages list and the code knows: verbs, stages, states, floors, counters, routes, errors, folders."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from tools.docs.keys import value_words
from tools.docs.tables import duration, table, written
from vetting.api.route import MIB
from vetting.api.routes import ROUTES
from vetting.cli import VERBS
from vetting.domain import ambient, coverage
from vetting.domain.disks import Line
from vetting.domain.errors import Refusal
from vetting.domain.profiles import SHIPPED, Profile
from vetting.domain.states import (
    BEFORE_CLAIM,
    IN_STAGE,
    MOVES,
    ORCHESTRATOR_STAGES,
    STAGE_ORDER,
    Event,
    Reenter,
    RunState,
)
from vetting.domain.yardsticks import YARDSTICKS, Against, Worse, Yardstick
from vetting.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
OWN_STAGES = {
    "SpecValidate": "Compares the expected spec, the firmware pins and the last good run with what was found.",
    "Reporting": "Gathers everything, writes the report, reads it back and completes the run.",
}


def verbs() -> str:
    """The verbs that the overview of the command line shows."""
    return table(
        ("verb", "does"), ((f"`vetting {name}`", verb.summary) for name, verb in VERBS.items() if not verb.hidden)
    )


def stages() -> str:
    """The eleven in their order."""
    return table(("", "stage", "what it does", "needs"), _stages())


def _stages() -> Iterator[tuple[str, str, str, str]]:
    for number, name in enumerate(STAGE_ORDER, 1):
        if name in ORCHESTRATOR_STAGES:
            yield str(number), name, OWN_STAGES[name], "the orchestrator does it"
            continue
        stage = STAGES[name]
        needs = ", ".join(stage.tools) or "what the parts found ask for"
        yield str(number), name, f"{stage.does[0].upper()}{stage.does[1:].rstrip('.')}.", needs


def folders() -> str:
    """Each module and package directly in vetting/, with the first sentence that it says about itself."""
    rows = []
    for path in sorted((ROOT / "vetting").iterdir(), key=lambda path: (path.is_file(), path.name)):
        source = path / "__init__.py" if path.is_dir() else path
        if source.suffix == ".py" and source.is_file() and not path.name.startswith("__"):
            said = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").splitlines()[0]
            rows.append((f"`{path.name}{'/' if path.is_dir() else ''}`", said))
    return table(("in vetting/", "what it is"), rows)


def layers() -> str:
    """The import contract, highest first."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in told if contract["type"] == "layers")
    return "```text\n" + "".join(f"{row.replace('(', '').replace(')', '')}\n" for row in rows) + "```\n"


# --- the lifecycle ------------------------------------------------------------------------------------------------

GROUPS: tuple[tuple[str, str, tuple[RunState, ...]], ...] = (
    ("AnyStage", "any of the eleven stages", IN_STAGE),
    ("NotYetThere", "queued, waiting or booting", BEFORE_CLAIM),
)


def _edges() -> dict[str, list[tuple[Event, RunState | Reenter]]]:
    """Start -> its moves. A move that all states of a group have stands once, at the group."""
    edges: dict[str, list[tuple[Event, RunState | Reenter]]] = {}
    grouped = set()
    for name, _, members in GROUPS:
        for event in Event:
            targets = {MOVES.get((state, event)) for state in members}
            target = targets.pop()
            if not targets and target is not None:
                grouped |= {(state, event) for state in members}
                edges.setdefault(name, []).append((event, target))
    for (state, event), target in MOVES.items():
        if (state, event) not in grouped:
            edges.setdefault(str(state), []).append((event, target))
    return edges


def state_diagram() -> str:
    """Mermaid."""
    lines = ["stateDiagram-v2", "    [*] --> Queued"]
    lines += [f'    state "{words}" as {name}' for name, words, _ in GROUPS]
    for start, moves in _edges().items():
        events: dict[str, list[str]] = {}
        for event, target in moves:
            events.setdefault("AnyStage" if isinstance(target, Reenter) else str(target), []).append(str(event))
        lines += [f"    {start} --> {end}: {', '.join(words)}" for end, words in events.items()]
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def state_table() -> str:
    """Every move there is, once."""
    edges, rows = _edges(), []
    words = {name: f"*{words}*" for name, words, _ in GROUPS}
    for start in (*words, *RunState):
        moves = [f"{event} → {target}" for event, target in edges.get(start, [])]
        member = any(start in members for _, _, members in GROUPS)
        if moves or not member:
            rows.append((words.get(start, str(start)), "<br>".join(moves) or "the end"))
    return table(("a run that is", "event → next state"), rows)


# --- stages and their evidence ------------------------------------------------------------------------------------


def knobs() -> str:
    """Every knob in the profiles that ship."""
    rows = [
        (f"`{path}`", *(value_words(path.rpartition(".")[2], look(profile)) for profile in SHIPPED.values()))
        for path, look in _knobs(Profile, "", lambda profile: profile)
        if path != "name"
    ]
    return table(("knob", *SHIPPED), rows)


def _knobs(kind: Any, stem: str, at: Callable[[Profile], Any]) -> Iterator[tuple[str, Callable[[Profile], Any]]]:
    for item in fields(kind):

        def look(profile: Profile, name: str = item.name) -> Any:
            return getattr(at(profile), name)

        value = look(SHIPPED["quick"])
        if is_dataclass(value):
            yield from _knobs(type(value), f"{stem}{item.name}.", look)
        else:
            yield f"{stem}{item.name}", look


def work_floors() -> str:
    """What share of each row of work a passing part must show, by profile."""
    rows = []
    for floor in coverage.FLOORS:
        shares = (floor.share(profile) for profile in SHIPPED.values())
        rows.append(
            (floor.stage, floor.kind, *(f"{share:.4g}" if share else "> 0" for share in shares), str(floor.rows))
        )
    return table(("stage", "part", *SHIPPED, "rows of work"), rows)


def tool_floors() -> str:
    """Which program must have run, with which words, for how long."""
    rows = []
    for floor in coverage.TOOLS:
        words = [f"`{word}`" for word in floor.having] + [f"not `{word}`" for word in floor.lacking]
        least = (floor.least_s(profile) for profile in SHIPPED.values())
        when = f"a {floor.for_kind} passed" if floor.for_kind else "always"
        rows.append(
            (floor.stage, floor.tool, ", ".join(words), when, *(duration(each) if each else "> 0" for each in least))
        )
    return table(("stage", "program", "words", "asked for when", *SHIPPED), rows)


def yardsticks() -> str:
    """What is held against others, how far off is told, and why."""

    def far(one: Yardstick, least: float | None, *, virtual: bool = False) -> str:
        if least is None:
            return "not compared"
        if virtual and one.noise:
            return f"{least:.0%}, like parts alone"
        return f"{least:g} units" if one.absolute else f"{least:.0%}"

    rows = [
        (
            one.stage, one.name, "lower" if one.worse is Worse.LESS else "higher",
            ", ".join(AGAINST[each] for each in Against if each in one.against), far(one, one.least), far(one, one.virtual, virtual=True),
            one.tool or "any", one.why.replace(" %", "\N{NO-BREAK SPACE}%"),
        )
        for one in YARDSTICKS
    ]  # fmt: skip
    heads = (
        "stage",
        "figure",
        "worse is",
        "held against",
        "told from",
        "on a virtual machine",
        "same version of",
        "why so far",
    )
    return table(heads, rows)


AGAINST = {Against.PEERS: "like parts", Against.CLASS: "its class", Against.ITSELF: "its last good run"}


def counters() -> str:
    """The counters read before and after every stage."""
    accuses = {
        ambient.Blame.HOST: "the host: FAIL",
        ambient.Blame.US: "us: ERROR",
        ambient.Blame.NOBODY: "nobody: a note",
    }
    rows = [
        (
            f"`{name}`",
            rule.words,
            "fewer" if rule.sense is ambient.Sense.SHRINKS else "more",
            f"{rule.limit:g}",
            accuses[rule.blame],
        )
        for name, rule in ambient.RULES.items()
    ]
    return table(("counter", "what it counts", "trouble is", "tolerated in a stage", "beyond that accuses"), rows)


def safety_lines(old: str) -> str:
    """The lines that may stand against writing to a disk; what each says is written by people. Raises Unwritten."""
    rows = written(old, [[f"`{line}`"] for line in Line], what="what stands behind the safety line")
    return table(("line", "refuses to write when"), rows)


# --- the API ------------------------------------------------------------------------------------------------------


def routes() -> str:
    """Every route of the machines' API."""
    rows = [
        (
            f"`{route.method} {route.path}`",
            route.does,
            str(route.auth),
            "the file itself" if route.streams and route.method == "PUT" else kind_words(route.takes),
            kind_words(route.gives) if route.gives else "a file",
            size_words(route.max_bytes) if route.takes or route.streams else "",
            ", ".join(map(str, route.refusals)),
        )
        for route in ROUTES
    ]
    return table(("call", "does", "who", "takes", "gives", "body at most", "may refuse with"), rows)


def size_words(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // 1024} KiB"


def kind_words(kind: Any) -> str:
    """A message type as a reader looks it up in the OpenAPI description."""
    if kind is None:
        return ""
    if get_origin(kind) is tuple:
        return f"list of {kind_words(get_args(kind)[0])}"
    return "JSON" if get_origin(kind) is dict else f"`{kind.__name__}`"


def errors() -> str:
    """Every code that an error reply may carry."""
    rows = [(f"`{kind.code}`", str(kind.http_status), str(kind.exit_code), _first_line(kind)) for kind in refusals()]
    return table(("code", "status", "exit status of the command", "means"), rows)


def refusals(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == Refusal.__module__:
            yield from refusals(below)


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0].partition(";")[0].rstrip(".") + "."
