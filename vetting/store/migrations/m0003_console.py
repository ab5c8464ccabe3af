"""People who sign in to the console, their sessions, and who issued an API token."""

from __future__ import annotations

from typing import Any

import peewee as pw


def up(migrator: Any, db: pw.Database) -> None:
    migrator.migrate(migrator.add_column("operator_tokens", "issued_by", pw.TextField(default="")))

    class Table(pw.Model):
        class Meta:
            database = db
            legacy_table_names = False

    class User(Table):
        id = pw.AutoField()
        name = pw.TextField()
        key = pw.TextField(unique=True)
        role = pw.TextField()
        password = pw.TextField()
        disabled = pw.BooleanField()
        created_at = pw.DoubleField()
        created_by = pw.TextField()
        last_seen_at = pw.DoubleField(null=True)

        class Meta:
            table_name = "users"

    class Session(Table):
        id = pw.AutoField()
        user = pw.ForeignKeyField(User, on_delete="CASCADE")
        secret_hash = pw.TextField(unique=True)
        peer = pw.TextField()
        created_at = pw.DoubleField()
        seen_at = pw.DoubleField()

        class Meta:
            table_name = "sessions"

    db.create_tables([User, Session])
