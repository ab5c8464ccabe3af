"""What the kernel says in /proc: memory, counters, mounts. The text is given; nothing here reads a file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import whole

SECTOR_BYTES = (
    512  # /proc/diskstats counts these whatever the disk's own block size (Documentation/admin-guide/iostats.rst)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetCounters:
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    rx_fifo: int
    rx_frame: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
    tx_fifo: int
    tx_collisions: int
    tx_carrier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCounters:
    major_minor: str
    reads: int
    read_bytes: int
    writes: int
    written_bytes: int
    in_flight: int
    busy_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    source: str
    target: str
    fstype: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    path: str
    kind: str  # partition, file
    size_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuEntry:
    processor: int
    model: str | None
    vendor: str | None
    microcode: str | None
    mhz: float | None
    socket: int | None
    core: int | None
    flags: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MdArray:
    name: str
    active: bool
    level: str | None
    members: tuple[str, ...]  # kernel names
    faulty: tuple[str, ...]
    state: str | None  # "[UU_]": U is up
    work: str = ""  # "resync 12.6%", "check DELAYED": what it does beside serving


def parse_meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo: name -> bytes (HugePages_ counts stay counts). Raises ParseError where MemTotal is missing."""
    values: dict[str, int] = {}
    for line in text.splitlines():
        if match := re.match(r"([\w()]+):\s+(\d{1,20})( kB)?\s*$", line):
            values[match[1]] = whole("/proc/meminfo", match[2], match[1]) * (1024 if match[3] else 1)
    if "MemTotal" not in values:
        raise ParseError("/proc/meminfo", "MemTotal is missing", text)
    return values


def parse_counters(text: str, source: str = "/proc/vmstat") -> dict[str, int]:
    """Lines of "name value", as in /proc/vmstat and a cgroup's memory.events. Raises ParseError on any other line."""
    values: dict[str, int] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, _, value = line.strip().partition(" ")
        values[name] = whole(source, value, name)
    if not values:
        raise ParseError(source, "it is empty", text)
    return values


def oom_kills(text: str) -> int | None:
    """`oom_kill` of /proc/vmstat; None where this kernel does not count them."""
    return parse_counters(text).get("oom_kill")


def parse_net_dev(text: str) -> dict[str, NetCounters]:
    """/proc/net/dev: interface -> counters. Raises ParseError."""
    lines = text.splitlines()
    if len(lines) < 2 or "|" not in lines[0]:
        raise ParseError("/proc/net/dev", "its two header lines are missing", text)
    found = {}
    for line in lines[2:]:
        if not line.strip():
            continue
        name, colon, rest = line.rpartition(":")  # an alias has a colon of its own
        numbers = [whole("/proc/net/dev", each, "a counter") for each in rest.split()]
        if not colon or len(numbers) != 16:
            raise ParseError("/proc/net/dev", "a line has not sixteen counters", line)
        rx, tx = numbers[:8], numbers[8:]
        found[name.strip()] = NetCounters(
            rx_bytes=rx[0], rx_packets=rx[1], rx_errors=rx[2], rx_dropped=rx[3], rx_fifo=rx[4], rx_frame=rx[5],
            tx_bytes=tx[0], tx_packets=tx[1], tx_errors=tx[2], tx_dropped=tx[3], tx_fifo=tx[4], tx_collisions=tx[5],
            tx_carrier=tx[6],
        )  # fmt: skip
    return found


def parse_snmp(text: str) -> dict[str, int]:
    """/proc/net/snmp: "Tcp.InCsumErrors" -> its count. Raises ParseError."""
    found: dict[str, int] = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        keys, numbers = names.split(), values.split()
        if not keys or keys[:1] != numbers[:1] or len(keys) != len(numbers):
            raise ParseError("/proc/net/snmp", "a line of values does not fit its line of names", values)
        for key, number in zip(keys[1:], numbers[1:], strict=True):
            if number.isdigit():  # MaxConn is -1: no limit
                found[keys[0] + key] = whole("/proc/net/snmp", number, key)
    if not found:
        raise ParseError("/proc/net/snmp", "it has no counters", text)
    return {key.replace(":", "."): number for key, number in found.items()}


def parse_cpuinfo(text: str) -> tuple[CpuEntry, ...]:
    """/proc/cpuinfo, one entry a logical processor. Raises ParseError where there is none."""
    entries = []
    for block in re.split(r"\n\s*\n", text):
        fields = {}
        for line in block.splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields[key.strip()] = value.strip()
        if "processor" in fields:
            entries.append(_cpu(fields))
    if not entries:
        raise ParseError("/proc/cpuinfo", "no processor in it", text)
    return tuple(entries)


def _cpu(fields: dict[str, str]) -> CpuEntry:
    def number(key: str) -> int | None:
        value = fields.get(key)
        return None if value is None else whole("/proc/cpuinfo", value, key)

    mhz = fields.get("cpu MHz", "")
    return CpuEntry(
        processor=whole("/proc/cpuinfo", fields["processor"], "processor"),
        model=fields.get("model name"),
        vendor=fields.get("vendor_id"),
        microcode=fields.get("microcode"),
        mhz=float(mhz) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", mhz) else None,
        socket=number("physical id"),
        core=number("core id"),
        flags=frozenset(fields.get("flags", "").split()),
    )


def parse_diskstats(text: str) -> dict[str, DiskCounters]:
    """/proc/diskstats: kernel name -> counters. Raises ParseError."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < 14:
            raise ParseError("/proc/diskstats", "a line has too few columns", line)
        n = [whole("/proc/diskstats", each, "a counter") for each in (*words[:2], *words[3:14])]
        found[words[2]] = DiskCounters(
            major_minor=f"{n[0]}:{n[1]}",
            reads=n[2],
            read_bytes=n[4] * SECTOR_BYTES,
            writes=n[6],
            written_bytes=n[8] * SECTOR_BYTES,
            in_flight=n[10],
            busy_ms=n[11],
        )
    return found


def unescaped(path: str) -> str:
    """Undoes the octal escapes (\\040 is a blank) of /proc/mounts and /proc/swaps."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match[1], 8)), path)


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """/proc/mounts. Raises ParseError on a line that is no mount."""
    mounts = []
    for line in text.splitlines():
        words = line.split(" ")
        if not line.strip():
            continue
        if len(words) < 4:
            raise ParseError("/proc/mounts", "a line has too few columns", line)
        mounts.append(
            Mount(
                source=unescaped(words[0]),
                target=unescaped(words[1]),
                fstype=words[2],
                options=tuple(words[3].split(",")),
            )
        )
    return tuple(mounts)


def parse_swaps(text: str) -> tuple[Swap, ...]:
    """/proc/swaps. Raises ParseError where its header is missing."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Filename"):
        raise ParseError("/proc/swaps", "its header is missing", text)
    swaps = []
    for line in lines[1:]:
        words = line.split()
        if not words:
            continue
        if len(words) < 4:
            raise ParseError("/proc/swaps", "a line has too few columns", line)
        size, used = (whole("/proc/swaps", each, "a size") * 1024 for each in words[2:4])
        swaps.append(Swap(path=unescaped(words[0]), kind=words[1], size_bytes=size, used_bytes=used))
    return tuple(swaps)


def parse_mdstat(text: str) -> tuple[MdArray, ...]:
    """/proc/mdstat: the arrays that are assembled. Raises ParseError where it does not begin with Personalities."""
    if not text.startswith("Personalities"):
        raise ParseError("/proc/mdstat", "it does not begin with Personalities", text)
    arrays: list[MdArray] = []
    for match in re.finditer(r"^(md\S*) : (active|inactive)((?: \S+)*)[ \t]*$", text, re.MULTILINE):
        words = [word for word in match[3].split() if not word.startswith("(")]
        level = next((word for word in words if re.fullmatch(r"raid\d+|linear|multipath|faulty", word)), None)
        members = [word for word in words if "[" in word]
        rest = text[match.end() : match.end() + 400].partition("\nmd")[0]
        state = re.search(r"\[[U_]+\]", rest)
        work = re.search(r"(resync|recovery|reshape|check|repair)\s*=\s*(\S{1,20})", rest)
        arrays.append(
            MdArray(
                name=match[1],
                active=match[2] == "active",
                level=level,
                members=tuple(member.partition("[")[0] for member in members),
                faulty=tuple(member.partition("[")[0] for member in members if "(F)" in member),
                state=state[0] if state else None,
                work=f"{work[1]} {work[2]}" if work else "",
            )
        )
    return tuple(arrays)
