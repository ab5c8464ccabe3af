"""What Proxmox VE says through `pvesh get PATH --output-format json`: guests of a node, cluster status, HA status.

Shapes as the API's own schema and source have them (qemu-server, pve-container, pve-manager, pve-ha-manager; PVE 7 to 9).
Truth values are 0 and 1, numbers are sometimes texts, and an entry of a type that we do not know is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from vetting.domain.safelook import Guest, Ha
from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load

TOOL = "pvesh"
AT_REST = ("stopped", "ignored", "disabled")  # states of an HA resource that runs nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`name` is empty on a node of its own."""

    name: str
    quorate: bool
    nodes: tuple[str, ...]
    local: str  # this node's name


def parse_guests(text: str, kind: str) -> tuple[Guest, ...]:
    """`/nodes/NODE/qemu` or `/nodes/NODE/lxc`: the guests that are not stopped. Raises ParseError.

    `kind` is the word for people, "VM" or "container". A paused or frozen guest has memory to lose as well.
    """
    found = []
    for row in _rows(text):
        number, status = row.whole("vmid"), row.text("status")
        if number is None or not status:
            raise ParseError(TOOL, f"{row.where}vmid or status is missing", repr(row.value)[:400])
        if status != "stopped":
            name = row.text("name")
            found.append(Guest(name=f"{kind} {number}{f' ({name[:60]})' if name else ''}", status=status[:20]))
    return tuple(found)


def parse_cluster(text: str) -> Cluster:
    """`/cluster/status`. Raises ParseError, also where this node itself is not in it."""
    rows = _rows(text)
    nodes = [row for row in rows if row.text("type") == "node"]
    local = [row for row in nodes if row.flag("local")]
    if len(local) != 1 or not local[0].text("name"):
        raise ParseError(TOOL, "the cluster's status does not name this node", text)
    whole = [row for row in rows if row.text("type") == "cluster"]
    if whole and whole[0].flag("quorate") is None:
        raise ParseError(TOOL, "the cluster's status does not tell whether it is quorate", text)
    return Cluster(
        name=(whole[0].text("name") or "?") if whole else "",
        quorate=bool(whole[0].flag("quorate")) if whole else True,
        nodes=tuple(row.text("name") or "" for row in nodes),
        local=local[0].text("name") or "",
    )


def parse_ha(text: str, node: str) -> Ha:
    """`/cluster/ha/status/current`, as far as it concerns `node`. Raises ParseError."""
    rows = _rows(text)
    kinds = [row.text("type") for row in rows]
    if "quorum" not in kinds:
        raise ParseError(TOOL, "the HA status has no entry for the quorum", text)
    lrm = [row.text("status") or "" for row in rows if row.text("type") == "lrm" and row.text("node") == node]
    resources = []
    for row in rows:
        if row.text("type") == "service" and row.text("node") == node:
            state = row.text("crm_state") or row.text("state") or row.text("request_state") or "unknown"
            if state not in AT_REST:
                name = row.text("sid") or (row.text("id") or "?").removeprefix("service:")
                resources.append(f"{name[:40]} ({state[:20]})")
    return Ha(maintenance=any("maintenance mode" in status for status in lrm), resources=tuple(resources))


def _rows(text: str) -> list[Node]:
    document = load(TOOL, text)
    if not isinstance(document.value, list):
        raise ParseError(TOOL, "its JSON is not a list", text)
    rows = [Node(TOOL, row, f"[{place}].") for place, row in enumerate(document.value)]
    for row in rows:
        row.fields  # noqa: B018 - raises for a row that is no object
    return rows
