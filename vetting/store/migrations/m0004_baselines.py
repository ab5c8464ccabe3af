"""What each host last measured when it was good, ready to be held against the next."""

from __future__ import annotations

from typing import Any

import peewee as pw


def up(migrator: Any, db: pw.Database) -> None:
    class Table(pw.Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Host(Table):
        id = pw.AutoField()

        class Meta:
            table_name = "hosts"

    class Run(Table):
        id = pw.AutoField()

        class Meta:
            table_name = "runs"

    class Baseline(Table):
        id = pw.AutoField()
        host = pw.ForeignKeyField(Host, on_delete="CASCADE", index=False)
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        profile = pw.TextField()
        class_name = pw.TextField()
        figures = pw.TextField()

        class Meta:
            table_name = "baselines"
            indexes = ((("host", "stage", "profile"), True), (("class_name", "stage", "profile"), False))

    db.create_tables([Baseline])
