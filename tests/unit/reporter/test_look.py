"""What speaks against a reboot: each part found, each part unknown, and nothing at all."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.installed_host import InstalledHost, fixture
from vetting.domain.safelook import Facts, Unknown, Votes, obstacles
from vetting.reporter.look import look
from vetting.reporter.machine import Machine, Stuck

CEPH = "ceph --connect-timeout 10"


async def against(machine: Machine) -> str:
    return "\n".join(obstacles(await look(machine)))


async def test_a_plain_host_has_nothing_against_it(machine: Machine) -> None:
    assert await against(machine) == ""


async def test_a_quiet_proxmox_node_has_nothing_against_it(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(qemu="qemu-stopped.json", votes="pvecm-three")
    assert await against(machine) == ""
    assert "pvecm status" in host.calls


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("/usr/bin/kvm", "-id", "100", "-name", "web,debug-threads=on"), "VM 100 (web) running"),
        (("/usr/bin/qemu-system-x86_64", "-name", "guest=mail,process=x"), "VM (mail) running"),
        (("qemu-system-x86_64", "-m", "1G"), "VM process 77 (qemu-system-x86_64) running"),
        (("[lxc monitor] /var/lib/lxc 200",), "container 200 running"),
        (("/usr/bin/lxc-start", "-F", "-n", "201"), "container 201 running"),
        (("systemd-nspawn", "-M", "build"), "container build running"),
    ],
)
async def test_guests_are_seen_without_any_tool(
    host: InstalledHost, machine: Machine, argv: tuple[str, ...], words: str
) -> None:
    host.process(77, *argv)
    assert f"1 guest runs here: {words}; move or stop them" in await against(machine)


@pytest.mark.parametrize(
    "argv", [("kvm-nx-lpage-recovery-1",), ("/usr/bin/grep", "kvm"), ("/usr/bin/qemu-img", "info")]
)
async def test_what_only_sounds_like_a_guest_is_none(
    host: InstalledHost, machine: Machine, argv: tuple[str, ...]
) -> None:
    host.process(77, *argv)
    assert await against(machine) == ""


async def test_guests_of_a_proxmox_node_are_named_as_it_names_them(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(qemu="qemu.json", lxc="lxc.json")
    host.process(2345, "/usr/bin/kvm", "-id", "101", "-name", "db")
    assert "2 guests run here: VM 101 (db) running, container 200 (dns) running" in await against(machine)


async def test_a_guest_that_pvesh_forgot_is_seen_all_the_same(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(qemu="qemu-stopped.json")
    host.process(2345, "/usr/bin/kvm", "-id", "101", "-name", "db")
    assert "1 guest runs here: VM 101 (db) running" in await against(machine)


async def test_many_guests_are_counted_and_not_all_named(host: InstalledHost, machine: Machine) -> None:
    for number in range(12):
        host.process(500 + number, "/usr/bin/kvm", "-id", str(100 + number))
    text = await against(machine)
    assert "12 guests run here" in text
    assert "and 4 more" in text


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("task UPID:pve1:0000ABCD:00112233:65A1B2C3:vzdump:100:root@pam:", "vzdump 100"),
        ("task UPID:pve1:0000ABCD:00112233:65A1B2C3:qmigrate:101:root@pam:", "qmigrate 101"),
    ],
)
async def test_running_tasks_are_waited_for(host: InstalledHost, machine: Machine, title: str, words: str) -> None:
    host.process(900, title)
    assert f"tasks run here: {words}; wait" in await against(machine)


async def test_an_open_console_is_no_task(host: InstalledHost, machine: Machine) -> None:
    host.process(900, "task UPID:pve1:0000ABCD:00112233:65A1B2C3:vncproxy:100:root@pam:")
    assert await against(machine) == ""


async def test_a_backup_by_hand_is_waited_for(host: InstalledHost, machine: Machine) -> None:
    host.process(900, "/usr/bin/perl", "-T", "/usr/bin/vzdump", "100")
    assert "tasks run here: vzdump" in await against(machine)


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        ("pvecm-two-of-three", "would have 1 of the 2 votes"),
        ("pvecm-alone", "the cluster has no quorum now"),
    ],
)
async def test_a_quorum_at_risk_speaks_against_it(
    host: InstalledHost, machine: Machine, votes: str, words: str
) -> None:
    host.proxmox(votes=votes)
    assert words in await against(machine)


async def test_a_quorum_device_keeps_the_vote_of_two_nodes(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(votes="pvecm-qdevice")
    assert await against(machine) == ""


async def test_ha_resources_without_maintenance_name_the_way(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(ha="ha.json")
    text = await against(machine)
    assert (
        "HA resources are on this node: vm:100 (started); `ha-manager crm-command node-maintenance enable pve1`" in text
    )
    assert "vm:102" not in text
    assert "ct:201" not in text


async def test_a_node_in_maintenance_is_waited_for_until_it_is_empty(host: InstalledHost, machine: Machine) -> None:
    host.proxmox(ha="ha-maintenance.json")
    assert "vm:100 (migrate); it is in maintenance, so wait" in await against(machine)


async def test_ceph_osds_that_are_in_or_up_speak_against_it(host: InstalledHost, machine: Machine) -> None:
    host.process(800, "/usr/bin/ceph-osd", "-f", "--cluster", "ceph", "--id", "0")
    host.has("ceph")
    host.answers(f"{CEPH} osd tree --format json", fixture("proxmox/osd-tree.json"))
    text = await against(machine)
    assert "Ceph keeps data here: osd.0 in, up;" in text
    assert "osd.2" not in text


async def test_ceph_osds_that_are_out_and_down_do_not(host: InstalledHost, machine: Machine) -> None:
    host.write("var/lib/ceph/osd/ceph-1/whoami", "1\n")
    host.has("ceph")
    tree = fixture("proxmox/osd-tree.json").replace('"status":"up","reweight":1', '"status":"down","reweight":0')
    host.answers(f"{CEPH} osd tree --format json", tree)
    assert await against(machine) == ""


async def test_an_osd_that_ceph_does_not_know_is_unknown(host: InstalledHost, machine: Machine) -> None:
    host.write("var/lib/ceph/osd/ceph-42/whoami", "42\n")
    host.has("ceph")
    host.answers(f"{CEPH} osd tree --format json", fixture("proxmox/osd-tree.json"))
    assert "Ceph OSDs could not be looked at" in await against(machine)
    assert "osd.42" in await against(machine)


async def test_a_client_of_ceph_is_no_storage_node(host: InstalledHost, machine: Machine) -> None:
    host.write("etc/ceph/ceph.conf", "[global]\n")
    assert await against(machine) == ""


async def test_a_monitor_that_is_needed_speaks_against_it(host: InstalledHost, machine: Machine) -> None:
    host.process(801, "/usr/bin/ceph-mon", "-f", "--id", "pve1")
    host.has("ceph")
    host.answers(f"{CEPH} quorum_status --format json", fixture("proxmox/quorum-status.json"))
    assert "without this node Ceph's monitors would have 1 of the 2 votes" in await against(machine)


async def test_a_lock_of_dpkg_that_is_held_speaks_against_it(host: InstalledHost, machine: Machine) -> None:
    held = asyncio.create_subprocess_exec(
        "/usr/bin/env", "python3", "-c",
        "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held',flush=True); sys.stdin.read()",
        str(host.root / "var/lib/dpkg/lock"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    process = await held
    assert process.stdout is not None
    await process.stdout.readline()
    assert "locked: /var/lib/dpkg/lock" in await against(machine)
    process.kill()
    await process.communicate()
    assert await against(machine) == ""
    with (host.root / "var/lib/dpkg/lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another kind of lock, which dpkg does not take
        assert await against(machine) == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("      [=>...................]  resync = 12.6% (123/976) finish=80min speed=200K/sec", "md0 (resync 12.6%)"),
        ("      \tresync=DELAYED", "md0 (resync DELAYED)"),
        ("      [>....................]  check =  0.1% (1/976) finish=80min speed=200K/sec", "md0 (check 0.1%)"),
    ],
)
async def test_md_arrays_at_work_speak_against_it(host: InstalledHost, machine: Machine, line: str, words: str) -> None:
    host.write(
        "proc/mdstat",
        "Personalities : [raid1]\nmd0 : active raid1 sda1[0] sdb1[1]\n      976 blocks super 1.2 [2/2] [UU]\n"
        f"{line}\n\nunused devices: <none>\n",
    )
    assert f"md arrays are busy: {words}" in await against(machine)


async def test_zfs_pools_that_resilver_speak_against_it(host: InstalledHost, machine: Machine) -> None:
    host.write("sys/module/zfs/version", "2.2\n")
    host.has("zpool")
    host.answers("zpool status", fixture("proxmox/zpool-scrub"))
    assert "ZFS pools are busy: tank (resilver)" in await against(machine)
    host.answers("zpool status", fixture("proxmox/zpool-quiet"))
    assert await against(machine) == ""


PROXMOX_CALLS = {
    "pvesh get /nodes/pve1/qemu --output-format json": "running guests",
    "pvesh get /nodes/pve1/lxc --output-format json": "running guests",
    "pvesh get /cluster/status --output-format json": "the cluster's quorum",
    "pvecm status": "the cluster's quorum",
    "pvesh get /cluster/ha/status/current --output-format json": "HA resources",
}


@pytest.mark.parametrize("trouble", ["HANGS", "fails", "", "garbage", "{}", "[1]", '{"nodes": 3}', "[{}]"])
@pytest.mark.parametrize("call", PROXMOX_CALLS)
async def test_a_tool_that_hangs_fails_or_talks_nonsense_is_unknown_and_unknown_is_a_reason(
    host: InstalledHost, machine: Machine, call: str, trouble: str
) -> None:
    host.proxmox(votes="pvecm-three")
    host.answers(call, trouble, status=255 if trouble == "fails" else 0)
    assert f"{PROXMOX_CALLS[call]} could not be looked at: " in await against(machine)


@pytest.mark.parametrize("trouble", ["HANGS", "fails", "", "garbage", "{}"])
async def test_ceph_and_zfs_that_do_not_answer_are_unknown(host: InstalledHost, machine: Machine, trouble: str) -> None:
    host.process(800, "/usr/bin/ceph-osd", "--id", "0")
    host.process(801, "/usr/bin/ceph-mon", "--id", "pve1")
    host.write("sys/module/zfs/version", "2.2\n")
    host.has("ceph", "zpool")
    for call in (f"{CEPH} osd tree --format json", f"{CEPH} quorum_status --format json", "zpool status"):
        host.answers(call, trouble, status=1 if trouble == "fails" else 0)
    text = await against(machine)
    for part in ("Ceph OSDs", "the quorum of Ceph's monitors", "ZFS pools"):
        assert f"{part} could not be looked at: " in text


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda host: host.write("usr/share/perl5/PVE/API2/x", ""), "this is a Proxmox VE node, and pvesh is missing"),
        (lambda host: host.process(70, "/usr/sbin/corosync", "-f"), "corosync runs here"),
        (lambda host: host.process(70, "/usr/bin/ceph-osd", "--id", "0"), "'ceph' is not installed"),
        (lambda host: host.process(70, "/usr/bin/ceph-osd"), "an OSD runs here whose number is not known"),
        (lambda host: host.write("sys/module/zfs/version", ""), "'zpool' is not installed"),
        (lambda host: host.write("proc/mdstat", "nonsense"), "md arrays could not be looked at"),
        (lambda host: (host.root / "proc/1/cmdline").unlink(), "tells of no process at all"),
        (
            lambda host: (host.proxmox(), host.write("proc/sys/kernel/hostname", "a/../b")),
            "none that Proxmox VE would have",
        ),
    ],
)
async def test_what_is_there_and_cannot_be_asked_is_unknown(
    host: InstalledHost, machine: Machine, prepare: Callable[[InstalledHost], object], words: str
) -> None:
    prepare(host)
    assert words in await against(machine)


async def test_a_program_that_cannot_be_killed_is_left_alone_and_not_started_again(
    host: InstalledHost, machine: Machine
) -> None:
    started = []

    async def never(argv: tuple[str, ...], **how: object) -> object:
        started.append(argv)
        return await asyncio.Event().wait()

    stuck = replace(machine, limit_s=-3.9, runner=never)  # type: ignore[arg-type]
    with pytest.raises(Stuck, match="cannot be killed"):
        await stuck.ask("pvesh", "get", "/")
    with pytest.raises(Stuck, match="still hangs"):
        await stuck.ask("pvesh", "get", "/")
    assert len(started) == 1
    for task in stuck._stuck.values():
        task.cancel()


def test_every_fact_that_is_unknown_is_told_alone() -> None:
    fine = Facts(
        node="x", guests=(), tasks=(), osds=(), monitors=None, cluster=None, ha=None, packages=(), arrays=(), pools=()
    )
    assert obstacles(fine) == ()
    for name in Facts.__dataclass_fields__:
        if name != "node":
            told = obstacles(replace(fine, **{name: Unknown("because")}))  # type: ignore[arg-type]
            assert len(told) == 1
            assert "could not be looked at: because" in told[0]


@pytest.mark.parametrize(("present", "own", "needed", "risk"), [(3, 1, 2, False), (2, 1, 2, True), (5, 3, 3, True)])
def test_a_quorum_is_counted_without_this_node(present: int, own: int, needed: int, risk: bool) -> None:
    facts = Facts(
        node="x", guests=(), tasks=(), osds=(), monitors=None, ha=None, packages=(), arrays=(), pools=(),
        cluster=Votes(present=present, own=own, needed=needed, quorate=True),
    )  # fmt: skip
    assert bool(obstacles(facts)) is risk
