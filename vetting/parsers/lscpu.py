"""What `lscpu -J` says of the processors; flat or nested, as the versions differ."""

from __future__ import annotations

from dataclasses import dataclass, field

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import Node, load, real, whole

TOOL = "lscpu"
DEEPEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    architecture: str | None
    vendor: str | None
    model: str | None
    logical: int | None  # CPU(s), online or not
    online: str | None  # list, as "0-31"
    offline: str | None
    sockets: int | None
    cores_per_socket: int | None
    threads_per_core: int | None
    numa_nodes: int | None
    max_mhz: float | None
    hypervisor: str | None  # None on metal
    flags: frozenset[str]
    fields: dict[str, str] = field(default_factory=dict)  # everything it said, without the colon

    @property
    def online_count(self) -> int | None:
        """Number of CPUs in the online list."""
        if self.online is None:
            return self.logical if self.offline is None else None
        return count(self.online)


def parse(text: str) -> Cpus:
    """stdout. Raises ParseError."""
    document = load(TOOL, text)
    if not isinstance(document.get("lscpu"), list):
        raise ParseError(TOOL, "its JSON has no lscpu list", text)
    fields: dict[str, str] = {}
    _gather(document, "lscpu", fields, 0)

    def number(name: str) -> int | None:
        value = fields.get(name)
        return None if value in (None, "-", "") else whole(TOOL, value, name)

    mhz = fields.get("CPU max MHz")
    return Cpus(
        architecture=fields.get("Architecture"),
        vendor=fields.get("Vendor ID"),
        model=fields.get("Model name"),
        logical=number("CPU(s)"),
        online=fields.get("On-line CPU(s) list"),
        offline=fields.get("Off-line CPU(s) list"),
        sockets=number("Socket(s)"),
        cores_per_socket=number("Core(s) per socket"),
        threads_per_core=number("Thread(s) per core"),
        numa_nodes=number("NUMA node(s)"),
        max_mhz=None if mhz in (None, "-", "") else real(TOOL, mhz.replace(",", "."), "CPU max MHz"),
        hypervisor=fields.get("Hypervisor vendor"),
        flags=frozenset(fields.get("Flags", "").split()),
        fields=fields,
    )


def _gather(node: Node, key: str, fields: dict[str, str], depth: int) -> None:
    if depth > DEEPEST:
        raise ParseError(TOOL, f"its JSON is nested more than {DEEPEST} deep")
    for each in node.each(key):
        name, data = each.text("field"), each.text("data")
        if name and data is not None:
            fields.setdefault(name.strip().removesuffix(":"), data)
        _gather(each, "children", fields, depth + 1)


def count(cpu_list: str) -> int:
    """How many CPUs "0-3,8,10-11" names; also for files under /sys/devices/system/cpu. Raises ParseError."""
    total = 0
    for part in cpu_list.strip().split(","):
        low, dash, high = part.partition("-")
        first = whole(TOOL, low, "a CPU")
        last = whole(TOOL, high, "a CPU") if dash else first
        if not 0 <= first <= last < 65536:
            raise ParseError(TOOL, "a list of CPUs makes no sense", cpu_list)
        total += last - first + 1
    return total
