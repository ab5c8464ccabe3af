"""`vetting run`: start a vetting, look at it, decide about it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client
    from vetting.domain.repair import Repair

EXAMPLE = (
    "vetting run start pve-07 --profile quick --erase WD-WX12345 --erase WD-WX67890\n"
    "  vetting run restore-heads 42 WD-WX12345\n"
    "  (before a disk is erased its first and last 4 MiB are saved; this puts them back while the host is held)"
)
DECISIONS = ("cancel", "override", "retry", "release")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vetting.asking import add_connection
    from vetting.verbs import run_restore

    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("start", "start a run"), ("list", "runs, newest first"), ("show", "one run"), ("watch", "a run, live"),
        ("cancel", "stop a run; from a hold the host reboots to its own disk"),
        ("override", "enter the failed stage again with flags; the reason is kept for ever"),
        ("artifacts", "the files of a run: outputs of programs, saved ends of disks, reports"),
        ("artifact", "fetch one file of a run"),
        ("retry", "enter the failed stage again"), ("release", "end a hold; the host powers off"),
        ("restore-heads", "put the saved first and last MiB of a disk of a held host back"),
        ("ssh", "open a shell on a held host, or run a command there"),
    ):  # fmt: skip
        one = verbs.add_parser(name, help=does, description=does, allow_abbrev=False)
        add_connection(one)
        if name == "start":
            _start_arguments(one)
        elif name == "list":
            one.add_argument("--host", default="", help="only this host's")
        else:
            one.add_argument("run", type=int, help="number of the run")
        if name == "artifact":
            one.add_argument("artifact", type=int, help="number of the file, as `vetting run artifacts` lists it")
            one.add_argument(
                "-o", "--output", type=Path, required=True, metavar="FILE", help="a file that is not there yet"
            )
        if name == "ssh":
            _ssh_arguments(one)
        if name == "restore-heads":
            run_restore.say_arguments(one)
        if name in DECISIONS:
            one.add_argument("--reason", default="", required=name == "override", help="kept for ever, on every report")
        if name == "override":
            one.add_argument(
                "--flag", action="append", default=[], help="wipe_probe, accept_differences; may be given again"
            )


def _ssh_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=[])
    parser.usage = "vetting run ssh [OPTIONS] RUN [-- COMMAND …]"
    parser.epilog = "What stands behind -- is run there; a shell without it. Leaving the shell does not end the hold."
    parser.add_argument("--print", action="store_true", help="print the ssh command and fetch no key")
    parser.add_argument("--port", type=int, default=22, help="of the host's SSH server (default 22)")


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", help="the host's name")
    parser.add_argument("--profile", default="quick", help="quick, deep, soak, or one of vetting.yaml (default quick)")
    parser.add_argument("--non-destructive", action="store_true", help="write to no disk; such a run never says vetted")
    parser.add_argument(
        "--start-by", choices=("reporter", "wol", "power", "manual"), default="reporter",
        help="who starts the host into the image: its reporter, Wake-on-LAN, its management controller, or you",
    )  # fmt: skip
    parser.add_argument(
        "--cut-power", action="store_true",
        help="with --start-by power: a host that is on loses its power, whatever runs there",
    )  # fmt: skip
    parser.add_argument(
        "--erase", action="append", default=[], metavar="SERIAL",
        help="confirms that this disk will be erased; all that the run would erase have to be confirmed",
    )  # fmt: skip
    parser.add_argument(
        "--replaced", action="append", default=[], metavar="KIND:SLOT:OLD:NEW",
        help="a part that was replaced, such as dimm:A1:1A2B3C:4D5E6F; kinds are disk, dimm, nic, psu, cpu, gpu, board, cable, "
        "other; what nobody knows stays empty. The run proves that this changed and nothing else did, tests it harder, and repeats "
        "the test that failed before. May be given again",
    )  # fmt: skip
    parser.add_argument(
        "--confidence", type=float, default=None, metavar="PERCENT",
        help="with --replaced: how sure the test that failed before has to make us, 50 to 99.9 (default 95)",
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    from vetting.asking import ask, print_json

    if args.what == "watch":
        return ask(args, lambda client: _watch(client, args))
    if args.what == "ssh":
        from vetting.verbs.run_ssh import enter

        return enter(args)
    if args.what == "restore-heads":
        from vetting.verbs.run_restore import restore

        return restore(args)
    repair = _repair(args) if args.what == "start" else None  # a mistake in it is told before anybody is asked
    answer = ask(args, lambda client: _talk(client, args, repair))
    if args.json:
        print_json(answer)
    elif args.what == "start":
        _started(answer)
    elif args.what == "list":
        _list(answer)
    elif args.what == "artifacts":
        _artifacts(answer)
    elif args.what == "artifact":
        print(f"{args.output}: {answer.size_bytes} bytes, SHA-256 {answer.sha256}")
    else:
        _show(answer)
    return 0


async def _talk(client: Client, args: argparse.Namespace, repair: Repair | None) -> Any:
    from urllib.parse import urlencode

    from vetting import wire

    if args.what == "start":
        request = wire.StartRun(
            host=args.host, profile=args.profile, non_destructive=args.non_destructive, start_by=args.start_by,
            confirm_serials=tuple(args.erase), cut_power=args.cut_power, repair=repair,
        )  # fmt: skip
        return await client.call("/api/runs", request, wire.RunStarted)
    if args.what == "list":
        query = f"?{urlencode({'host': args.host})}" if args.host else ""
        return await client.get(f"/api/runs{query}", tuple[wire.RunView, ...])
    if args.what == "show":
        return await client.get(f"/api/runs/{args.run}", wire.RunView)
    if args.what == "artifacts":
        return await client.get(f"/api/runs/{args.run}/artifacts", tuple[wire.ArtifactView, ...])
    if args.what == "artifact":
        return await _take(client, args.run, args.artifact, args.output)
    because = wire.Because(reason=args.reason, flags=tuple(getattr(args, "flag", ())))
    return await client.call(f"/api/runs/{args.run}/{args.what}", because, wire.RunView)


def _repair(args: argparse.Namespace) -> Repair | None:
    """What was replaced, as it was said. Raises BadInput."""
    from vetting.domain.errors import BadInput
    from vetting.domain.repair import CONFIDENCE, Repair, mistakes, part_of

    if not args.replaced:
        if args.confidence is not None:
            raise BadInput("--confidence says how sure a repair has to be; name what was replaced with --replaced")
        return None
    sure = CONFIDENCE if args.confidence is None else args.confidence / 100
    repair = Repair(parts=tuple(part_of(text) for text in args.replaced), confidence=sure)
    if wrong := mistakes(repair):
        raise BadInput("; ".join(wrong))
    return repair


async def _take(client: Client, run: int, number: int, output: Path) -> wire.ArtifactView:
    """Writes a file of a run beside us, for our eyes alone, once it is known to be whole. Raises Refusal."""
    import hashlib
    import os

    from vetting import wire
    from vetting.domain.errors import BadInput, NotFound, Unavailable

    listed = await client.get(f"/api/runs/{run}/artifacts", tuple[wire.ArtifactView, ...])
    found = next((one for one in listed if one.id == number), None)
    if found is None:
        raise NotFound(f"run {run} has no artifact {number}; `vetting run artifacts {run}` lists them")
    data = await client.fetch(f"/api/runs/{run}/artifacts/{number}", limit_bytes=found.size_bytes)
    if hashlib.sha256(data).hexdigest() != found.sha256:
        raise Unavailable(f"artifact {number} arrived damaged; fetch it again")
    try:
        with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}; name another file with -o") from None
    return found


async def _watch(client: Client, args: argparse.Namespace) -> int:
    """Follows a run until it is over or held: 0 completed, 1 anything else."""
    import asyncio

    from vetting import wire
    from vetting.asking import print_json
    from vetting.domain.states import CLOSED, RunState
    from vetting.watching import Live

    with Live() as live:
        while True:
            view = await client.get(f"/api/runs/{args.run}", wire.RunView)
            if not args.json:
                live.show(view, args.url or "this machine")
            if view.state in CLOSED or view.state in (RunState.FAILED, RunState.FAILED_HOLDING):
                break
            await asyncio.sleep(1.0)
    if args.json:
        print_json(view)
    else:
        _show(view)
    return 0 if view.state == RunState.COMPLETED else 1


def _started(started: wire.RunStarted) -> None:
    print(f"run {started.run_id} is {started.state}; `vetting run watch {started.run_id}` follows it")
    if started.ticket:
        print(f"one-time boot ticket, shown once: {started.ticket}")
    for note in started.notes:
        print(note)


def _list(found: tuple[wire.RunView, ...]) -> None:
    from vetting.asking import print_table

    if not found:
        print("no runs yet; `vetting run start HOST` starts one")
        return
    rows = [
        (str(run.id), run.host, run.profile, run.state, run.failed_stage, _day(run.created_at), run.verdict)
        for run in found
    ]
    print_table(("run", "host", "profile", "state", "failed stage", "started", "verdict"), rows)


def _artifacts(found: tuple[wire.ArtifactView, ...]) -> None:
    from vetting.asking import print_table

    rows = [
        (str(one.id), one.stage, str(one.attempt), one.name, str(one.size_bytes), _day(one.created_at)) for one in found
    ]
    print_table(("number", "stage", "attempt", "name", "bytes", "received"), rows)


def _show(run: wire.RunView) -> None:
    from vetting.asking import print_table, visible

    print(f"run {run.id} of {visible(run.host)}, profile {run.profile}, started {_day(run.created_at)}: {run.state}")
    if run.image:
        print(f"live image {visible(run.image)}")
    if run.failed_stage:
        print(f"failed stage: {visible(run.failed_stage)}")
    if run.verdict:
        print(visible(run.verdict))
    for qualifier in run.qualifiers:
        print(f"  · {visible(qualifier)}")
    rows = [
        (attempt.stage, str(attempt.attempt), attempt.verdict or "runs", _lasted(attempt), attempt.reason)
        for attempt in run.attempts
    ]
    if rows:
        print_table(("stage", "attempt", "verdict", "lasted", "reason"), rows)
    if run.repair:
        print("after a repair:")
        for line in run.repair:
            print(f"  · {visible(line)}")
    if run.report:
        print(f"report: {run.report}")
    if run.enterable:
        print(f"held at {', '.join(map(visible, run.held_at))}; enter it with: vetting run ssh {run.id}")


def _lasted(attempt: wire.AttemptView) -> str:
    return f"{(attempt.ended_at or time.time()) - attempt.started_at:.1f} s"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
