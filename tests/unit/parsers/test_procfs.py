"""Files of /proc as recorded, and in the shapes that this machine does not show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, procfs

Recorded = Callable[[str], str]


def test_memory_is_told_in_bytes(recorded: Recorded) -> None:
    memory = procfs.parse_meminfo(recorded("procfs/meminfo"))
    assert memory["MemTotal"] % 1024 == 0 and memory["MemTotal"] > 2**30
    assert memory["MemAvailable"] <= memory["MemTotal"]
    assert memory["HugePages_Total"] == 0


def test_oom_kills_are_counted(recorded: Recorded) -> None:
    counters = procfs.parse_counters(recorded("procfs/vmstat"))
    assert procfs.oom_kills(recorded("procfs/vmstat")) == counters["oom_kill"] >= 0
    assert procfs.oom_kills("pgfault 7\n") is None, "an older kernel does not count them, which is not nought"


def test_events_of_a_control_group() -> None:
    text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n"
    assert procfs.parse_counters(text, "memory.events")["oom_kill"] == 2


def test_processors_are_told_one_by_one(recorded: Recorded) -> None:
    cpus = procfs.parse_cpuinfo(recorded("procfs/cpuinfo"))
    assert [cpu.processor for cpu in cpus] == list(range(len(cpus)))
    assert cpus[0].model and cpus[0].microcode and "sse2" in cpus[0].flags


def test_disks_are_counted_in_bytes(recorded: Recorded) -> None:
    disk = procfs.parse_diskstats(recorded("procfs/diskstats"))["vda"]
    assert disk.read_bytes > 2**20 and disk.read_bytes % 512 == 0 and disk.major_minor == "254:0"


NET = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
eno1:1:  123456     789    1    2    3     4          0         5   654321     987    6    7    8     9      10          0
"""


def test_interfaces_are_counted() -> None:
    card = procfs.parse_net_dev(NET)["eno1:1"]
    assert (card.rx_bytes, card.rx_errors, card.rx_dropped, card.rx_frame) == (123456, 1, 2, 4)
    assert (card.tx_bytes, card.tx_errors, card.tx_collisions, card.tx_carrier) == (654321, 6, 9, 10)


def test_mounts_with_blanks_in_their_paths() -> None:
    text = "/dev/sda1 /mnt/two\\040words ext4 rw,relatime 0 0\ntmpfs /run tmpfs rw,size=1k 0 0\n"
    mount = procfs.parse_mounts(text)[0]
    assert (mount.source, mount.target, mount.fstype, mount.options) == (
        "/dev/sda1",
        "/mnt/two words",
        "ext4",
        ("rw", "relatime"),
    )


def test_swap_in_use() -> None:
    text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2                               partition\t1024\t\t512\t\t-2\n"
    assert procfs.parse_swaps(text) == (
        procfs.Swap(path="/dev/sda2", kind="partition", size_bytes=2**20, used_bytes=2**19),
    )
    assert procfs.parse_swaps(text.splitlines()[0]) == ()


MDSTAT = """Personalities : [raid1] [raid6]
md0 : active raid1 sdb1[1](F) sda1[0]
      1046528 blocks super 1.2 [2/1] [U_]

md127 : inactive sdc[0](S)
      1046528 blocks super 1.2

unused devices: <none>
"""


def test_arrays_that_are_assembled() -> None:
    mirror, parked = procfs.parse_mdstat(MDSTAT)
    assert (mirror.name, mirror.active, mirror.level, mirror.members) == ("md0", True, "raid1", ("sdb1", "sda1"))
    assert (mirror.faulty, mirror.state) == (("sdb1",), "[U_]")
    assert (parked.name, parked.active, parked.members) == ("md127", False, ("sdc",))
    assert procfs.parse_mdstat("Personalities : \nunused devices: <none>\n") == ()


@pytest.mark.parametrize(
    "parse",
    [
        procfs.parse_meminfo,
        procfs.parse_counters,
        procfs.parse_net_dev,
        procfs.parse_snmp,
        procfs.parse_cpuinfo,
        procfs.parse_swaps,
        procfs.parse_mdstat,
    ],
)
@pytest.mark.parametrize("text", ["", "cat: /proc/x: No such file or directory\n"])
def test_a_file_that_is_not_what_it_should_be_is_an_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (procfs.parse_mounts, "one two\n"),
        (procfs.parse_diskstats, "8 0 sda 1 2 3\n"),
        (procfs.parse_diskstats, "8 0 sda a b c d e f g h i j k\n"),
        (procfs.parse_net_dev, NET + "x: 1 2 3\n"),
        (procfs.parse_snmp, "Tcp: InSegs InErrs\nTcp: 1\n"),
        (procfs.parse_snmp, "Tcp: InSegs InErrs\nUdp: 1 2\n"),
    ],
)
def test_a_line_that_is_cut_is_an_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_counters_of_a_protocol_are_named_by_it() -> None:
    """Constructed; MaxConn is -1 where there is no limit."""
    text = "Ip: Forwarding\nIp: 2\nTcp: MaxConn InSegs InCsumErrors\nTcp: -1 7 3\n"
    assert procfs.parse_snmp(text) == {"Ip.Forwarding": 2, "Tcp.InSegs": 7, "Tcp.InCsumErrors": 3}
