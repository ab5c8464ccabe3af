"""What runs on this host, as its kernel tells it: guests, tasks of Proxmox VE, daemons of Ceph and of clusters.

No management tool can hang here or forget one, so this is looked at on every host, whatever its tools say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vetting.domain.safelook import Guest

HYPERVISORS = re.compile(r"kvm|qemu-kvm|qemu-system-.*|cloud-hypervisor|firecracker|VBoxHeadless|vmware-vmx")
CONTAINERS = re.compile(r"lxc-start|systemd-nspawn")
CLUSTER_DAEMONS = ("corosync", "pacemakerd")
CONSOLES = frozenset(  # tasks that somebody's open window makes, and that lose nothing
    {"vncproxy", "vncshell", "spiceproxy", "spiceshell", "termproxy"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    pid: int
    argv: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.argv[0].rpartition("/")[2]

    def option(self, *names: str) -> str:
        """The word after the first of these options; empty where there is none."""
        for at, word in enumerate(self.argv[:-1]):
            if word in names:
                return self.argv[at + 1]
        return ""


def listing(root: Path) -> list[Process]:
    """Every process with a command line. Raises OSError where /proc cannot be read or tells of nobody."""
    found = []
    for folder in (root / "proc").iterdir():
        if folder.name.isdigit():
            try:
                raw = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            words = tuple(raw.decode("utf-8", "replace").rstrip("\0").split("\0"))
            if words[0]:  # the kernel's own threads have none
                found.append(Process(pid=int(folder.name), argv=words))
    if not found:
        raise OSError("/proc tells of no process at all")
    return found


def guests(running: list[Process]) -> tuple[Guest, ...]:
    """Virtual machines and system containers, by their hypervisors and monitors."""
    found = []
    for one in running:
        if HYPERVISORS.fullmatch(one.program):
            name = one.option("-name").partition(",")[0].removeprefix("guest=")
            number = one.option("-id")
            said = " ".join(word for word in (number, f"({name[:60]})" if name else "") if word)
            found.append(Guest(name=f"VM {said or f'process {one.pid} ({one.program[:40]})'}"))
        elif one.argv[0].startswith("[lxc monitor]"):
            found.append(Guest(name=f"container {one.argv[0].rpartition(' ')[2][:60]}"))
        elif CONTAINERS.fullmatch(one.program):
            found.append(Guest(name=f"container {one.option('-n', '--name', '-M') or f'process {one.pid}'}"))
    return tuple(found)


def tasks(running: list[Process]) -> tuple[str, ...]:
    """Workers of Proxmox VE, which name themselves `task UPID:node:pid:start:time:type:id:user:`, and backups by hand."""
    found = []
    for one in running:
        title = " ".join(one.argv)
        if match := re.match(r"task UPID:[^:]*:[^:]*:[^:]*:[^:]*:([^:]+):([^:]*):", title):
            if match[1] not in CONSOLES:
                found.append(f"{match[1]} {match[2]}".strip()[:60])
        elif any(word.rpartition("/")[2] == "vzdump" for word in one.argv[:3]):
            found.append("vzdump")
    return tuple(found)


def numbers(running: list[Process], daemon: str) -> tuple[str, ...]:
    """The ids of Ceph's daemons of one kind, such as ceph-osd."""
    return tuple(one.option("--id", "-i") for one in running if one.program == daemon)


def cluster_daemons(running: list[Process]) -> tuple[str, ...]:
    return tuple(sorted({one.program for one in running if one.program in CLUSTER_DAEMONS}))
