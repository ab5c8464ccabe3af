"""Opening: made from nothing, brought up to date after a copy, refused with one sentence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import peewee
import pytest
from playhouse.schema_diff import diff_models  # type: ignore[import-untyped]

from vetting.domain.errors import Refusal, Unavailable
from vetting.store import migrations, settings
from vetting.store.db import Store, copy_database, reading
from vetting.store.models import MODELS, NOWHERE
from vetting.store.versions import Versions


def columns(database: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    """(name, type, not null, primary key) of each column."""
    return {(row[1], row[2], row[3], row[5]) for row in database.execute(f"PRAGMA table_info({table})")}


def indexes(database: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    """(unique, columns) of each index."""
    return {
        (row[2], tuple(part[2] for part in database.execute(f"PRAGMA index_info('{row[1]}')")))
        for row in database.execute(f"PRAGMA index_list({table})")
    }


def foreign_keys(database: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    return {row[2:7] for row in database.execute(f"PRAGMA foreign_key_list({table})")}


def test_the_migrations_make_exactly_the_tables_that_the_models_name(tmp_path: Path) -> None:
    Store.open(tmp_path / "migrated.db").close()
    fresh = peewee.SqliteDatabase(str(tmp_path / "fresh.db"))
    try:
        for model in MODELS:
            model._meta.set_database(fresh)
        fresh.create_tables(MODELS)
    finally:
        for model in MODELS:
            model._meta.set_database(NOWHERE)
        fresh.close()
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "migrated.db")) as ours,
        contextlib.closing(sqlite3.connect(tmp_path / "fresh.db")) as wanted,
    ):
        for table in (model._meta.table_name for model in MODELS):
            assert columns(ours, table) == columns(wanted, table), table
            assert indexes(ours, table) == indexes(wanted, table), table
            assert foreign_keys(ours, table) == foreign_keys(wanted, table), table
        named = {row[0] for row in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert named == {model._meta.table_name for model in MODELS} | {"schema_migration"}


def test_a_model_that_changed_without_a_migration_would_be_seen(tmp_path: Path) -> None:
    Store.open(tmp_path / "v.db").close()
    database = peewee.SqliteDatabase(str(tmp_path / "v.db"))
    assert not diff_models(database, MODELS)
    database.execute_sql("ALTER TABLE settings ADD COLUMN extra TEXT")  # type: ignore[no-untyped-call]
    assert "extra" in str(diff_models(database, MODELS))
    database.close()


def test_every_migration_of_the_folder_is_listed() -> None:
    folder = Path(migrations.__file__).parent
    assert sorted(path.stem for path in folder.glob("m[0-9]*.py")) == list(migrations.NAMES)


def test_opening_twice_changes_nothing_and_makes_no_copy(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store.open(tmp_path / "v.db")
        store.write_now(lambda: settings.put("k", 1, now=1.0))
        store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["v.db"]


def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data" / "v.db")
    store.write_now(lambda: settings.put("k", 1, now=1.0))
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    for path in (tmp_path / "data").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    store.close()


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with something in it, of a program that lacks the newest migration of a made-up one."""
    path = tmp_path / "v.db"
    store = Store.open(path)
    store.write_now(lambda: settings.put("kept", 1, now=1.0))
    store.close()
    return path


def add_migration(monkeypatch: pytest.MonkeyPatch, *bodies: str) -> None:
    """Makes the program one that has more migrations than the shipped ones."""
    names = tuple(f"m{9000 + number}_made_up" for number in range(len(bodies)))
    found = {}
    for name, body in zip(names, bodies, strict=True):
        module = type(os)(name)
        exec(body, module.__dict__)
        found[f"{migrations.__name__}.{name}"] = module
    real = __import__("importlib").import_module
    monkeypatch.setattr("vetting.store.versions.importlib.import_module", lambda name: found.get(name) or real(name))
    monkeypatch.setattr(Versions.__init__, "__defaults__", ((*migrations.NAMES, *names),))


ADD = "def up(migrator, db): db.execute_sql('CREATE TABLE extra (id INTEGER)')"
BREAK = "def up(migrator, db): db.execute_sql('INSERT INTO nowhere VALUES (1)')"


def tables(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_pending_migration_is_applied_after_a_copy_was_made(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_migration(monkeypatch, ADD)
    Store.open(older).close()
    assert "extra" in tables(older)
    (copy,) = older.parent.glob("v.db.before-m9000_made_up-*")
    assert "extra" not in tables(copy)
    assert copy.stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT key FROM settings").fetchall() == [("kept",)]


def test_a_migration_that_fails_takes_back_those_before_it(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        add_migration(patch, ADD, BREAK)
        with pytest.raises(Unavailable):
            Store.open(older)
    assert "extra" not in tables(older)
    store = Store.open(older)
    assert store.read_now(lambda: settings.get("kept", int)) == 1
    store.close()


def test_a_migration_that_leaves_rows_pointing_nowhere_is_taken_back(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns_of_transition = "(run_id, at, event, to_state, who, why) VALUES (99, 1.0, 'x', 'Queued', '', '')"
    with monkeypatch.context() as patch:
        add_migration(patch, f'def up(migrator, db): db.execute_sql("INSERT INTO transitions {columns_of_transition}")')
        with pytest.raises(Refusal, match="transitions point nowhere"):
            Store.open(older)
    Store.open(older).close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        add_migration(patch, ADD)
        Store.open(older).close()
    before = older.read_bytes()
    with pytest.raises(Refusal, match=r"newer version of vetting \(it has m9000_made_up\): start that version again"):
        Store.open(older)
    with pytest.raises(Refusal, match="newer version"), reading(older):
        pass
    assert older.read_bytes() == before


def test_a_report_does_not_upgrade_an_older_database(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_migration(monkeypatch, ADD)
    with pytest.raises(Refusal, match=r"older version .*start `vetting serve`"), reading(older):
        pass
    assert "extra" not in tables(older)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    path.write_bytes(b"something quite different, and longer than a header of a hundred bytes" * 20)
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="is not a database"):
        Store.open(path)
    with pytest.raises(Unavailable, match="is not a database"), reading(path):
        pass
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (id INTEGER)")
    with pytest.raises(Refusal, match="of another program"):
        Store.open(path)
    assert tables(path) == {"bookmarks"}
    with pytest.raises(Refusal, match="older version"), reading(path):
        pass


def test_a_damaged_database_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    Store.open(path).close()
    whole = bytearray(path.read_bytes())
    whole[4096:] = os.urandom(len(whole) - 4096)
    path.write_bytes(whole)
    with pytest.raises(Unavailable, match=r"is damaged: .*vetting restore"):
        Store.open(path)


@pytest.mark.parametrize("name", ["folder", "file/v.db"])
def test_a_path_that_cannot_hold_a_database_is_said_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match=r"cannot be used: .*; name another data directory"):
        Store.open(tmp_path / name)


def test_a_folder_that_may_not_be_written_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *args: object, **named: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("vetting.store.files.os.open", refuse)
    with pytest.raises(Unavailable, match=r"v\.db cannot be written: make it writable for this user"):
        Store.open(tmp_path / "v.db")


def test_a_database_locked_by_another_program_is_said_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    Store.open(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="is locked by another program"):
            Store.open(path, busy_s=0.05)


def test_reading_works_beside_a_serving_store_and_after_it_and_changes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "v.db")
    store.write_now(lambda: settings.put("k", 1, now=1.0))
    with reading(store.path):
        assert settings.get("k", int) == 1
        with pytest.raises(peewee.OperationalError):
            settings.put("k", 2, now=1.0)
    store.close()
    with reading(store.path):
        assert settings.get("k", int) == 1
    with pytest.raises(peewee.InterfaceError):
        settings.get("k", int)
    with pytest.raises(Unavailable, match="there is no database"), reading(tmp_path / "none.db"):
        pass


def test_a_copy_made_while_others_write_is_whole(store: Store, tmp_path: Path) -> None:
    store.write_now(lambda: settings.put("k", "v" * 100_000, now=1.0))
    store.copy_to(tmp_path / "copy.db")
    store.write_now(lambda: settings.put("later", 1, now=1.0))
    with reading(tmp_path / "copy.db"):
        assert settings.get("k", str) == "v" * 100_000
        assert settings.get("later", int) is None
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


def test_a_copy_never_overwrites_and_leaves_nothing_behind_when_it_fails(store: Store, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("precious")
    with pytest.raises(Unavailable):
        store.copy_to(tmp_path / "there")
    assert (tmp_path / "there").read_text() == "precious"
    with pytest.raises(sqlite3.Error):
        copy_database(tmp_path / "there", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
