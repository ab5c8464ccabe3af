"""Hosts that come over the network: their reporters, management controllers, the image they booted, and strangers."""

from __future__ import annotations

from typing import Any

import peewee as pw


def up(migrator: Any, db: pw.Database) -> None:
    added: dict[str, dict[str, pw.Field[Any]]] = {
        "hosts": {
            "reporter_allowed": pw.BooleanField(default=False),
            "reporter_obstacles": pw.TextField(default="[]"),
            "reporter_ways": pw.TextField(default="[]"),
            "bmc": pw.TextField(null=True),
            "bmc_password": pw.TextField(default=""),
        },
        "runs": {
            "hold_host_keys": pw.TextField(default="[]"),
            "peer": pw.TextField(default=""),
            "image": pw.TextField(null=True),
            "sel_record_id": pw.IntegerField(null=True),
            "cut_power": pw.BooleanField(default=False),
        },
    }
    migrator.migrate(
        *(
            migrator.add_column(table, name, column)
            for table, columns in added.items()
            for name, column in columns.items()
        )
    )

    class Table(pw.Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Host(Table):
        id = pw.AutoField()

        class Meta:
            table_name = "hosts"

    class UnknownHost(Table):
        id = pw.AutoField()
        mac = pw.TextField(unique=True)
        address = pw.TextField()
        source = pw.TextField()
        what = pw.TextField()
        first_seen_at = pw.DoubleField()
        last_seen_at = pw.DoubleField()
        times = pw.IntegerField()

        class Meta:
            table_name = "unknown_hosts"

    class Registration(Table):
        id = pw.AutoField()
        host = pw.ForeignKeyField(Host, on_delete="CASCADE")
        code_hash = pw.TextField(unique=True)
        issued_by = pw.TextField()
        created_at = pw.DoubleField()
        expires_at = pw.DoubleField()
        used_at = pw.DoubleField(null=True)
        used_from = pw.TextField()

        class Meta:
            table_name = "registrations"

    db.create_tables([UnknownHost, Registration])
