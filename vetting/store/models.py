"""The tables. Only `vetting.store` sees these; what crosses the border are the frozen rows of `vetting.store.rows`.

Times: `*_at` are seconds since the Unix epoch, `*_ms` whole milliseconds of the same, `host_*_s` seconds of the host's
monotonic clock. A column here is a column in a migration; a test compares the two.
"""

from __future__ import annotations

from typing import Any

import peewee as pw
from playhouse.shortcuts import ThreadSafeDatabaseMetadata  # type: ignore[import-untyped]

from vetting import wire
from vetting.domain.bmc import Bmc
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec, Identity
from vetting.domain.image import LiveImage
from vetting.domain.outcome import Outcome, Severity, Verdict, Work
from vetting.domain.profiles import Profile
from vetting.domain.repairorder import RepairOrder
from vetting.domain.repairproof import Proved
from vetting.domain.states import RunState
from vetting.domain.thresholds import Op
from vetting.store.fields import EnumOf, JsonOf, PackedOf

NOWHERE = pw.SqliteDatabase(None, autoconnect=False)
"""Bound where no thread of a Store is: using a table outside of `Store.write` and `Store.read` raises at once."""

Texts = tuple[str, ...]


class Table(pw.Model):
    """Bound to a database for each thread by itself: the writer's, a reader's, or NOWHERE."""

    class Meta:
        database = NOWHERE
        model_metadata_class = ThreadSafeDatabaseMetadata
        legacy_table_names = False


class Host(Table):
    id = pw.AutoField()
    name = pw.TextField()
    macs: Any = JsonOf(Texts)
    note = pw.TextField(default="")
    spec: Any = JsonOf(ExpectedSpec)
    identity: Any = JsonOf(Identity, null=True)
    identity_source = pw.TextField(default="")
    reporter_token_hash = pw.TextField(default="")
    reporter_boot_id = pw.TextField(default="")
    reporter_version = pw.TextField(default="")
    reporter_seen_at = pw.DoubleField(null=True)
    reporter_allowed = pw.BooleanField(default=False)
    reporter_obstacles: Any = JsonOf(Texts, default=())
    reporter_ways: Any = JsonOf(Texts, default=())
    bmc: Any = JsonOf(Bmc, null=True)
    bmc_password = pw.TextField(default="")
    registered_at = pw.DoubleField(null=True)
    created_at = pw.DoubleField()
    removed_at = pw.DoubleField(default=0.0)  # 0: not removed; so that (name, removed_at) keeps living names unique

    class Meta:
        table_name = "hosts"
        indexes = ((("name", "removed_at"), True), (("reporter_token_hash",), False))


class Run(Table):
    id = pw.AutoField()
    host = pw.ForeignKeyField(Host, backref="runs", on_delete="RESTRICT")
    host_name = pw.TextField()
    profile_name = pw.TextField()
    profile: Any = JsonOf(Profile, shared=True)
    non_destructive = pw.BooleanField()
    start_by = pw.TextField()
    requested_by = pw.TextField(default="")
    state: Any = EnumOf(RunState, index=True)
    stage = pw.TextField(default="")
    failed_stage = pw.TextField(default="")
    held_from: Any = EnumOf(RunState, null=True)
    reason = pw.TextField(default="")
    verdict = pw.TextField(default="")
    verdict_detail: Any = JsonOf(dict[str, Any])
    created_at = pw.DoubleField()
    started_at = pw.DoubleField(null=True)
    ended_at = pw.DoubleField(null=True)
    boot_id = pw.TextField(default="")
    token_hash = pw.TextField(default="")
    token_incarnation = pw.IntegerField(default=0)
    ticket_hash = pw.TextField(default="")
    ticket_expires_at = pw.DoubleField(null=True)
    ticket_used_at = pw.DoubleField(null=True)
    iperf_port = pw.IntegerField(default=0)
    heartbeat_at = pw.DoubleField(null=True)
    heartbeat: Any = JsonOf(wire.Heartbeat, null=True)
    command: Any = JsonOf(wire.Command, null=True)
    hold_addresses: Any = JsonOf(Texts)
    hold_public_key = pw.TextField(default="")
    hold_private_key = pw.TextField(default="")
    hold_host_keys: Any = JsonOf(Texts, default=())
    peer = pw.TextField(default="")
    image: Any = JsonOf(LiveImage, null=True, shared=True)
    sel_record_id = pw.IntegerField(null=True)
    cut_power = pw.BooleanField(default=False)
    spec: Any = JsonOf(ExpectedSpec, shared=True)
    expected_disks: Any = JsonOf(tuple[ExpectedDisk, ...], shared=True)
    shortfalls: Any = JsonOf(Texts)
    scaled: Any = JsonOf(dict[str, Any])

    class Meta:
        table_name = "runs"
        indexes = ((("host", "created_at"), False), (("token_hash",), False), (("ticket_hash",), False))


class Repair(Table):
    """Of a run that was started after a repair."""

    run = pw.ForeignKeyField(Run, primary_key=True, on_delete="CASCADE")
    ordered: Any = JsonOf(RepairOrder)
    proved: Any = JsonOf(Proved, null=True)

    class Meta:
        table_name = "repairs"


class Transition(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="transitions", on_delete="CASCADE")
    at = pw.DoubleField()
    from_state: Any = EnumOf(RunState, null=True)
    event = pw.TextField()
    to_state: Any = EnumOf(RunState)
    who = pw.TextField(default="")
    why = pw.TextField(default="")

    class Meta:
        table_name = "transitions"


class Attempt(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="attempts", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField()
    verdict: Any = EnumOf(Verdict, null=True)
    reason = pw.TextField(default="")
    posted_verdict: Any = EnumOf(Verdict, null=True)
    objections: Any = JsonOf(Texts)
    flags: Any = JsonOf(Texts)
    boot_id = pw.TextField(default="")
    started_at = pw.DoubleField()
    ended_at = pw.DoubleField(null=True)
    host_started_s = pw.DoubleField(null=True)
    host_ended_s = pw.DoubleField(null=True)
    planned_s = pw.DoubleField(default=0.0)
    deadline_s = pw.DoubleField(default=0.0)
    answer: Any = JsonOf(wire.ResultReply, null=True)
    posted_digest = pw.TextField(default="")
    outcome: Any = PackedOf(Outcome, null=True)

    class Meta:
        table_name = "attempts"
        indexes = ((("run", "stage", "attempt"), True), (("ended_at",), False))


class LateResult(Table):
    """A result that nobody waited for: kept, never counted."""

    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="late_results", on_delete="CASCADE")
    at = pw.DoubleField()
    stage = pw.TextField()
    attempt = pw.IntegerField()
    boot_id = pw.TextField(default="")
    why = pw.TextField()
    outcome: Any = PackedOf(Outcome)

    class Meta:
        table_name = "late_results"


class CellRecord(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="cells", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField()
    component = pw.TextField()
    verdict: Any = EnumOf(Verdict)
    reason = pw.TextField(default="")
    work: Any = JsonOf(tuple[Work, ...])

    class Meta:
        table_name = "cells"
        indexes = ((("run", "stage", "attempt", "component"), True),)


class Series(Table):
    """Names of a run's series; a batch holds only the number."""

    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="series", on_delete="CASCADE")
    number = pw.IntegerField()
    name = pw.TextField()
    unit = pw.TextField(default="")

    class Meta:
        table_name = "series"
        indexes = ((("run", "number"), True), (("run", "name"), True))


class SampleBatch(Table):
    """Samples as they arrived, one packed row a batch (`vetting.store.packing`)."""

    id = pw.BigAutoField()
    run = pw.ForeignKeyField(Run, backref="batches", on_delete="CASCADE", index=False)
    stage = pw.TextField(default="")
    t0_ms = pw.BigIntegerField()
    t1_ms = pw.BigIntegerField()
    blob = pw.BlobField()

    class Meta:
        table_name = "sample_batches"
        indexes = ((("run", "t0_ms"), False),)


class SampleBlock(Table):
    """The same samples once a stage is over: one row a series and stretch of time, compressed."""

    id = pw.BigAutoField()
    run = pw.ForeignKeyField(Run, backref="blocks", on_delete="CASCADE", index=False)
    series = pw.IntegerField()  # Series.number
    stage = pw.TextField(default="")
    t0_ms = pw.BigIntegerField()
    t1_ms = pw.BigIntegerField()
    blob = pw.BlobField()

    class Meta:
        table_name = "sample_blocks"
        indexes = ((("run", "series", "t0_ms"), False),)


class Delivery(Table):
    """The last numbered batch of each kind that was taken from a boot of a run: what is sent again is known."""

    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, on_delete="CASCADE")
    kind = pw.TextField()
    boot_id = pw.TextField()
    seq = pw.BigIntegerField()

    class Meta:
        table_name = "deliveries"
        indexes = ((("run", "kind", "boot_id"), True),)


class Checkpoint(Table):
    """Where a long work on one component stood when its host last told; gone once the stage has concluded."""

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


class MeasurementRecord(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="measurements", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField()
    series = pw.TextField()
    component = pw.TextField(default="")
    value = pw.DoubleField(null=True)  # null: not a number
    unit = pw.TextField(default="")
    kind = pw.TextField(default="")

    class Meta:
        table_name = "measurements"
        indexes = ((("run", "stage", "attempt"), False),)


class Baseline(Table):
    """The figures of a stage in the last good run of a host: one row for each host, stage and profile."""

    id = pw.AutoField()
    host = pw.ForeignKeyField(Host, on_delete="CASCADE", index=False)
    run = pw.ForeignKeyField(Run, on_delete="CASCADE")
    stage = pw.TextField()
    profile = pw.TextField()  # digest of all its knobs: figures of another length or size are other figures
    class_name = pw.TextField()
    figures: Any = JsonOf(dict[str, dict[str, float]])  # what is compared -> part -> value

    class Meta:
        table_name = "baselines"
        indexes = ((("host", "stage", "profile"), True), (("class_name", "stage", "profile"), False))


class Artifact(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="artifacts", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField()
    name = pw.TextField()
    media_type = pw.TextField()
    sha256 = pw.TextField()
    size_bytes = pw.BigIntegerField()
    path = pw.TextField()  # made by us, relative to the data directory
    complete = pw.BooleanField(default=True)
    created_at = pw.DoubleField()

    class Meta:
        table_name = "artifacts"
        indexes = ((("run", "stage", "attempt", "name"), True),)


class Difference(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="differences", on_delete="CASCADE")
    attempt = pw.IntegerField()
    kind = pw.TextField()  # spec | firmware | last good run | repair
    severity: Any = EnumOf(Severity)
    component = pw.TextField()
    field = pw.TextField()
    expected = pw.TextField()
    found = pw.TextField()
    text = pw.TextField()

    class Meta:
        table_name = "differences"


class FirmwareSnapshot(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="firmware", on_delete="CASCADE")
    component = pw.TextField()
    identifier = pw.TextField()
    version = pw.TextField()
    detail = pw.TextField(default="")

    class Meta:
        table_name = "firmware_snapshots"
        indexes = ((("run", "component", "identifier"), True),)


class ThresholdRecord(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="thresholds", on_delete="CASCADE")
    series = pw.TextField()
    op: Any = EnumOf(Op)
    limit = pw.DoubleField()
    severity: Any = EnumOf(Severity)
    hold_samples = pw.IntegerField()
    stages: Any = JsonOf(Texts)
    required = pw.BooleanField()

    class Meta:
        table_name = "thresholds"


class Breach(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="breaches", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField(default=0)
    series = pw.TextField()
    op: Any = EnumOf(Op)
    limit = pw.DoubleField()
    severity: Any = EnumOf(Severity)
    first_at = pw.DoubleField()
    last_at = pw.DoubleField()
    worst = pw.DoubleField(null=True)  # null: not a number
    samples = pw.IntegerField()
    open = pw.BooleanField()

    class Meta:
        table_name = "breaches"


class FindingRecord(Table):
    id = pw.AutoField()
    run = pw.ForeignKeyField(Run, backref="findings", on_delete="CASCADE")
    stage = pw.TextField()
    attempt = pw.IntegerField()
    at = pw.DoubleField()
    severity: Any = EnumOf(Severity)
    component = pw.TextField()
    source = pw.TextField()
    text = pw.TextField()

    class Meta:
        table_name = "findings"


class LogLine(Table):
    id = pw.BigAutoField()
    run = pw.ForeignKeyField(Run, backref="log_lines", on_delete="CASCADE", index=False)
    stage = pw.TextField()
    at_ms = pw.BigIntegerField()
    level = pw.TextField()
    source = pw.TextField()
    text = pw.TextField()

    class Meta:
        table_name = "log_lines"
        indexes = ((("run", "id"), False), (("run", "stage", "id"), False))


class Audit(Table):
    id = pw.AutoField()
    at = pw.DoubleField()
    who = pw.TextField()
    what = pw.TextField()
    target = pw.TextField(default="")
    why = pw.TextField(default="")
    run_id = pw.IntegerField(null=True, index=True)  # no foreign key: what was done stays when the run is gone
    detail: Any = JsonOf(dict[str, Any])

    class Meta:
        table_name = "audit"


class Outbox(Table):
    id = pw.AutoField()
    event = pw.TextField()
    run_id = pw.IntegerField(null=True)
    payload: Any = JsonOf(dict[str, Any])
    channel = pw.TextField()
    state = pw.TextField(default="pending")  # pending | sent | dead
    tries = pw.IntegerField(default=0)
    next_at = pw.DoubleField()
    created_at = pw.DoubleField()
    sent_at = pw.DoubleField(null=True)
    last_error = pw.TextField(default="")

    class Meta:
        table_name = "outbox"
        indexes = ((("state", "next_at"), False),)


class OperatorToken(Table):
    id = pw.AutoField()
    name = pw.TextField(unique=True)
    role = pw.TextField()  # viewer | operator
    token_hash = pw.TextField(unique=True)
    created_at = pw.DoubleField()
    used_at = pw.DoubleField(null=True)
    issued_by = pw.TextField(default="")

    class Meta:
        table_name = "operator_tokens"


class User(Table):
    """Somebody who signs in to the console."""

    id = pw.AutoField()
    name = pw.TextField()
    key = pw.TextField(unique=True)  # the name as `vetting.domain.roles.key_of` makes it
    role = pw.TextField()  # viewer | operator
    password = pw.TextField()  # `vetting.orchestrator.passwords`: how it was hashed, salt and hash
    disabled = pw.BooleanField(default=False)
    created_at = pw.DoubleField()
    created_by = pw.TextField(default="")
    last_seen_at = pw.DoubleField(null=True)

    class Meta:
        table_name = "users"


class Session(Table):
    """A browser that a person signed in with. When it ends follows from its times and the configuration."""

    id = pw.AutoField()
    user = pw.ForeignKeyField(User, backref="sessions", on_delete="CASCADE")
    secret_hash = pw.TextField(unique=True)
    peer = pw.TextField(default="")
    created_at = pw.DoubleField()
    seen_at = pw.DoubleField()

    class Meta:
        table_name = "sessions"


class Setting(Table):
    key = pw.TextField(primary_key=True)
    value: Any = JsonOf(Any)
    changed_at = pw.DoubleField()

    class Meta:
        table_name = "settings"


class UnknownHost(Table):
    """Machines that asked to boot and are in no record."""

    id = pw.AutoField()
    mac = pw.TextField(unique=True)
    address = pw.TextField(default="")
    source = pw.TextField()
    what = pw.TextField(default="")
    first_seen_at = pw.DoubleField()
    last_seen_at = pw.DoubleField()
    times = pw.IntegerField(default=1)

    class Meta:
        table_name = "unknown_hosts"


class Registration(Table):
    """One-time codes by which a reporter gets its token. A code that was used, or is past its time, stays as a record."""

    id = pw.AutoField()
    host = pw.ForeignKeyField(Host, backref="registrations", on_delete="CASCADE")
    code_hash = pw.TextField(unique=True)
    issued_by = pw.TextField()
    created_at = pw.DoubleField()
    expires_at = pw.DoubleField()
    used_at = pw.DoubleField(null=True)
    used_from = pw.TextField(default="")

    class Meta:
        table_name = "registrations"


MODELS: tuple[type[Table], ...] = (
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
    UnknownHost,
    Registration,
    User,
    Session,
    Checkpoint,
    Baseline,
    Repair,
)
