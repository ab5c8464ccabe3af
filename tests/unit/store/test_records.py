"""Every other record: comes back as it went in, and the rule each table keeps."""

from __future__ import annotations

import math
from functools import partial

import msgspec
import pytest

from vetting.domain.errors import BadInput, Conflict, NotFound, Unavailable
from vetting.domain.inventory import FirmwareItem
from vetting.domain.outcome import Cell, Finding, Measurement, Severity, Verdict, Work
from vetting.domain.states import RunState
from vetting.domain.thresholds import Op, Threshold
from vetting.store import (
    audit,
    cells,
    deliveries,
    differences,
    findings,
    firmware,
    logs,
    measurements,
    outbox,
    runs,
    settings,
    thresholds,
    tokens,
)
from vetting.store.db import Store
from vetting.store.rows import NewRun, RunRow


def test_cells_of_an_attempt_are_replaced_and_those_of_others_stay(store: Store, run: RunRow) -> None:
    work = Work(what="bytes", done=math.inf, of=2.0, unit="B")
    disk = Cell(component="disk:A", verdict=Verdict.FAIL, reason="bad", work=(Work(what="b", done=1, of=2, unit="B"),))
    with pytest.raises(BadInput, match="work cannot be recorded"):
        store.write_now(
            lambda: cells.put(run.id, "SMART", 1, [Cell(component="x", verdict=Verdict.PASS, work=(work,))])
        )
    other = Cell(component="disk:B", verdict=Verdict.MISSING)
    for put in ([disk, other], [disk]):
        store.write_now(partial(cells.put, run.id, "SMART", 1, put))
    store.write_now(lambda: cells.put(run.id, "SMART", 2, [other]))
    found = store.read_now(lambda: cells.cells_of(run.id))
    assert [(one.attempt, one.component, one.verdict) for one in found] == [
        (1, "disk:A", Verdict.FAIL),
        (2, "disk:B", Verdict.MISSING),
    ]
    assert found[0].work == disk.work
    assert store.read_now(lambda: cells.cells_of(run.id, "SMART", 2)) == found[1:]


def test_a_batch_that_is_sent_again_is_known(store: Store, run: RunRow) -> None:
    sent = [("sensor", "b", 1), ("sensor", "b", 1), ("log", "b", 1), ("sensor", "b", 4), ("sensor", "b", 3)]
    sent += [("sensor", "c", 1)]
    taken = [store.write_now(partial(deliveries.take, run.id, *d)) for d in sent]
    assert taken == [True, False, True, True, False, True]


def test_measurements_keep_their_order_and_what_is_not_a_number(store: Store, run: RunRow) -> None:
    put = [Measurement(series=f"s{n}", value=float(n), unit="C", component="cpu") for n in range(250)]
    put[3] = Measurement(series="s3", value=math.nan, unit="C")
    for _ in range(2):
        store.write_now(lambda: measurements.put(run.id, "PSU", 1, put, kind="psu"))
    store.write_now(lambda: measurements.put(run.id, "PSU", 1, put[:1]))
    found = store.read_now(lambda: measurements.measurements_of(run.id, kind="psu"))
    assert [one.series for one in found] == [one.series for one in put]
    assert math.isnan(found[3].value)
    assert found[4].value == 4.0
    assert len(store.read_now(lambda: measurements.measurements_of(run.id, "PSU"))) == 251


def test_a_finding_that_is_sent_twice_is_kept_once_for_each_attempt(store: Store, run: RunRow) -> None:
    finding = Finding(severity=Severity.CRITICAL, component="dimm:A1", text="CE", source="edac")
    add = findings.add
    assert store.write_now(lambda: add(run.id, "CPUStress", 1, [finding, finding], at=1.0)) == 1
    assert store.write_now(lambda: add(run.id, "CPUStress", 1, [finding], at=2.0)) == 0
    assert store.write_now(lambda: add(run.id, "CPUStress", 2, [finding], at=3.0)) == 1
    found = store.read_now(lambda: findings.findings_of(run.id, "CPUStress"))
    assert [(one.attempt, one.at, one.severity) for one in found] == [(1, 1.0, "critical"), (2, 3.0, "critical")]


def test_differences_of_an_attempt_are_replaced(store: Store, run: RunRow) -> None:
    new = differences.NewDifference(
        kind="spec", severity=Severity.WARNING, component="cpu", field="model", expected="a", found="b", text="t"
    )
    for attempt in (1, 1, 2):
        store.write_now(partial(differences.put, run.id, attempt, [new]))
    assert len(store.read_now(lambda: differences.differences_of(run.id))) == 2
    (one,) = store.read_now(lambda: differences.differences_of(run.id, 2))
    assert (one.severity, one.expected, one.found) == (Severity.WARNING, "a", "b")


def test_firmware_is_one_row_a_component_and_the_last_good_run_is_found(
    store: Store, run: RunRow, new_run: NewRun
) -> None:
    items = [
        FirmwareItem(component="nvme", identifier="S1", version="1"),
        FirmwareItem(component="nvme", identifier="S2", version="2"),
        FirmwareItem(component="nvme", identifier="S1", version="3", detail="twin"),
    ]
    for _ in range(2):
        store.write_now(lambda: firmware.put(run.id, items))
    assert {(one.identifier, one.version) for one in store.read_now(lambda: firmware.firmware_of(run.id))} == {
        ("S1", "3"),
        ("S2", "2"),
    }
    second = store.write_now(lambda: runs.create(new_run, now=1.0))
    assert store.read_now(lambda: firmware.good_run_before(run.host_id, second.id)) is None
    store.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.COMPLETED))
    before = store.read_now(lambda: firmware.good_run_before(run.host_id, second.id))
    assert before is not None
    assert before.id == run.id


def test_thresholds_come_back_as_seeded_and_never_without_a_number(store: Store, run: RunRow) -> None:
    seeded = (
        Threshold(series="temp.*", op=Op.AT_MOST, limit=90.0, stages=("Burn",), required=False),
        Threshold(series="volt.12v", op=Op.ABOVE, limit=-math.inf, severity=Severity.INFO, hold_samples=1),
    )
    for _ in range(2):
        store.write_now(lambda: thresholds.seed(run.id, seeded))
    assert store.read_now(lambda: thresholds.thresholds_of(run.id)) == seeded
    with pytest.raises(BadInput, match="not a number"):
        store.write_now(lambda: thresholds.seed(run.id, [Threshold(series="x", op=Op.BELOW, limit=math.nan)]))
    assert store.read_now(lambda: thresholds.thresholds_of(run.id)) == seeded


def test_a_breach_is_opened_extended_and_closed_once(store: Store, run: RunRow) -> None:
    breach = store.write_now(
        lambda: thresholds.open_breach(
            run.id,
            stage="Burn",
            attempt=1,
            series="temp.cpu",
            op=Op.AT_MOST,
            limit=90.0,
            severity=Severity.CRITICAL,
            first_at=1.0,
            last_at=2.0,
            worst=95.0,
            samples=3,
        )
    )
    extend = thresholds.extend_breach
    assert store.write_now(lambda: extend(breach.id, last_at=3.0, worst=math.nan, samples=4))
    (found,) = store.read_now(lambda: thresholds.open_breaches(run.id))
    assert (found.last_at, found.samples, found.open) == (3.0, 4, True)
    assert math.isnan(found.worst)
    assert [store.write_now(lambda: thresholds.close_breach(breach.id)) for _ in range(2)] == [True, False]
    assert not store.write_now(lambda: extend(breach.id, last_at=9.0, worst=1.0, samples=9))
    assert store.read_now(lambda: thresholds.open_breaches(run.id)) == []
    assert len(store.read_now(lambda: thresholds.breaches_of(run.id, "Burn"))) == 1
    assert store.write_now(lambda: thresholds.close_breaches(run.id)) == 0


def test_log_lines_are_filtered_by_stage_level_and_text_and_followed_by_id(store: Store, run: RunRow) -> None:
    said = [("SMART", n, ("debug", "info", "warning", "error")[n % 4], "kernel", f"Line {n} 100%") for n in range(400)]
    said[7] = ("Burn", 7, "error", "agent", "I/O ERROR_on sda\x00 <b>")
    ids = store.write_now(lambda: logs.append(run.id, said))
    assert store.write_now(lambda: logs.append(run.id, [])) == []
    whole = store.read_now(lambda: logs.lines(run.id))
    assert ids == [one.id for one in whole] == sorted(ids)
    assert [(one.stage, one.at_ms, one.level, one.source, one.text) for one in whole] == said
    assert [one.at_ms for one in store.read_now(lambda: logs.lines(run.id, stage="Burn"))] == [7]
    assert [one.at_ms for one in store.read_now(lambda: logs.lines(run.id, contains="i/o error_on"))] == [7]
    assert store.read_now(lambda: logs.lines(run.id, contains="ERROR%sda")) == []
    assert len(store.read_now(lambda: logs.lines(run.id, contains="100%"))) == 399
    assert {one.level for one in store.read_now(lambda: logs.lines(run.id, at_least="warning"))} == {"warning", "error"}
    rest = store.read_now(lambda: logs.lines(run.id, after_id=whole[9].id, limit=2))
    assert rest == whole[10:12]
    assert store.read_now(lambda: logs.last_lines(run.id, limit=3)) == whole[-3:]
    assert store.read_now(lambda: logs.before(run.id, limit=3)) == whole[-3:]
    assert store.read_now(lambda: logs.before(run.id, before_id=whole[9].id, limit=2)) == whole[7:9]
    late = store.read_now(lambda: logs.before(run.id, at_least="error", stage="SMART", contains="100", limit=2))
    assert [one.at_ms for one in late] == [395, 399]
    assert store.write_now(lambda: logs.drop(run.id, before_ms=100)) == 100
    assert store.read_now(lambda: logs.count(run.id)) == 300


def test_the_audit_is_paged_newest_first_and_outlives_the_run(store: Store) -> None:
    for n in range(5):
        store.write_now(partial(audit.add, at=float(n), who="ada", what=f"w{n}", run_id=n % 2, detail={"n": n}))
    assert [one.what for one in store.read_now(audit.entries)] == ["w4", "w3", "w2", "w1", "w0"]
    of_run = store.read_now(lambda: audit.entries(run_id=1))
    assert [one.what for one in of_run] == ["w3", "w1"]
    assert store.read_now(lambda: audit.entries(run_id=1, before_id=of_run[0].id))[0].detail == {"n": 1}


def test_a_notification_is_due_retried_sent_once_or_given_up(store: Store) -> None:
    store.write_now(lambda: outbox.add("Hold", {"run": 7}, ["mail", "chat", "pager"], now=10.0, run_id=7))
    assert store.read_now(lambda: outbox.due(now=9.0)) == []
    mail, chat, pager = store.read_now(lambda: outbox.due(now=10.0))
    assert (mail.channel, mail.payload, mail.run_id) == ("mail", {"run": 7}, 7)
    assert [store.write_now(lambda: outbox.sent(mail.id, now=11.0)) for _ in range(2)] == [True, False]
    assert store.write_now(lambda: outbox.failed(chat.id, next_at=60.0, error="refused"))
    assert store.write_now(lambda: outbox.give_up(pager.id, error="no such host"))
    assert store.read_now(lambda: outbox.due(now=59.0)) == []
    (again,) = store.read_now(lambda: outbox.due(now=60.0))
    assert (again.channel, again.tries, again.last_error) == ("chat", 1, "refused")
    assert store.read_now(outbox.pending_count) == 1
    assert [one.channel for one in store.read_now(lambda: outbox.entries(state="dead"))] == ["pager"]


def test_a_token_is_256_random_bits_and_only_its_hash_is_kept(store: Store) -> None:
    plain, token_hash = tokens.issue()
    assert len(plain) >= 43, "32 bytes in base64"
    assert plain not in token_hash
    assert tokens.matches(plain, token_hash)
    assert not tokens.matches(plain + "x", token_hash)
    assert not tokens.matches("", "")
    assert not tokens.matches("\ud800", token_hash), "a header can hold anything"
    row, secret = store.write_now(lambda: tokens.create_operator("ada", "operator", now=1.0))
    assert store.read_now(lambda: tokens.authenticate(secret)) == row
    assert store.read_now(lambda: tokens.authenticate(plain)) is None
    store.close()
    assert secret.encode() not in store.path.read_bytes()


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return one == other

    monkeypatch.setattr("vetting.store.tokens.hmac.compare_digest", compare)
    plain, token_hash = tokens.issue()
    assert tokens.matches(plain, token_hash)
    assert asked == [(token_hash.encode(), token_hash.encode())]


def test_operators_tokens_are_listed_marked_and_revoked(store: Store) -> None:
    row, secret = store.write_now(lambda: tokens.create_operator("ada", "viewer", now=1.0))
    with pytest.raises(Conflict, match="already a token named 'ada'"):
        store.write_now(lambda: tokens.create_operator("ada", "viewer", now=1.0))
    with pytest.raises(BadInput, match="choose one of viewer, operator"):
        store.write_now(lambda: tokens.create_operator("bob", "admin", now=1.0))
    with pytest.raises(BadInput, match="needs a name"):
        store.write_now(lambda: tokens.create_operator(" ", "viewer", now=1.0))
    store.write_now(lambda: tokens.mark_used(row.id, now=5.0))
    (found,) = store.read_now(tokens.operators)
    assert (found.name, found.role, found.used_at) == ("ada", "viewer", 5.0)
    store.write_now(lambda: tokens.revoke("ada"))
    assert store.read_now(lambda: tokens.authenticate(secret)) is None
    with pytest.raises(NotFound):
        store.write_now(lambda: tokens.revoke("ada"))


class Key(msgspec.Struct, frozen=True):
    private: bytes
    made_at: float


def test_a_setting_is_kept_under_its_name_with_its_type(store: Store) -> None:
    assert store.read_now(lambda: settings.get("key", bytes)) is None
    for value in (b"\x00\xff", b"other"):
        store.write_now(partial(settings.put, "key", value, now=1.0))
        assert store.read_now(lambda: settings.get("key", bytes)) == value
    key = Key(private=b"\x00\x01", made_at=1.5)
    store.write_now(lambda: settings.put("struct", key, now=1.0))
    assert store.read_now(lambda: settings.get("struct", Key)) == key
    store.write_now(lambda: settings.put("off", False, now=1.0))
    assert store.read_now(lambda: settings.get("off", bool)) is False
    with pytest.raises(Unavailable, match="'struct' does not read as int"):
        store.read_now(lambda: settings.get("struct", int))
    assert [store.write_now(lambda: settings.remove("key")) for _ in range(2)] == [True, False]
