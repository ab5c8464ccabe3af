"""What was replaced in a host before a run, and what the run proved of it."""

from __future__ import annotations

from typing import Any

import peewee as pw


def up(migrator: Any, db: pw.Database) -> None:
    class Table(pw.Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Run(Table):
        id = pw.AutoField()

        class Meta:
            table_name = "runs"

    class Repair(Table):
        run = pw.ForeignKeyField(Run, primary_key=True, on_delete="CASCADE")
        ordered = pw.TextField()
        proved = pw.TextField(null=True)

        class Meta:
            table_name = "repairs"

    db.create_tables([Repair])
