"""What the writer thread may remember between functions: only what it read from committed rows.

Every rollback forgets all of it, for what was read may just have been undone. A thread that is not a writer has no
memo, so that it reads afresh each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import peewee as pw

_MEMOS: WeakKeyDictionary[pw.Database, dict[Any, Any]] = WeakKeyDictionary()


def begin(database: pw.Database) -> None:
    """From now on functions on this database may remember."""
    _MEMOS[database] = {}


def forget(database: pw.Database) -> None:
    """A rollback happened."""
    _MEMOS[database].clear()


def memo(model: type[pw.Model]) -> dict[Any, Any]:
    """The memo of this thread's database, or a throw-away one."""
    return _MEMOS.get(model._meta.database, {})


def execute(model: type[pw.Model], name: str, make: Callable[[], Any], values: tuple[Any, ...]) -> Any:
    """Runs a query whose text peewee makes once and not for every row; `values` in the order of its placeholders.

    For what happens thousands of times a second, where making the text costs ten times what running it does.
    """
    texts = memo(model)
    text = texts.get(("query", name))
    if text is None:
        text = texts["query", name] = make().sql()[0]
    database: Any = model._meta.database
    return database.execute_sql(text, values)
