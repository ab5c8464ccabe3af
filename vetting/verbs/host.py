"""`vetting host`: the hosts that the orchestrator knows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from vetting import wire
    from vetting.client import Client
    from vetting.domain.hostspec import ExpectedSpec

EXAMPLE = "vetting host add pve-07 --mac 52:54:00:12:34:56 --spec pve-07.yaml"

OF_ALL = ("list", "unknown")  # these name no host


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vetting.asking import add_connection
    from vetting.verbs import host_bmc, host_pin

    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("list", "all hosts"), ("unknown", "machines that asked to boot and are in no host's record"), ("show", "one host"), ("add", "add a host"), ("edit", "change a host"),
        ("remove", "remove a host without an active run"), ("token", "a new token for the host's reporter"),
        ("code", "the line that installs and registers the host's reporter, good once"),
        ("relearn", "forget a host's identity after its board or card was replaced"),
        ("bmc", "note a host's management controller, for --start-by power"),
        ("pin", "make what a run measured the floors and ceilings of a host, or of its class"),
        ("power", "ask a host's management controller whether the host is on"),
    ):  # fmt: skip
        one = verbs.add_parser(name, help=does, description=does, allow_abbrev=False)
        add_connection(one)
        if name not in OF_ALL:
            one.add_argument("name", help="the host's name")
        if name in ("add", "edit"):
            one.add_argument("--mac", action="append", help="a MAC address; may be given again")
            one.add_argument("--note", help="a line for people")
            one.add_argument("--spec", type=Path, metavar="FILE", help="expected spec, YAML")
        if name == "bmc":
            host_bmc.arguments(one)
        if name == "pin":
            host_pin.arguments(one)
        if name in ("remove", "relearn"):
            one.add_argument("--reason", default="", help="kept in the audit log")


def main(args: argparse.Namespace) -> int:
    from vetting.asking import ask, print_json
    from vetting.verbs import host_bmc, host_pin

    answer = ask(args, lambda client: _talk(client, args))
    if args.json:
        print_json(answer)
    elif args.what == "list":
        _list(answer)
    elif args.what == "unknown":
        _list_unknown(answer)
    elif args.what == "token":
        print(f"{answer.token}\n(shown once; the reporter's older token no longer works)")
    elif args.what == "code":
        print(f"On {answer.host}, as root, within {answer.valid_s / 60:.0f} min, once:\n\n  {answer.command}\n")
        print("It shows what it will do and asks. With `sh -s -- --dry-run` in place of `sh` it goes no further.")
    elif args.what == "power":
        host_bmc.say(answer)
    elif args.what == "pin":
        host_pin.said(answer, args)
    elif args.what == "remove":
        print(f"{args.name} is removed; its runs and reports stay")
    else:
        _show(answer)
    return 0


async def _talk(client: Client, args: argparse.Namespace) -> Any:
    from vetting import wire
    from vetting.verbs import host_bmc, host_pin

    path = f"/api/hosts/{quote(args.name, safe='')}" if args.what not in OF_ALL else ""
    if args.what == "list":
        return await client.get("/api/hosts", tuple[wire.HostView, ...])
    if args.what == "unknown":
        return await client.get("/api/unknown-hosts", tuple[wire.UnknownHostView, ...])
    if args.what == "show":
        return await client.get(path, wire.HostView)
    if args.what == "add":
        return await client.call("/api/hosts", _edit(args, None), wire.HostView)
    if args.what == "edit":
        known = await client.get(path, wire.HostView)
        return await client.change("PUT", path, _edit(args, known), wire.HostView)
    if args.what == "bmc":
        return await host_bmc.note(client, path, args)
    if args.what == "power":
        return await host_bmc.power(client, path)
    if args.what == "pin":
        return await host_pin.pin(client, path, args)
    if args.what == "remove":
        return await client.change("DELETE", path, wire.Because(reason=args.reason), wire.Because)
    if args.what == "relearn":
        return await client.call(f"{path}/relearn", wire.Because(reason=args.reason), wire.HostView)
    if args.what == "code":
        return await client.call(f"{path}/registration-code", wire.Because(), wire.RegistrationCode)
    return await client.call(f"{path}/reporter-token", wire.Because(), wire.TokenShown)


def _edit(args: argparse.Namespace, known: wire.HostView | None) -> wire.HostEdit:
    from vetting import wire
    from vetting.domain.hostspec import ExpectedSpec

    spec = known.spec if known else ExpectedSpec()
    return wire.HostEdit(
        name=args.name,
        macs=tuple(args.mac) if args.mac is not None else (known.macs if known else ()),
        note=args.note if args.note is not None else (known.note if known else ""),
        spec=_spec(args.spec) if args.spec else spec,
        bmc=known.bmc if known else None,
    )


def _spec(path: Path) -> ExpectedSpec:
    """An expected spec from YAML. Raises ConfigErrors with every mistake, BadInput where the file cannot be read."""
    from vetting.config import hostfile
    from vetting.config.document import LARGEST_BYTES
    from vetting.domain.errors import BadInput

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the expected spec {path}: {error.strerror}; check the path") from error
    return hostfile.read(raw, str(path))


def _list(hosts: tuple[wire.HostView, ...]) -> None:
    from vetting.asking import ago, print_table

    if not hosts:
        print("no hosts yet; `vetting host add NAME --mac …` adds one")
        return
    rows = [
        (
            host.name, host.state or "idle", str(host.last_run_id or ""), host.last_verdict, ago(host.reporter_age_s),
            _readiness(host),
        )
        for host in hosts
    ]  # fmt: skip
    print_table(("host", "state", "run", "verdict", "reporter heard", "says"), rows)


def _readiness(host: wire.HostView) -> str:
    """What its reporter said when it was last heard."""
    if host.reporter_age_s is None:
        return ""
    if not host.reporter_allowed:
        return "reboot not allowed on the host"
    if host.reporter_obstacles:
        more = len(host.reporter_obstacles) - 1
        return f"not now: {host.reporter_obstacles[0][:60]}{f' (and {more} more)' if more else ''}"
    return (
        f"ready, boots by {', '.join(host.reporter_ways)}" if host.reporter_ways else "no way to boot from the network"
    )


def _list_unknown(machines: tuple[wire.UnknownHostView, ...]) -> None:
    import time

    from vetting.asking import ago, print_table, visible

    if not machines:
        print("no machine that is in no host's record has asked to boot")
        return
    now = time.time()
    rows = [
        (one.mac, one.address, f"{ago(now - one.last_seen_at)}, {one.times} times", visible(one.what))
        for one in machines
    ]
    print_table(("network card", "address", "asked", "says of itself"), rows)
    print("\n`vetting host add NAME --mac MAC` makes one of them known")


def _show(host: wire.HostView) -> None:
    import msgspec
    import yaml

    from vetting.asking import visible

    told = {name: value for name, value in msgspec.to_builtins(host).items() if value not in ("", [], None, {})}
    told["spec"] = {name: value for name, value in told["spec"].items() if value not in ("", [], None, {}, 0, 0.0)}
    for line in yaml.safe_dump(told, sort_keys=False, allow_unicode=True).splitlines():
        print(visible(line))
