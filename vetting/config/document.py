"""YAML text to a tree of plain values that know their lines, and nothing that YAML could do to us.

Refused before anything is built: files over 1 MiB, anchors and aliases (a few lines of them unfold to gigabytes), tags,
more than one document, nesting deeper than anything here needs, keys given twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vetting.config.mistakes import Book

if TYPE_CHECKING:
    import yaml

LARGEST_BYTES = 1024 * 1024
DEEPEST = 20
SHOWN = 80  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Node:
    """`value`: None, bool, int, float, str, tuple of Nodes, or a dict of Nodes. `text`: a scalar as it was written."""

    value: Any
    line: int
    text: str = ""
    key_line: int = 0  # where its key stands

    @property
    def kind(self) -> str:
        """In words, for messages."""
        if isinstance(self.value, dict):
            return "a section"
        if isinstance(self.value, tuple):
            return "a list"
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        return "nothing" if self.value is None else f"{names[type(self.value)]} ({self.text[:SHOWN]!r})"


def parse(raw: bytes, book: Book) -> Node | None:
    """The document, or None with the reasons in the book. An empty file is an empty section."""
    import yaml

    if len(raw) > LARGEST_BYTES:
        book.note("", 0, f"the file has {len(raw)} bytes, the limit is {LARGEST_BYTES}; is this the right file?")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        book.note("", line, f"byte {error.start} is not UTF-8; save the file as UTF-8")
        return None
    try:
        if not _harmless(text, book):
            return None
        root = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        why = ", ".join(part for part in (error.context, error.problem) if part)
        book.note("", mark.line + 1 if mark else 0, f"not YAML: {why}; look at the indentation and quotes here")
        return None
    except yaml.YAMLError as error:  # control characters and the like carry no mark
        book.note("", 0, f"not YAML: {str(error).splitlines()[0]}")
        return None
    return Node({}, 1) if root is None else _built(root, "", book)


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader


def _line(thing: Any) -> int:
    """Of a node or event; the first line is 1."""
    return int(thing.start_mark.line) + 1


def _harmless(text: str, book: Book) -> bool:
    """Walks the events, which needs no memory and no recursion, before anything is built from them."""
    import yaml

    depth = documents = 0
    before = len(book.mistakes)
    for event in yaml.parse(text, Loader=_loader()):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            book.note("", line, "aliases (*name) are not taken here; write the value out")
        elif isinstance(event, yaml.NodeEvent) and event.anchor:
            book.note("", line, f"anchors (&{event.anchor[:SHOWN]}) are not taken here; write the value out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            book.note("", line, f"tags ({event.tag[:SHOWN]}) are not taken here; leave it out")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                book.note("", line, "a second document begins here (---); one file is one configuration")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                book.note("", line, f"nested more than {DEEPEST} deep")
                return False
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if len(book.mistakes) - before >= 20:  # enough to see what kind of file this is
            return False
    return len(book.mistakes) == before


def _built(node: yaml.Node, path: str, book: Book) -> Node:
    import yaml

    line = _line(node)
    if isinstance(node, yaml.SequenceNode):
        items = [_built(item, f"{path}[{number}]", book) for number, item in enumerate(node.value)]
        return Node(tuple(items), line)
    if isinstance(node, yaml.MappingNode):
        return _section(node, path, book)
    text = str(node.value)
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        value = text
    if not (value is None or isinstance(value, bool | int | float | str)):
        value = text  # a date is a text here
    return Node(value, line, text)


def _section(node: yaml.MappingNode, path: str, book: Book) -> Node:
    import yaml

    found: dict[str, Node] = {}
    for key, value in node.value:
        line = _line(key)
        if not isinstance(key, yaml.ScalarNode):
            book.note(path, line, "a key must be a plain word")
            continue
        name = str(key.value)
        below = f"{path}.{name}" if path else name
        if name in found:
            book.note(below, line, f"given twice, first in line {found[name].key_line}; keep one of them")
            continue
        built = _built(value, below, book)
        found[name] = Node(built.value, built.line, built.text, line)
    return Node(found, _line(node))
