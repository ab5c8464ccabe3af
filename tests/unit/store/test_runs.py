"""Hosts, runs and attempts: what is seeded stays, moves are compare-and-set, results have a key."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from vetting import wire
from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.hostspec import ExpectedSpec, Identity
from vetting.domain.image import LiveImage
from vetting.domain.outcome import Measurement, Outcome, Verdict
from vetting.domain.profiles import QUICK
from vetting.domain.states import RunState
from vetting.store import attempts, hosts, runs, tokens
from vetting.store.db import Store
from vetting.store.rows import HostRow, NewRun, RunRow

HOSTILE = (
    "'; DROP TABLE runs; --",
    "\x00nul\x00",
    "<script>alert(1)</script>",
    "a\r\nb\x1b[31m",
    "\u202egnp.exe",
    "🧨" * 1000,
    "../../etc/passwd",
    "%_\\ %s {0}",
    "",
    "null",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_unchanged(store: Store, run: RunRow, text: str) -> None:
    def put() -> None:
        hosts.edit(run.host_id, note=text, spec=ExpectedSpec(product=text, severities={text: "info"}))
        runs.change(run.id, reason=text, hold_addresses=(text,), verdict_detail={text: [text]})

    store.write_now(put)
    host = store.read_now(lambda: hosts.get(run.host_id))
    assert (host.note, host.spec.product, host.spec.severities) == (text, text, {text: "info"})
    found = store.read_now(lambda: runs.get(run.id))
    assert (found.reason, found.hold_addresses, found.verdict_detail) == (text, (text,), {text: [text]})


def test_a_host_keeps_what_it_was_given(store: Store, host: HostRow) -> None:
    identity = Identity(smbios_uuid="u", macs=("aa:bb:cc:00:11:22",))
    store.write_now(lambda: hosts.edit(host.id, identity=identity, identity_source="learned", reporter_seen_at=5.5))
    found = store.read_now(lambda: hosts.by_name("pve1"))
    assert found == replace(host, identity=identity, identity_source="learned", reporter_seen_at=5.5)
    assert store.read_now(hosts.listing) == [found]


@pytest.mark.parametrize("mac", ["aa:bb:cc:00:11:22", "AA-BB-CC-00-11-22", "aabb.cc00.1122"])
def test_a_host_is_found_by_its_address_in_any_notation(store: Store, host: HostRow, mac: str) -> None:
    assert store.read_now(lambda: hosts.by_mac(mac)) == host
    assert store.read_now(lambda: hosts.by_mac("02:00:00:00:00:00")) is None


def test_two_hosts_share_neither_name_nor_address(store: Store, host: HostRow) -> None:
    with pytest.raises(Conflict, match="already a host named 'pve1'"):
        store.write_now(lambda: hosts.create("pve1", now=1.0))
    with pytest.raises(Conflict, match="aa:bb:cc:00:11:22 belongs to host 'pve1'"):
        store.write_now(lambda: hosts.create("pve2", now=1.0, macs=("aabbcc001122",)))
    other = store.write_now(lambda: hosts.create("pve2", now=1.0))
    with pytest.raises(Conflict):
        store.write_now(lambda: hosts.edit(other.id, name="pve1"))
    store.write_now(lambda: hosts.edit(other.id, name="pve2", macs=("02:00:00:00:00:01",)))


def test_a_removed_host_leaves_its_runs_and_frees_its_name(store: Store, run: RunRow) -> None:
    store.write_now(lambda: hosts.edit(run.host_id, reporter_token_hash="h"))
    store.write_now(lambda: hosts.remove(run.host_id, now=9.0))
    assert store.read_now(hosts.listing) == []
    assert store.read_now(lambda: hosts.by_reporter_token("h")) is None
    assert store.read_now(lambda: hosts.get(run.host_id)).removed_at == 9.0
    assert store.read_now(lambda: runs.get(run.id)).host_name == "pve1"
    again = store.write_now(lambda: hosts.create("pve1", now=10.0, macs=("aabbcc001122",)))
    store.write_now(lambda: hosts.remove(again.id, now=11.0))
    with pytest.raises(NotFound, match="vetting host list"):
        store.read_now(lambda: hosts.get(again.id))


def test_a_run_is_created_as_seeded_with_its_first_transition(store: Store, run: RunRow, new_run: NewRun) -> None:
    assert (run.state, run.profile, run.profile_name) == (RunState.QUEUED, QUICK, "quick")
    assert (run.spec, run.expected_disks, run.shortfalls) == (new_run.spec, new_run.expected_disks, new_run.shortfalls)
    (first,) = store.read_now(lambda: runs.transitions_of(run.id))
    assert (first.from_state, first.event, first.to_state, first.who) == (None, "created", RunState.QUEUED, "ada")
    store.write_now(lambda: hosts.edit(run.host_id, spec=ExpectedSpec(manufacturer="Other")))
    assert store.read_now(lambda: runs.get(run.id)).spec == new_run.spec


def test_everything_about_a_run_that_may_change_is_kept(store: Store, run: RunRow) -> None:
    beat = wire.Heartbeat(boot_id="b", seq=3, doing="running", stage="SMART", progress=wire.Progress(done=1, of=2))
    changes: runs.RunChanges = {
        "stage": "SMART",
        "failed_stage": "Inventory (expected CPUStress)",
        "held_from": RunState.SMART,
        "reason": "r",
        "verdict": "vetted",
        "verdict_detail": {"a": 1},
        "started_at": 1.5,
        "ended_at": 2.5,
        "boot_id": "b",
        "token_hash": "t",
        "token_incarnation": 2,
        "ticket_hash": "k",
        "ticket_expires_at": 3.5,
        "ticket_used_at": 4.5,
        "iperf_port": 5201,
        "heartbeat_at": 5.5,
        "heartbeat": beat,
        "command": wire.Command(cmd="cancel_stage", stage="SMART"),
        "hold_addresses": ("10.0.0.1",),
        "hold_public_key": "pub",
        "hold_private_key": "priv",
        "hold_host_keys": ("ssh-ed25519 AAAA",),
        "peer": "10.0.0.2",
        "sel_record_id": 17,
        "image": LiveImage(version="1", kernel="6.12", packages={"fio": "3.39"}),
    }
    assert set(changes) == set(runs.RunChanges.__annotations__), "a change that this test forgets"
    assert store.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.SMART, **changes))
    found = store.read_now(lambda: runs.get(run.id))
    assert found == replace(run, state=RunState.SMART, **changes)
    assert "priv" not in repr(found).replace("hold_private", "")


def test_a_move_from_another_state_changes_nothing(store: Store, run: RunRow) -> None:
    assert not store.write_now(lambda: runs.move(run.id, RunState.BOOTING, RunState.INVENTORY, reason="x"))
    assert not store.write_now(lambda: runs.change_in(run.id, RunState.BOOTING, reason="x"))
    assert not store.write_now(lambda: runs.change(run.id + 1, reason="x"))
    assert store.read_now(lambda: runs.get(run.id)) == run
    assert store.write_now(lambda: runs.change_in(run.id, RunState.QUEUED, reason="x"))


def test_runs_are_found_by_host_state_token_and_ticket(store: Store, run: RunRow, new_run: NewRun) -> None:
    second = store.write_now(lambda: runs.create(new_run, now=300.0))
    plain, token_hash = tokens.issue()
    store.write_now(lambda: runs.move(run.id, RunState.QUEUED, RunState.COMPLETED, token_hash=token_hash))
    ids = store.read_now(lambda: [one.id for one in runs.listing()])
    assert ids == [second.id, run.id]
    assert store.read_now(lambda: [one.id for one in runs.listing(before_id=second.id, limit=5)]) == [run.id]
    assert store.read_now(lambda: [one.id for one in runs.in_states({RunState.QUEUED})]) == [second.id]
    assert store.read_now(lambda: runs.active_run_of_host(run.host_id)) == second
    assert store.read_now(lambda: runs.newest_run_of_host(run.host_id)) == second
    assert store.read_now(lambda: runs.active_run_of_host(run.host_id, {RunState.FAILED})) is None
    found = store.read_now(lambda: runs.by_token(tokens.hash_of(plain)))
    assert found is not None
    assert found.id == run.id
    assert store.read_now(lambda: runs.by_token("")) is None, "runs without a token are not those of an empty one"
    assert store.read_now(lambda: runs.by_ticket("")) is None
    with pytest.raises(NotFound, match="vetting run list"):
        store.read_now(lambda: runs.get(99))


def test_a_ticket_is_used_once_and_only_before_it_expires(store: Store, new_run: NewRun) -> None:
    ticketed = replace(new_run, ticket_hash="h", ticket_expires_at=500.0)
    run = store.write_now(lambda: runs.create(ticketed, now=1.0))
    assert not store.write_now(lambda: runs.use_ticket(run.id, "other", now=400.0))
    assert not store.write_now(lambda: runs.use_ticket(run.id, "h", now=500.0))
    assert store.write_now(lambda: runs.use_ticket(run.id, "h", now=499.0))
    assert not store.write_now(lambda: runs.use_ticket(run.id, "h", now=499.0))
    plain = store.write_now(lambda: runs.create(new_run, now=1.0))
    assert not store.write_now(lambda: runs.use_ticket(plain.id, "", now=1.0)), "a run without a ticket has none to use"


def test_attempts_are_numbered_and_end_once(store: Store, run: RunRow) -> None:
    def begin(stage: str) -> int:
        return attempts.open_attempt(run.id, stage, now=1.0, planned_s=60, boot_id="b", flags=("wipe_probe",)).attempt

    assert [store.write_now(lambda: begin("Storage")) for _ in range(2)] == [1, 2]
    assert store.write_now(lambda: begin("SMART")) == 1
    outcome = Outcome.fail(
        "bad", started_s=3.0, ended_s=9.0, measurements=(Measurement(series="a", value=1, unit="s"),)
    )
    answer = wire.ResultReply(verdict="FAIL", state="FailedHolding", next_stage="", next_attempt=0, objections=("o",))

    def end() -> bool:
        return attempts.close_attempt(
            run.id,
            "Storage",
            2,
            now=10.0,
            verdict=Verdict.FAIL,
            reason="bad",
            posted_verdict=Verdict.PASS,
            objections=("too short",),
            outcome=outcome,
            answer=answer,
        )

    assert [store.write_now(end) for _ in range(2)] == [True, False]
    found = store.read_now(lambda: attempts.find(run.id, "Storage", 2))
    assert found is not None
    assert (found.verdict, found.posted_verdict, found.objections) == (Verdict.FAIL, Verdict.PASS, ("too short",))
    assert (found.host_started_s, found.host_ended_s, found.ended_at, found.flags) == (3.0, 9.0, 10.0, ("wipe_probe",))
    assert found.answer == answer
    assert store.read_now(lambda: attempts.outcome_of(run.id, "Storage", 2)) == outcome
    assert store.read_now(lambda: attempts.outcomes_of(run.id)) == {("Storage", 2): outcome}
    assert store.read_now(lambda: attempts.outcome_of(run.id, "Storage", 1)) is None
    assert store.read_now(lambda: attempts.latest(run.id, "Storage")) == found
    order = store.read_now(lambda: [(one.stage, one.attempt) for one in attempts.attempts_of(run.id)])
    assert order == [("Storage", 1), ("Storage", 2), ("SMART", 1)]
    still = store.read_now(lambda: attempts.running(run.id))
    assert still is not None
    assert still.stage == "SMART"


def test_an_attempt_that_never_began_cannot_end(store: Store, run: RunRow) -> None:
    close = attempts.close_attempt
    assert not store.write_now(lambda: close(run.id, "SMART", 1, now=1.0, verdict=Verdict.PASS))
    with pytest.raises(NotFound):
        store.write_now(
            lambda: attempts.set_answer(
                run.id,
                "SMART",
                1,
                wire.ResultReply(verdict="", state="", next_stage="", next_attempt=0),
                posted_digest="",
            )
        )


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e-320])
def test_an_outcome_keeps_values_that_json_cannot_say(store: Store, run: RunRow, value: float) -> None:
    outcome = Outcome.ok(
        measurements=(Measurement(series="a", value=value, unit="C"),), data={"list": [1, {"x": None}]}
    )
    store.write_now(lambda: attempts.open_attempt(run.id, "SMART", now=1.0))
    store.write_now(lambda: attempts.close_attempt(run.id, "SMART", 1, now=2.0, verdict=Verdict.PASS, outcome=outcome))
    found = store.read_now(lambda: attempts.outcome_of(run.id, "SMART", 1))
    assert found is not None
    assert repr(found) == repr(outcome)


def test_an_outcome_keeps_numbers_beyond_64_bits(store: Store, run: RunRow) -> None:
    outcome = Outcome.ok(data={"huge": 2**80})
    store.write_now(
        lambda: attempts.keep_late(
            run.id, now=1.0, stage="SMART", attempt=1, boot_id="b", why="run is cancelled", outcome=outcome
        )
    )
    (late,) = store.read_now(lambda: attempts.late_results_of(run.id))
    assert late.outcome.data == {"huge": 2**80}
    assert late.why == "run is cancelled"


def test_what_would_not_read_back_is_refused_at_the_door(store: Store, run: RunRow) -> None:
    beat = wire.Heartbeat(boot_id="b", seq=1, doing="running", monotonic_s=math.nan)
    with pytest.raises(BadInput, match="heartbeat cannot be recorded"):
        store.write_now(lambda: runs.change(run.id, heartbeat=beat))
    assert store.read_now(lambda: runs.get(run.id)).heartbeat is None
