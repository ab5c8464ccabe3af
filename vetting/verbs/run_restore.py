"""Putting the saved ends of a disk back on a held host: fetched, shown, confirmed by serial, carried there and checked."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vetting import wire
    from vetting.domain.outcome import ToolRun
    from vetting.surface.heads import Heads

CARRY_LIMIT_S = 180.0
RESTORE_LIMIT_S = 300.0
NEAR_S = 30.0  # between two clocks that agree
MOST_NAMED = 12


def say_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("serial", help="of the disk whose first and last MiB go back")
    parser.add_argument(
        "--artifact", type=int, default=0, metavar="N", help="these ends (default: the first that the run saved)"
    )
    parser.add_argument("--confirm", default="", metavar="SERIAL", help="the serial once more, in place of typing it")
    parser.add_argument("--over-data", action="store_true", help="also where the disk holds somebody's data by now")
    parser.add_argument("--reason", default="", help="kept for ever")
    parser.add_argument("--port", type=int, default=22, help="of the host's SSH server (default 22)")


@dataclass(frozen=True)
class Saved:
    """The ends of a disk as a run saved them."""

    artifact: wire.ArtifactView
    heads: Heads
    raw: bytes


def restore(args: argparse.Namespace) -> int:
    """0 where the disk reads back what it was; 1 where it was not done, with the two commands that do it. Raises a Refusal."""
    from vetting import wire
    from vetting.asking import ask
    from vetting.domain.errors import Refusal
    from vetting.verbs.run_ssh import ended_in_order, memory_folder

    run = ask(args, lambda client: client.get(f"/api/runs/{args.run}", wire.RunView))
    saved = _fetched(args)
    _show(run, saved)
    _confirm(args)
    message = wire.RestoreHeads(serial=args.serial, reason=args.reason, over_data=args.over_data)
    permit = ask(args, lambda client: client.call(f"/api/runs/{args.run}/restore-permit", message, wire.RestorePermit))
    why_not = "" if run.enterable else "nobody can sign in to the host"
    with ended_in_order(), tempfile.TemporaryDirectory(prefix="vetting-", dir=memory_folder()) as folder:  # 0700
        _lay_out(Path(folder), saved, permit)
        if not why_not:
            try:
                key = ask(args, lambda client: client.get(f"/api/runs/{args.run}/hold-key", wire.HoldKey))
                return _put_back(key, Path(folder), args.port, permit)
            except (Refusal, Unreached) as why:
                why_not = str(why)
    return _by_hand(saved, permit, why_not)


class Unreached(Exception):
    """The host could not be had before anything was written there."""


def _fetched(args: argparse.Namespace) -> Saved:
    """The oldest ends of this disk, for later ones may already be of our own data. Raises NotFound, BadInput."""
    from vetting import wire
    from vetting.asking import ask
    from vetting.client import Client
    from vetting.domain.disks import normal_serial
    from vetting.domain.errors import BadInput, NotFound
    from vetting.surface import heads

    async def fetched(client: Client) -> Saved | None:
        listed = await client.get(f"/api/runs/{args.run}/artifacts", tuple[wire.ArtifactView, ...])
        ends = [one for one in listed if one.name.startswith("heads-") and one.name.endswith(".bin")]
        for one in sorted(ends, key=lambda one: one.id):
            if args.artifact not in (0, one.id):
                continue
            raw = await client.fetch(f"/api/runs/{args.run}/artifacts/{one.id}", limit_bytes=one.size_bytes)
            with contextlib.suppress(BadInput):
                found = heads.read(raw, f"artifact {one.id}")
                if normal_serial(found.serial) == normal_serial(args.serial):
                    return Saved(one, found, raw)
        return None

    if (saved := ask(args, fetched)) is None:
        raise NotFound(
            f"run {args.run} saved no ends of a disk with the serial {args.serial!r}; `vetting run artifacts {args.run}` lists its files"
        )
    return saved


def _show(run: wire.RunView, saved: Saved) -> None:
    from vetting.asking import visible

    heads, last = saved.heads, saved.heads.tail_at + len(saved.heads.tail)
    print(f"run {run.id} of {visible(run.host)}: {visible(run.state)}, {visible(run.failed_stage)}")
    print(f"disk {visible(heads.serial)} with {heads.size_bytes} bytes, WWN {visible(heads.wwn) or 'unknown'}")
    print(
        f"saved before attempt {saved.artifact.attempt} at {saved.artifact.stage} wrote (artifact {saved.artifact.id})"
    )
    print(f"would be written: bytes 0 to {len(heads.head)}, and bytes {heads.tail_at} to {last}; nothing between them")
    held = heads.known()
    print(f"they hold: {visible('; '.join(held[:MOST_NAMED]), 1000) if held else 'nothing that is known here'}")
    print("what the run has overwritten between them stays overwritten", flush=True)


def _confirm(args: argparse.Namespace) -> None:
    from vetting.domain.errors import BadInput

    said = args.confirm
    if not said and sys.stdin.isatty():
        said = input("type the serial of the disk to write to it: ").strip()
    if said != args.serial:
        raise BadInput("not confirmed, nothing was done; type the disk's serial, or give it with --confirm")


def _lay_out(folder: Path, saved: Saved, permit: wire.RestorePermit) -> None:
    for name, raw in (("heads", saved.raw), ("permit.json", permit.permit.encode())):
        (folder / name).write_bytes(raw)
        (folder / name).chmod(0o600)


def _put_back(key: wire.HoldKey, folder: Path, port: int, permit: wire.RestorePermit) -> int:
    from vetting.verbs.run_ssh import lay_out, ssh, why_not

    lay_out(key, folder)
    troubles = []
    for address in key.addresses:
        words = ssh(key.run_id, folder, f"{key.user}@{ipaddress.ip_address(address)}", port)
        if why := asyncio.run(why_not(words)):
            troubles.append(f"{address}: {why}")
            continue
        return asyncio.run(_Host(words).restores(folder, permit))
    raise Unreached(f"{key.host} cannot be entered; {'; '.join(troubles)}")


@dataclass(frozen=True)
class _Host:
    """A held host by the words of ssh that let us in."""

    words: Sequence[str]

    async def says(self, command: str, *, limit_s: float = 30.0, given: str = "/dev/null") -> ToolRun:
        from vetting import proc

        argv = [*self.words[:-1], "-o", "BatchMode=yes", self.words[-1], command]
        return await proc.run(argv, limit_s=limit_s, input_file=given)

    async def does(self, command: str, *, limit_s: float = 30.0, given: str = "/dev/null") -> str:
        ended = await self.says(command, limit_s=limit_s, given=given)
        if ended.exit_code != 0 or ended.timed_out:
            raise Unreached(f"on the host {command.split()[0]!r} {ended.how_it_ended}: {ended.stderr.strip()[-200:]}")
        return ended.stdout.strip()

    async def restores(self, folder: Path, permit: wire.RestorePermit) -> int:
        there = await self.does("mktemp -d /run/vetting-restore-XXXXXXXX")
        try:
            for name in ("heads", "permit.json"):
                target = shlex.quote(f"{there}/{name}")
                await self.does(f"umask 077; cat > {target}", limit_s=CARRY_LIMIT_S, given=str(folder / name))
            ahead_s = permit.now_s - float(await self.does("date +%s"))
            command = restoring(f"{there}/heads", f"{there}/permit.json", permit, ahead_s)
            ended = await self.says(command, limit_s=RESTORE_LIMIT_S)
            return await self._told(ended)
        finally:
            await self.says(f"rm -rf {shlex.quote(there)}")

    async def _told(self, ended: ToolRun) -> int:
        """What the program on the host said, and what blkid says of the disk now."""
        from vetting.asking import visible
        from vetting.parsers.errors import ParseError
        from vetting.parsers.surface import SurfaceOutcome, parse

        try:
            report = parse(ended.stdout)
        except ParseError as why:
            said = visible(ended.stderr.strip()[-300:])
            print(f"the program on the host {ended.how_it_ended}: {why}; {said}. Look at the disk before anything else")
            return 1
        if ended.exit_code != 0 or report.outcome is not SurfaceOutcome.CLEAN or report.disk is None:
            print(f"not put back: {visible(report.reason, 2000)}")
            return 1
        device = f"/dev/{report.disk.name}"
        print(f"put back: {report.bytes_verified} bytes of {visible(device)}, each read back and compared")
        looked = await self.says(f"blkid -p -o export {shlex.quote(device)}")
        print("\n".join(visible(line) for line in looked.stdout.splitlines()) or "blkid finds nothing on it")
        return 0


def restoring(heads: str, permit_file: str, permit: wire.RestorePermit, ahead_s: float = 0.0) -> str:
    """The command on the host. Which device it is the program finds out itself, by the serial in the saved ends."""
    clock = [f"--clock-offset-s={ahead_s:.0f}"] if abs(ahead_s) > NEAR_S else []
    return shlex.join(
        [
            "vetting", "surface", "restore-heads", "--heads", heads, "--permit", permit_file, "--permit-key", permit.permit_key,
            "--run-id", str(permit.run_id), "--host-id", permit.host, *clock,
        ]
    )  # fmt: skip


def _by_hand(saved: Saved, permit: wire.RestorePermit, why_not: str) -> int:
    """The files beside us, and the two commands that a person gives."""
    folder = Path(tempfile.mkdtemp(prefix=f"restore-run-{permit.run_id}-", dir="."))
    _lay_out(folder, saved, permit)
    print(
        f"not put back: {why_not}. Within {permit.valid_s / 60:.0f} min these two commands do it; HOST is the held host:"
    )
    print(f"  scp {shlex.quote(f'{folder}/heads')} {shlex.quote(f'{folder}/permit.json')} root@HOST:/run/")
    print(f"  {restoring('/run/heads', '/run/permit.json', permit)}")
    print(json.dumps({"heads": f"{folder}/heads", "permit": f"{folder}/permit.json"}))
    return 1
