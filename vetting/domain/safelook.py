"""What speaks against rebooting an installed host: facts that its reporter collected, and the reasons in words.

A fact that could not be had is `Unknown`, and unknown is a reason too: never is a host rebooted because nobody looked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

NAMED = 8  # of each kind, before "and N more"


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be looked at, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A virtual machine or container that is not stopped. `status`: as the tool says it."""

    name: str  # "VM 100 (web)", "container 101", "process 4711 (kvm)"
    status: str = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Osd:
    """One Ceph OSD of this host."""

    number: int
    up: bool
    inside: bool  # "in": data is placed on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """A quorum: of corosync, or of Ceph's monitors."""

    present: int  # votes that are cast now
    own: int  # of them, lost with this host
    needed: int
    quorate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ha:
    """The HA manager's view of this node."""

    maintenance: bool
    resources: tuple[str, ...]  # on this node and not stopped: "vm:100 (started)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """None and empty: looked at, and there is no such thing here."""

    node: str
    guests: tuple[Guest, ...] | Unknown
    tasks: tuple[str, ...] | Unknown  # of the node's own management: backups, migrations
    osds: tuple[Osd, ...] | Unknown
    monitors: Votes | Unknown | None
    cluster: Votes | Unknown | None
    ha: Ha | Unknown | None
    packages: tuple[str, ...] | Unknown  # locks of apt and dpkg that somebody holds
    arrays: tuple[str, ...] | Unknown  # md arrays that resync, recover, reshape or are checked
    pools: tuple[str, ...] | Unknown  # ZFS pools that resilver or scrub


WHAT = {
    "guests": "running guests",
    "tasks": "running tasks",
    "osds": "Ceph OSDs",
    "monitors": "the quorum of Ceph's monitors",
    "cluster": "the cluster's quorum",
    "ha": "HA resources",
    "packages": "package installations",
    "arrays": "md arrays",
    "pools": "ZFS pools",
}


def obstacles(facts: Facts) -> tuple[str, ...]:
    """Every reason not to reboot this host now; empty when there is none."""
    found = [
        f"{WHAT[item.name]} could not be looked at: {value.why}"
        for item in fields(facts)
        if isinstance(value := getattr(facts, item.name), Unknown)
    ]
    if not isinstance(facts.guests, Unknown) and facts.guests:
        count = len(facts.guests)
        said = _named(f"{guest.name} {guest.status}" for guest in facts.guests)
        found.append(f"{count} {'guest runs' if count == 1 else 'guests run'} here: {said}; move or stop them")
    if not isinstance(facts.tasks, Unknown) and facts.tasks:
        found.append(f"tasks run here: {_named(facts.tasks)}; wait for their end")
    found += _ceph(facts)
    if isinstance(facts.cluster, Votes):
        found += _quorum(facts.cluster, "the cluster", "bring the other nodes back first")
    if isinstance(facts.ha, Ha) and facts.ha.resources:
        do = (
            "it is in maintenance, so wait until they have moved"
            if facts.ha.maintenance
            else f"`ha-manager crm-command node-maintenance enable {facts.node}` moves them"
        )
        found.append(f"HA resources are on this node: {_named(facts.ha.resources)}; {do}")
    for name, do in (
        ("packages", "packages are being installed here (locked: {}); wait for the end"),
        ("arrays", "md arrays are busy: {}; wait for the end"),
        ("pools", "ZFS pools are busy: {}; wait for the end"),
    ):
        value = getattr(facts, name)
        if not isinstance(value, Unknown) and value:
            found.append(do.format(_named(value)))
    return tuple(found)


def _ceph(facts: Facts) -> list[str]:
    found = []
    if not isinstance(facts.osds, Unknown) and (bound := [osd for osd in facts.osds if osd.inside or osd.up]):
        said = _named(
            f"osd.{osd.number} {'in' if osd.inside else 'out'}, {'up' if osd.up else 'down'}" for osd in bound
        )
        found.append(f"Ceph keeps data here: {said}; take these OSDs out, wait for the rebalance, then stop them")
    if isinstance(facts.monitors, Votes):
        found += _quorum(facts.monitors, "Ceph's monitors", "bring the other monitors back first")
    return found


def _quorum(votes: Votes, who: str, do: str) -> list[str]:
    if not votes.quorate:
        return [f"{who} have no quorum now; {do}" if who.endswith("s") else f"{who} has no quorum now; {do}"]
    left = votes.present - votes.own
    if left < votes.needed:
        return [f"without this node {who} would have {left} of the {votes.needed} votes needed for a quorum; {do}"]
    return []


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more
