"""Brings a database to the version of this program, with peewee's migration runner. All pending migrations or none."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import peewee as pw
from playhouse.migrations import Migration, Runner  # type: ignore[import-untyped]

from vetting.domain.errors import Refusal
from vetting.store import migrations


class _Packaged(Migration):  # type: ignore[misc]
    """A migration that is a module of this package, wherever that was unpacked to."""

    __slots__ = ()

    def load(self) -> ModuleType:
        return importlib.import_module(f"{migrations.__name__}.{self.name}")


class Versions(Runner):  # type: ignore[misc]
    """The history in the database beside the migrations of this program."""

    def __init__(self, database: pw.Database, names: tuple[str, ...] = migrations.NAMES) -> None:
        super().__init__(database, directory="")
        self._names = names

    def migrations(self) -> list[Any]:
        return [_Packaged(number, name, name, None) for number, name in enumerate(self._names, start=1)]

    def pending(self) -> list[str]:
        """Names of the migrations to come, in order."""
        done = self.applied()
        return [name for name in self._names if name not in done]

    def unknown(self) -> list[str]:
        """Names of migrations that only a newer program can have applied."""
        return sorted(set(self.applied()) - set(self._names))

    def refuse_newer(self, path: str) -> None:
        """Raises Refusal where the database is of a newer program."""
        if strange := self.unknown():
            raise Refusal(
                f"{path} was written by a newer version of vetting (it has {strange[-1]}): start that version again, "
                "or restore the copy that was made beside it before it was upgraded"
            )
