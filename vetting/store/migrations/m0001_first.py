"""The first tables. A frozen copy, independent of `vetting.store.models` as it is today."""

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
        name = pw.TextField()
        macs = pw.TextField()
        note = pw.TextField()
        spec = pw.TextField()
        identity = pw.TextField(null=True)
        identity_source = pw.TextField()
        reporter_token_hash = pw.TextField()
        reporter_boot_id = pw.TextField()
        reporter_version = pw.TextField()
        reporter_seen_at = pw.DoubleField(null=True)
        registered_at = pw.DoubleField(null=True)
        created_at = pw.DoubleField()
        removed_at = pw.DoubleField()

        class Meta:
            table_name = "hosts"
            indexes = [(("name", "removed_at"), True), (("reporter_token_hash",), False)]

    class Run(Table):
        id = pw.AutoField()
        host = pw.ForeignKeyField(Host, on_delete="RESTRICT")
        host_name = pw.TextField()
        profile_name = pw.TextField()
        profile = pw.TextField()
        non_destructive = pw.BooleanField()
        start_by = pw.TextField()
        requested_by = pw.TextField()
        state = pw.TextField(index=True)
        stage = pw.TextField()
        failed_stage = pw.TextField()
        held_from = pw.TextField(null=True)
        reason = pw.TextField()
        verdict = pw.TextField()
        verdict_detail = pw.TextField()
        created_at = pw.DoubleField()
        started_at = pw.DoubleField(null=True)
        ended_at = pw.DoubleField(null=True)
        boot_id = pw.TextField()
        token_hash = pw.TextField()
        token_incarnation = pw.IntegerField()
        ticket_hash = pw.TextField()
        ticket_expires_at = pw.DoubleField(null=True)
        ticket_used_at = pw.DoubleField(null=True)
        iperf_port = pw.IntegerField()
        heartbeat_at = pw.DoubleField(null=True)
        heartbeat = pw.TextField(null=True)
        command = pw.TextField(null=True)
        hold_addresses = pw.TextField()
        hold_public_key = pw.TextField()
        hold_private_key = pw.TextField()
        spec = pw.TextField()
        expected_disks = pw.TextField()
        shortfalls = pw.TextField()
        scaled = pw.TextField()

        class Meta:
            table_name = "runs"
            indexes = [(("host", "created_at"), False), (("token_hash",), False), (("ticket_hash",), False)]

    class Transition(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        at = pw.DoubleField()
        from_state = pw.TextField(null=True)
        event = pw.TextField()
        to_state = pw.TextField()
        who = pw.TextField()
        why = pw.TextField()

        class Meta:
            table_name = "transitions"

    class Attempt(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        verdict = pw.TextField(null=True)
        reason = pw.TextField()
        posted_verdict = pw.TextField(null=True)
        objections = pw.TextField()
        flags = pw.TextField()
        boot_id = pw.TextField()
        started_at = pw.DoubleField()
        ended_at = pw.DoubleField(null=True)
        host_started_s = pw.DoubleField(null=True)
        host_ended_s = pw.DoubleField(null=True)
        planned_s = pw.DoubleField()
        deadline_s = pw.DoubleField()
        answer = pw.TextField(null=True)
        posted_digest = pw.TextField()
        outcome = pw.BlobField(null=True)

        class Meta:
            table_name = "attempts"
            indexes = [(("run", "stage", "attempt"), True), (("ended_at",), False)]

    class LateResult(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        at = pw.DoubleField()
        stage = pw.TextField()
        attempt = pw.IntegerField()
        boot_id = pw.TextField()
        why = pw.TextField()
        outcome = pw.BlobField()

        class Meta:
            table_name = "late_results"

    class CellRecord(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        component = pw.TextField()
        verdict = pw.TextField()
        reason = pw.TextField()
        work = pw.TextField()

        class Meta:
            table_name = "cells"
            indexes = [(("run", "stage", "attempt", "component"), True)]

    class Series(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        number = pw.IntegerField()
        name = pw.TextField()
        unit = pw.TextField()

        class Meta:
            table_name = "series"
            indexes = [(("run", "number"), True), (("run", "name"), True)]

    class SampleBatch(Table):
        id = pw.BigAutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE", index=False)
        stage = pw.TextField()
        t0_ms = pw.BigIntegerField()
        t1_ms = pw.BigIntegerField()
        blob = pw.BlobField()

        class Meta:
            table_name = "sample_batches"
            indexes = [(("run", "t0_ms"), False)]

    class SampleBlock(Table):
        id = pw.BigAutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE", index=False)
        series = pw.IntegerField()
        stage = pw.TextField()
        t0_ms = pw.BigIntegerField()
        t1_ms = pw.BigIntegerField()
        blob = pw.BlobField()

        class Meta:
            table_name = "sample_blocks"
            indexes = [(("run", "series", "t0_ms"), False)]

    class Delivery(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        kind = pw.TextField()
        boot_id = pw.TextField()
        seq = pw.BigIntegerField()

        class Meta:
            table_name = "deliveries"
            indexes = [(("run", "kind", "boot_id"), True)]

    class MeasurementRecord(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        series = pw.TextField()
        component = pw.TextField()
        value = pw.DoubleField(null=True)
        unit = pw.TextField()
        kind = pw.TextField()

        class Meta:
            table_name = "measurements"
            indexes = [(("run", "stage", "attempt"), False)]

    class Artifact(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        name = pw.TextField()
        media_type = pw.TextField()
        sha256 = pw.TextField()
        size_bytes = pw.BigIntegerField()
        path = pw.TextField()
        complete = pw.BooleanField()
        created_at = pw.DoubleField()

        class Meta:
            table_name = "artifacts"
            indexes = [(("run", "stage", "attempt", "name"), True)]

    class Difference(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        attempt = pw.IntegerField()
        kind = pw.TextField()
        severity = pw.TextField()
        component = pw.TextField()
        field = pw.TextField()
        expected = pw.TextField()
        found = pw.TextField()
        text = pw.TextField()

        class Meta:
            table_name = "differences"

    class FirmwareSnapshot(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        component = pw.TextField()
        identifier = pw.TextField()
        version = pw.TextField()
        detail = pw.TextField()

        class Meta:
            table_name = "firmware_snapshots"
            indexes = [(("run", "component", "identifier"), True)]

    class ThresholdRecord(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        series = pw.TextField()
        op = pw.TextField()
        limit = pw.DoubleField()
        severity = pw.TextField()
        hold_samples = pw.IntegerField()
        stages = pw.TextField()
        required = pw.BooleanField()

        class Meta:
            table_name = "thresholds"

    class Breach(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        series = pw.TextField()
        op = pw.TextField()
        limit = pw.DoubleField()
        severity = pw.TextField()
        first_at = pw.DoubleField()
        last_at = pw.DoubleField()
        worst = pw.DoubleField(null=True)
        samples = pw.IntegerField()
        open = pw.BooleanField()

        class Meta:
            table_name = "breaches"

    class FindingRecord(Table):
        id = pw.AutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE")
        stage = pw.TextField()
        attempt = pw.IntegerField()
        at = pw.DoubleField()
        severity = pw.TextField()
        component = pw.TextField()
        source = pw.TextField()
        text = pw.TextField()

        class Meta:
            table_name = "findings"

    class LogLine(Table):
        id = pw.BigAutoField()
        run = pw.ForeignKeyField(Run, on_delete="CASCADE", index=False)
        stage = pw.TextField()
        at_ms = pw.BigIntegerField()
        level = pw.TextField()
        source = pw.TextField()
        text = pw.TextField()

        class Meta:
            table_name = "log_lines"
            indexes = [(("run", "id"), False), (("run", "stage", "id"), False)]

    class Audit(Table):
        id = pw.AutoField()
        at = pw.DoubleField()
        who = pw.TextField()
        what = pw.TextField()
        target = pw.TextField()
        why = pw.TextField()
        run_id = pw.IntegerField(index=True, null=True)
        detail = pw.TextField()

        class Meta:
            table_name = "audit"

    class Outbox(Table):
        id = pw.AutoField()
        event = pw.TextField()
        run_id = pw.IntegerField(null=True)
        payload = pw.TextField()
        channel = pw.TextField()
        state = pw.TextField()
        tries = pw.IntegerField()
        next_at = pw.DoubleField()
        created_at = pw.DoubleField()
        sent_at = pw.DoubleField(null=True)
        last_error = pw.TextField()

        class Meta:
            table_name = "outbox"
            indexes = [(("state", "next_at"), False)]

    class OperatorToken(Table):
        id = pw.AutoField()
        name = pw.TextField(unique=True)
        role = pw.TextField()
        token_hash = pw.TextField(unique=True)
        created_at = pw.DoubleField()
        used_at = pw.DoubleField(null=True)

        class Meta:
            table_name = "operator_tokens"

    class Setting(Table):
        key = pw.TextField(primary_key=True)
        value = pw.TextField()
        changed_at = pw.DoubleField()

        class Meta:
            table_name = "settings"

    db.create_tables(
        [
            Host,
            Run,
            Transition,
            Attempt,
            LateResult,
            CellRecord,
            Series,
            SampleBatch,
            SampleBlock,
            Delivery,
            MeasurementRecord,
            Artifact,
            Difference,
            FirmwareSnapshot,
            ThresholdRecord,
            Breach,
            FindingRecord,
            LogLine,
            Audit,
            Outbox,
            OperatorToken,
            Setting,
        ]
    )
