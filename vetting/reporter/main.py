"""Puts the reporter together, and lets it live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vetting.client import Client
from vetting.clock import Clock, SystemClock
from vetting.domain.errors import BadInput
from vetting.identity import boot_id
from vetting.reporter.loop import Reporter
from vetting.reporter.machine import Machine
from vetting.reporter.settings import load


async def run(
    root: Path, *, dry_run: bool = False, once: bool = False, say: Callable[[str], None], clock: Clock | None = None
) -> None:
    """For ever, or one heartbeat. Raises a Refusal where it could not begin, and with `once` whatever went wrong."""
    settings = load(root)
    boot = boot_id(root)
    if not boot:
        raise BadInput(
            "the kernel tells no boot id (/proc/sys/kernel/random/boot_id): no order could be bound to this boot"
        )
    clock = clock or SystemClock()
    machine = Machine(root=root, dry_run=dry_run, say=say)
    async with Client(settings.url, settings.fingerprint, token=settings.token, clock=clock) as client:
        reporter = Reporter(settings=settings, client=client, machine=machine, clock=clock, boot_id=boot, say=say)
        if once:
            await reporter.once()
            say(f"the orchestrator at {settings.url} took the heartbeat of {settings.host}")
        else:
            say(f"reporting for {settings.host} to {settings.url}{' (dry run)' if dry_run else ''}")
            await reporter.run()
