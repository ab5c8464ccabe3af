"""Where a surface test stood when its host's power went: kept for the boot that follows."""

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

    class Checkpoint(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        component = pw.TextField()
        attempt = pw.IntegerField()
        seq = pw.BigIntegerField()
        boot_id = pw.TextField()
        heads_sha256 = pw.TextField()
        text = pw.TextField()
        at = pw.DoubleField()

        class Meta:
            table_name = "checkpoints"
            indexes = ((("run", "stage", "component"), True),)

    db.create_tables([Checkpoint])
