"""The way into a held host: where it waits, for everybody; how it is entered, and with which key, for operators alone."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from vetting.domain.states import RunState
from vetting.gate import HEADERS
from vetting.orchestrator.holding import USER, why_not_enterable
from vetting.store import runs
from vetting.store.rows import RunRow
from vetting.web.console import Console
from vetting.web.visit import Answer, Need, Page, View, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldShown:
    """`no_door`: why nobody can sign in; empty where an operator can. The private key is in none of it."""

    addresses: tuple[str, ...]
    no_door: str
    commands: tuple[str, ...] = ()  # one for each address
    known_hosts: tuple[str, ...] = ()


def hold_shown(run: RunRow, *, operator: bool) -> HoldShown | None:
    """None for a run that is not held. A viewer is told where the host waits, and nothing of how to get in."""
    if run.state is not RunState.FAILED_HOLDING:
        return None
    no_door = why_not_enterable(run)
    if no_door or not operator:
        return HoldShown(addresses=run.hold_addresses, no_door=no_door)
    return HoldShown(
        addresses=run.hold_addresses,
        no_door="",
        commands=tuple(ssh_command(run.id, address) for address in run.hold_addresses),
        known_hosts=known_hosts(run.id, run.hold_host_keys),
    )


def alias(run_id: int) -> str:
    """The name under which the host's own key is known: its address may be another host's tomorrow."""
    return f"vetting-run-{run_id}"


def key_file(run_id: int) -> str:
    return f"run-{run_id}.key"


def ssh_command(run_id: int, address: str) -> str:
    """For a shell in the folder that key and known_hosts were saved in."""
    return (
        f"ssh -i {key_file(run_id)} -o IdentitiesOnly=yes -o UserKnownHostsFile=run-{run_id}.known_hosts "
        f"-o StrictHostKeyChecking=yes -o HostKeyAlias={alias(run_id)} {USER}@{address}"
    )


def known_hosts(run_id: int, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{alias(run_id)} {key}" for key in keys)


async def ask(console: Console, visit: Visit) -> Answer:
    run = await console.store.read(lambda: runs.get(visit.number("run")))
    values = {"run": run, "hold": hold_shown(run, operator=True), "why_not": why_not_enterable(run)}
    return View(template="run_key.html.j2", title=f"Key to run {run.id}", values=values, nav="runs")


async def show_key(console: Console, visit: Visit) -> Answer:
    """The private half, shown or given as a file: asked for by a form of ours, and written down. Raises Conflict."""
    run_id = visit.number("run")
    key = await console.desk.doors.key(run_id, who=visit.who.name)
    if visit.form.get("as") == "file":
        named = {"Content-Disposition": f'attachment; filename="{key_file(run_id)}"'}
        body = key.private_key.encode()
        return web.Response(body=body, content_type="application/octet-stream", headers={**HEADERS, **named})
    values = {
        "run_id": run_id,
        "host": key.host,
        "private_key": key.private_key,
        "known_hosts": known_hosts(run_id, key.host_keys),
        "commands": tuple(ssh_command(run_id, address) for address in key.addresses),
        "file": key_file(run_id),
    }
    return View(template="run_key_shown.html.j2", title=f"Key to run {run_id}", values=values, nav="runs")


PAGES = (Page(path=r"/runs/{run:\d+}/key", need=Need.OPERATOR, show=ask, do=show_key),)
