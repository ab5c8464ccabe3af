"""WHAT WE REMEMBER: hosts, runs and everything that proves a verdict. peewee over SQLite; `db.py` owns the writer thread.

Opening (`vetting.store.db`):

    store = Store.open(path)                     one sentence as Unavailable or Refusal where it cannot be opened
    result = await store.write(function)         function() runs in the writer thread inside a transaction; the awaited
                                                 answer comes after COMMIT. Its exception undoes its own writes alone.
    result = await store.read(function)          function() runs in a reader thread on one snapshot, and cannot write
    store.write_now(function) / store.read_now(function)     the same from synchronous code
    store.health() -> StoreHealth                queue, commits, last trouble
    store.copy_to(path)                          a consistent copy, taken while others write
    store.close()                                drains the queue; idempotent
    with reading(path): ...                      `vetting report`: read-only in this thread, beside a serving process

`function` takes no arguments and calls the plain functions below; it never awaits. Everything done in one function is
one unit: a move, its transition and what caused it belong into one. Times come in as arguments (`now`, `at`): seconds
since the Unix epoch; `*_ms` are whole milliseconds of the same.

    hosts       create(name, *, now, macs=(), note="", spec=None) -> HostRow        Conflict on a twin
                find(id) -> HostRow|None   get(id) -> HostRow   by_name(name)   by_mac(mac)   by_reporter_token(hash)
                listing() -> [HostRow]   edit(id, **HostChanges) -> HostRow   remove(id, *, now)
    runs        create(NewRun, *, now, state=QUEUED) -> RunRow (writes the transition "created")
                find(id)   get(id)   by_token(hash)   by_ticket(hash)   in_states(states) -> [RunRow] oldest first
                listing(*, host_id=None, states=None, before_id=None, limit=50) -> [RunRow] newest first
                active_run_of_host(host_id, states=ACTIVE)   newest_run_of_host(host_id)
                move(id, from_state, to_state, **RunChanges) -> bool      compare-and-set
                change(id, **RunChanges) -> bool   change_in(id, state, **RunChanges) -> bool
                use_ticket(id, ticket_hash, *, now) -> bool               compare-and-set, once, unexpired
                add_transition(id, *, at, from_state, event, to_state, who="", why="")   transitions_of(id)
    repairs     add(run_id, RepairOrder)   prove(run_id, Proved)   find(run_id) -> RepairRow|None
    attempts    open_attempt(run_id, stage, *, now, planned_s, deadline_s, boot_id, flags) -> AttemptRow
                close_attempt(run_id, stage, attempt, *, now, verdict, reason, posted_verdict, objections, outcome,
                answer) -> bool                                           compare-and-set on "has not ended"
                set_answer(run_id, stage, attempt, ResultReply)   find(run_id, stage, attempt)   latest(run_id, stage)
                running(run_id)   attempts_of(run_id)   outcome_of(run_id, stage, attempt)   outcomes_of(run_id)
                keep_late(run_id, *, now, stage, attempt, boot_id, why, outcome)   late_results_of(run_id)
    cells       put(run_id, stage, attempt, cells)   cells_of(run_id, stage=None, attempt=None) -> [CellRow]
    deliveries  take(run_id, kind, boot_id, seq) -> bool     False: this batch was taken before; store nothing
    samples     append_batch(run_id, stage, names, units, samples) -> int    samples: (index into names, at_ms, value)
                series_of(run_id) -> [SeriesRow]   read_series(run_id, name, *, t0_ms, t1_ms) -> Points
                stats(run_id, *, t0_ms, t1_ms, stage) -> {name: SeriesStats}
                downsample(run_id, name, buckets, *, t0_ms, t1_ms) -> [Bucket]   downsample_all(run_id, buckets)
                everything(run_id, *, t0_ms, t1_ms) -> ({number: Points}, Mark)   arrived(run_id, mark) -> what came since
                sample_count(run_id)
    aging       compact(run_id, *, before_ms) -> int (until 0)   thin(run_id, *, before_ms, every_ms, after_id=0) -> id
                drop_samples(run_id) -> int
    measurements put(run_id, stage, attempt, measurements, *, kind="")   measurements_of(run_id, stage=None, kind=None)
    baselines   keep(host_id, run_id, stage, *, profile, class_name, figures)
                of_class(class_name, stage, *, profile, host_id) -> [BaselineRow] (this host's own included)
    artifacts   Room(data_dir, quota_bytes=): receive(run_id, *, used_bytes) -> Incoming (with: .write(chunk),
                .settle(sha256="") -> Stored)   keep(run_id, data) -> Stored   place(row) -> Path   read(row) -> bytes
                objection(row) -> str ("" where the file is what the row says)   remove_run(run_id)   sweep(...)
                add(run_id, stage, attempt, name, media_type, Stored, *, now) -> ArtifactRow   replace(same)
                find(run_id, stage, attempt, name)   get(id)   artifacts_of(run_id, stage=None, attempt=None)
                used_bytes(run_id)   total_bytes()   forget(run_id)
    checkpoints keep(CheckpointRow) -> CheckpointRow (the newer)   find(run_id, stage, component)   forget(run_id, stage="", ...)
    findings    add(run_id, stage, attempt, findings, *, at)   findings_of(run_id, stage=None, attempt=None)
    differences put(run_id, attempt, [NewDifference])   differences_of(run_id, attempt=None)
    firmware    put(run_id, items)   firmware_of(run_id) -> (FirmwareItem, ...)   good_run_before(host_id, run_id, ...)
    thresholds  seed(run_id, thresholds)   thresholds_of(run_id) -> (Threshold, ...)
                open_breach(...) -> BreachRow   extend_breach(id, *, last_at, worst, samples)   close_breach(id)
                close_breaches(run_id) -> int   open_breaches(run_id)   breaches_of(run_id, stage=None)
    logs        append(run_id, [(stage, at_ms, level, source, text)]) -> int
                lines(run_id, *, stage=None, at_least="debug", contains="", after_id=0, limit=1000) -> [LogRow]
                last_lines(run_id, *, stage=None, limit=200)   count(run_id)   drop(run_id, *, before_ms)
    audit       add(*, at, who, what, target="", why="", run_id=None, detail=None)   entries(*, run_id, before_id, limit)
    outbox      add(event, payload, channels, *, now, run_id=None)   due(*, now, limit) -> [OutboxRow]
                sent(id, *, now)   failed(id, *, next_at, error)   give_up(id, *, error)   entries(*, state)
                pending_count()
    tokens      issue() -> (plain, hash)   hash_of(plain)   matches(plain, hash) -> bool (constant time)
                create_operator(name, role, *, now, by="") -> (OperatorTokenRow, plain)   authenticate(plain) -> row|None
                mark_used(id, *, now)   operators()   revoke(name)
    users       create(name, role, password, *, now, by) -> UserRow   find(name)   by_id(id)   listing()   any_there()
                change(id, **UserChanges)   remove(id) (with sessions)   operators_beside(id) -> int
    sessions    create(user_id, secret_hash, *, now, peer) -> SessionRow   find(secret_hash)   of_user(user_id)
                seen(id, *, now) -> bool   end(id) -> bool   end_all_of(user_id, *, but="") -> int
                end_older(*, seen_before, created_before) -> int
    unknown     note(mac, *, address, source, what, now)   listing() -> [UnknownHostRow]      bounded, the silent go first
    settings    get(key, kind) -> value|None   put(key, value, *, now)   remove(key)
"""

from vetting.store.db import Store, StoreHealth, reading

__all__ = ["Store", "StoreHealth", "reading"]
