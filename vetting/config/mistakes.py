"""Mistakes in a configuration file: gathered, so that all are told at once, each with its key path and line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from vetting.domain.errors import Refusal


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    line: int  # 1 is the first, also where the whole file is meant
    path: str  # key path, such as profiles.mine.cpu_stress.cpu_s; empty for the whole file
    text: str  # what is wrong and what to do


class ConfigErrors(Refusal):
    """Everything that is wrong with a configuration; `str()` lists it, a line each."""

    code = "bad_config"
    exit_code = 2

    def __init__(self, file: str, mistakes: Iterable[Mistake], *, so: str = "nothing was started") -> None:
        self.file = file
        self.mistakes = tuple(sorted(mistakes))
        count = len(self.mistakes)
        head = f"{file} has {count} mistake{'s' if count != 1 else ''}; {so}"
        super().__init__("\n".join([head, *(f"  {line}" for line in self.lines)]), mistakes=count)

    @property
    def lines(self) -> tuple[str, ...]:
        """`file:line: key.path: text`"""
        return tuple(
            f"{self.file}:{one.line}: {one.path}: {one.text}" if one.path else f"{self.file}:{one.line}: {one.text}"
            for one in self.mistakes
        )


@dataclass(slots=True)
class Book:
    """Where readers write down what they find."""

    mistakes: list[Mistake] = field(default_factory=list)

    def note(self, path: str, line: int, text: str) -> None:
        self.mistakes.append(Mistake(max(line, 1), path, text))


def one_of(word: str, known: Iterable[str]) -> str:
    """A hint: the word that was probably meant, else all that there are."""
    names = sorted(known)
    if close := get_close_matches(word, names, n=1):
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(names)}" if names else "there are none"
