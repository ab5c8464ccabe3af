"""The four things the program does: scan, probe, save heads, put heads back. Each ends with one result and its status.

Statuses: 0 every promised byte written and verified (or the request carried out), 1 the disk is at fault, 2 a safety line
stands against it and nothing was written, 3 we could not, 4 stopped. The result says more than the status.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vetting.domain.disks import DiskIdentity, Line, Objection, use_objections
from vetting.domain.errors import Refusal, ToolMissing
from vetting.domain.permit import Permit
from vetting.surface import checkpoint, heads
from vetting.surface.checkpoint import Binding, Saved
from vetting.surface.device import OpenDisk, closed_after, reread_partitions
from vetting.surface.engine import Scan, Standing, phases_of, standing_from, threads_for
from vetting.surface.faults import Fault, of_errno
from vetting.surface.gate import (
    Admitted,
    Refused,
    Terms,
    admit,
    check_once_more,
    mark_used,
    open_for_reading,
    permit_of,
    refuse_foreign,
)
from vetting.surface.pattern import SALT_BYTES
from vetting.surface.plan import Plan
from vetting.surface.probe import CannotProbe, Unreadable, probe
from vetting.surface.sysfs import World
from vetting.surface.words import Voice, told_disk, told_fault, told_hits, told_objections, told_scan

MAX_PERMIT_BYTES = 256 * 1024
AFTER_PROCESS, AFTER_BOOT = "process", "boot"  # what ended the session that a resumed one goes on from


class Program:
    """One call of the program: its arguments, its voice, and what would stop it."""

    def __init__(self, args: Namespace, world: World | None = None) -> None:
        self.args = args
        self.world = world or World()
        self.voice = Voice(args.progress_s)
        self.signalled = ""
        self.left_aside = ""  # why a checkpoint that was carried here is not gone on from

    def run(self) -> int:
        """Does what was asked for; whatever happens, one result is said."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        action: Callable[[], int] = {
            "scan": self._read if self.args.read_only else self._scan,
            "probe": self._probe,
            "save-heads": self._save_heads,
            "restore-heads": self._restore_heads,
        }[self.args.action]
        try:
            return action()
        except Refused as refused:
            if self.signalled and {each.line for each in refused.objections} == {Line.STOP}:
                return self.voice.result("stopped", f"{self.stop()}; nothing was written")
            return self._refused(refused.objections, refused.disk, **_found(refused))
        except Refusal as refusal:  # a checkpoint or a file of heads that belongs elsewhere
            return self._refused((Objection(Line.RECORDS, str(refusal)),), None)
        except Unreadable as trouble:
            fault = Fault("probe", 0, trouble.offset, 0, *of_errno(trouble.error))
            return self.voice.result("bad", str(trouble), bad_blocks=1, errors=[told_fault(fault)])
        except (OSError, CannotProbe, ToolMissing, ValueError) as trouble:
            return self.voice.result("error", f"{type(trouble).__name__}: {trouble}")

    def stop(self) -> str:
        """Why to stop now; empty: go on."""
        if self.signalled:
            return f"stopped by {self.signalled}"
        if self.voice.unheard:
            return "nobody reads the output any more"
        if self.args.stop_file and os.path.lexists(self.args.stop_file):
            return f"the stop file {self.args.stop_file} is there"
        return ""

    def _on_signal(self, number: int, _frame: object) -> None:
        self.signalled = signal.Signals(number).name

    def _terms(self) -> Terms:
        args = self.args
        text = args.permit.read_bytes()[: MAX_PERMIT_BYTES + 1].decode("utf-8", "replace") if args.permit else ""
        return Terms(
            permit_text=text,
            permit_key=args.permit_key,
            run_id=args.run_id,
            host_id=args.host_id,
            now=lambda: time.time() + args.clock_offset_s,
            non_destructive=args.non_destructive,
            under_test=os.environ.get("VETTING_TEST", "") not in ("", "0"),
            stop=self.stop,
            world=self.world,
        )

    def _scan(self) -> int:
        terms = self._terms()
        if not self.args.heads_dir:
            raise ValueError("a scan that writes needs --heads-dir: without a way back nothing is written")
        admitted = admit(self.args.disk, terms)
        with closed_after(admitted.device.fd):
            binding = self._binding(admitted.disk)
            saved, after = self._kept(binding)
            if saved is None:
                saved = self._begin(admitted)
            used = heads.used_file_for(self.args.heads_dir, admitted.disk, admitted.permit)
            mark_used(used, admitted, again=after == AFTER_PROCESS)
            check_once_more(admitted, terms)
            return self._run_scan(admitted.device, admitted.disk, saved, after, found=admitted.found.state)

    def _kept(self, binding: Binding) -> tuple[Saved | None, str]:
        """What an earlier session left and what ended that one: the process, by the file of this boot, or the boot, by what was
        carried away in time. One of this boot that does not fit is refused; one that was carried is then left aside."""
        if self.args.checkpoint and (saved := checkpoint.load(self.args.checkpoint, binding)):
            return saved, AFTER_PROCESS
        if not self.args.carried:
            return None, ""
        saved, self.left_aside = checkpoint.carried_here(self.args.carried, binding)
        return saved, AFTER_BOOT if saved else ""

    def _begin(self, admitted: Admitted) -> Saved:
        """Before the first byte: the way back, then the checkpoint that knows of it."""
        where = self._keep_heads(admitted.device.fd, admitted.disk, admitted.permit)
        digest = hashlib.sha256(where.read_bytes()).hexdigest()
        return Saved(salt=secrets.token_bytes(SALT_BYTES), heads=str(where), heads_sha256=digest, standing={})

    def _keep_heads(self, fd: int, disk: DiskIdentity, permit: Permit) -> Path:
        """Both ends in their file. Raises Refused where they lie there already and the disk has changed since."""
        where = heads.file_for(self.args.heads_dir, disk, permit)
        now = heads.taken(fd, disk, self.args.run_id)
        try:
            heads.save(where, now)
        except FileExistsError:
            if heads.load(where) != now:
                reason = f"the heads in {where} were saved with this permit and the disk has changed since"
                raise Refused((Objection(Line.PERMIT, reason),), disk) from None
        return where

    def _binding(self, disk: DiskIdentity) -> Binding:
        return Binding(
            serial=disk.serial,
            wwn=disk.wwn,
            size_bytes=disk.size_bytes,
            run_id=self.args.run_id,
            cycles=self.args.cycles,
            sample_bytes=self.args.sample,
            read_only=self.args.read_only,
        )

    def _run_scan(self, device: OpenDisk, disk: DiskIdentity, saved: Saved, after: str, found: str) -> int:
        args, binding = self.args, self._binding(disk)
        plan = Plan(disk.size_bytes, args.sample, saved.salt)
        standing = standing_from(saved.standing) if saved.standing else Standing()
        scan = Scan(
            device=device,
            plan=plan,
            phases=phases_of(cycles=args.cycles, read_only=args.read_only),
            salt=saved.salt,
            threads=args.threads or threads_for(disk.rotational),
            standing=standing,
            stop=self.stop,
            keep=self._keeper(binding, saved),
            tell=lambda phase, tally: self.voice.progress(
                phase, tally, plan.bytes_promised, standing.faults.bad_blocks
            ),
            max_bad_blocks=args.max_bad_blocks,
            checkpoint_bytes=args.checkpoint_every,
        )
        resumed_at = sum(tally.ok_bytes for tally in standing.tallies)
        if after:
            scan.resume(after)
        scan.checkpoint()
        began = time.monotonic()
        try:
            ending = scan.run()
        except OSError as trouble:
            parts = told_scan(scan)
            return self.voice.result("error", f"{type(trouble).__name__}: {trouble}", disk=told_disk(disk), **parts)
        if not args.read_only:
            reread_partitions(device.fd)
        status = self.voice.result(
            ending.outcome,
            ending.reason,
            disk=told_disk(disk),
            direct=device.direct,
            resumed=bool(after),
            resumed_at_bytes=resumed_at,
            left_aside=self.left_aside,
            session_seconds=round(time.monotonic() - began, 3),
            heads=saved.heads,
            found=found,
            **told_scan(scan),
        )
        finished = ending.outcome in ("clean", "bad") and not self.voice.unheard
        if finished and args.checkpoint and not args.keep_checkpoint:
            args.checkpoint.unlink(missing_ok=True)  # a finished scan is told once; the next one starts from nothing
        return status

    def _keeper(self, binding: Binding, saved: Saved) -> Callable[[dict[str, Any]], None]:
        def keep(row: dict[str, Any]) -> None:
            if self.args.checkpoint:
                checkpoint.save(self.args.checkpoint, binding, replace(saved, standing=row))

        return keep

    def _read(self) -> int:
        """Reads the surface and writes nothing: needs no permit, and looks at any disk."""
        device, disk, _ = open_for_reading(self.args.disk, self.world)
        with closed_after(device.fd):
            self.args.cycles = 1
            binding = self._binding(disk)
            saved = checkpoint.load(self.args.checkpoint, binding) if self.args.checkpoint else None
            fresh = saved or Saved(salt=secrets.token_bytes(SALT_BYTES), heads="", heads_sha256="", standing={})
            return self._run_scan(device, disk, fresh, AFTER_PROCESS if saved else "", found="")

    def _probe(self) -> int:
        """Says who the disk is, what uses it and what is on it; exit 2 where anything would stand against writing."""
        device, disk, around = open_for_reading(self.args.disk, self.world)
        with closed_after(device.fd):
            found = probe(device.fd, disk)
        objections = use_objections(disk, around)
        objections += tuple(Objection(Line.WIPE_PROBE, f"{disk.name} holds {hit}") for hit in found.hits)
        parts = {"hits": told_hits(found.hits), "found": found.state}
        if objections:
            return self._refused(objections, disk, **parts)
        return self.voice.result("clean", "", disk=told_disk(disk), **parts)

    def _save_heads(self) -> int:
        """Takes both ends of a disk, for somebody to carry them away before the scan; the scan finds them there.

        Where a scan is to go on from its checkpoint they are those that it took: the disk as it was before the first byte. After
        another boot no file of them is here; their checksum tells which they are.
        """
        permit = permit_of(self._terms())
        device, disk, around = open_for_reading(self.args.disk, self.world)
        with closed_after(device.fd):
            refuse_foreign(disk, around, permit_disks=[entry.serial for entry in permit.disks])
            saved, _ = self._kept(self._binding(disk))
            if saved and saved.heads:
                heads.check_owner(heads.load(Path(saved.heads)), disk)
            where = saved.heads if saved else str(self._keep_heads(device.fd, disk, permit))
        told = {"resumed": saved is not None, "left_aside": self.left_aside}
        if saved:
            told["heads_sha256"] = saved.heads_sha256
        return self.voice.result("clean", "", disk=told_disk(disk), heads=where, **told)

    def _restore_heads(self) -> int:
        """Puts saved heads back, behind the same gate as a scan."""
        terms = self._terms()
        saved = heads.load(self.args.heads)
        admitted = admit(self.args.disk or heads.device_of(saved, self.world), terms)
        with closed_after(admitted.device.fd):
            heads.check_owner(saved, admitted.disk)
            check_once_more(admitted, terms)
            written = heads.put_back(admitted.device.fd, admitted.disk, saved)
        return self.voice.result(
            "clean",
            "",
            disk=told_disk(admitted.disk),
            heads=str(self.args.heads),
            bytes_promised=written,
            bytes_written=written,
            bytes_verified=written,
        )

    def _refused(self, objections: tuple[Objection, ...], disk: DiskIdentity | None, **parts: Any) -> int:
        return self.voice.result(
            "refused",
            "; ".join(map(str, objections))[:4000],
            disk=told_disk(disk) if disk else None,
            objections=told_objections(objections),
            **parts,
        )


def _found(refused: Refused) -> dict[str, Any]:
    return {"hits": told_hits(refused.found.hits), "found": refused.found.state} if refused.found else {}
