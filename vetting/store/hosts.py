"""The hosts that we know. Every function is called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from typing import TypedDict, Unpack

from vetting.domain.bmc import Bmc
from vetting.domain.errors import Conflict, NotFound
from vetting.domain.hostspec import ExpectedSpec, Identity
from vetting.store.models import Host, Run
from vetting.store.rows import HostRow, row


class HostChanges(TypedDict, total=False):
    """What may be changed about a host."""

    name: str
    macs: tuple[str, ...]
    note: str
    spec: ExpectedSpec
    identity: Identity | None
    identity_source: str
    reporter_token_hash: str
    reporter_boot_id: str
    reporter_version: str
    reporter_seen_at: float | None
    reporter_allowed: bool
    reporter_obstacles: tuple[str, ...]
    reporter_ways: tuple[str, ...]
    bmc: Bmc | None
    bmc_password: str
    registered_at: float | None


def create(
    name: str, *, now: float, macs: tuple[str, ...] = (), note: str = "", spec: ExpectedSpec | None = None
) -> HostRow:
    """A new host. Raises Conflict where the name, or one of the addresses, belongs to another."""
    ours = _addresses(macs)
    _refuse_twins(name, ours, but=0)
    made = Host.create(name=name, macs=ours, note=note, spec=spec or ExpectedSpec(), created_at=now)
    return get(made.id)


def find(host_id: int) -> HostRow | None:
    """The host with this number, removed or not."""
    record = Host.get_or_none(Host.id == host_id)
    return None if record is None else row(HostRow, record)


def get(host_id: int) -> HostRow:
    """As `find`. Raises NotFound."""
    if (host := find(host_id)) is None:
        raise NotFound(f"there is no host {host_id}; `vetting host list` shows those that there are", host=host_id)
    return host


def by_name(name: str) -> HostRow | None:
    """The host of this name that has not been removed."""
    record = Host.get_or_none((Host.name == name) & (Host.removed_at == 0.0))
    return None if record is None else row(HostRow, record)


def by_mac(mac: str) -> HostRow | None:
    """The host that owns this address, in any notation of case and separator."""
    wanted = _address(mac)
    return next((host for host in listing() if wanted in host.macs), None)


def by_reporter_token(token_hash: str) -> HostRow | None:
    """The host whose reporter holds the token with this hash; compare it again with `tokens.matches`."""
    if not token_hash:
        return None
    record = Host.get_or_none((Host.reporter_token_hash == token_hash) & (Host.removed_at == 0.0))
    return None if record is None else row(HostRow, record)


def listing() -> list[HostRow]:
    """All hosts that have not been removed, by name."""
    return [row(HostRow, record) for record in Host.select().where(Host.removed_at == 0.0).order_by(Host.name)]


def edit(host_id: int, **changes: Unpack[HostChanges]) -> HostRow:
    """The host with some fields changed. Raises NotFound, and Conflict as `create` does."""
    host = get(host_id)
    if "macs" in changes:
        changes["macs"] = _addresses(changes["macs"])
    if "name" in changes or "macs" in changes:
        _refuse_twins(changes.get("name", host.name), changes.get("macs", host.macs), but=host_id)
    if changes:
        Host.update(dict(changes)).where(Host.id == host_id).execute()
    return get(host_id)


def remove(host_id: int, *, now: float) -> None:
    """Takes a host out of every list. Its runs stay, for they are evidence; without runs the row goes altogether."""
    get(host_id)
    if Run.select().where(Run.host == host_id).exists():
        Host.update(removed_at=now, reporter_token_hash="", bmc_password="").where(Host.id == host_id).execute()
    else:
        Host.delete().where(Host.id == host_id).execute()


def _address(mac: str) -> str:
    digits = "".join(sign for sign in mac.lower() if sign in "0123456789abcdef")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2)) if len(digits) == 12 else mac.strip().lower()


def _addresses(macs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({_address(mac) for mac in macs}))


def _refuse_twins(name: str, macs: tuple[str, ...], *, but: int) -> None:
    for other in listing():
        if other.id == but:
            continue
        if other.name == name:
            raise Conflict(f"there is already a host named {name!r}; choose another name", host=other.id)
        if both := sorted(set(macs) & set(other.macs)):
            raise Conflict(
                f"the address {both[0]} belongs to host {other.name!r}; remove it there first", host=other.id
            )
