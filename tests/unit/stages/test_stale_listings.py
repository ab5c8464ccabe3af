"""What a tool lists is held against the kernel: output of another day shows what has vanished since, and hides what came."""

from __future__ import annotations

import json

import pytest

from tests.fakes import metal
from tests.fakes.drive_world import block, lsblk
from tests.fakes.metal import interface, ip_link
from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from vetting.stages.inventory import InventoryStage
from vetting.stages.probes.asking import Unread
from vetting.stages.probes.drives import block_disks
from vetting.stages.probes.nics import interfaces

SECTORS = str(6_001_175_126_016 // 512)
TWO = {"/sys/block/sda/size": SECTORS, "/sys/block/sdb/size": SECTORS}


def deps(said: Says, files: dict[str, Text]) -> ScriptedDeps:
    return ScriptedDeps(job=job(), tools=[said], files=files)


async def test_a_listing_that_agrees_with_the_kernel_is_taken() -> None:
    both = lsblk(block("sda", "A"), block("sdb", "B"))
    assert [each.serial for each in await block_disks(deps(both, {**TWO}))] == ["A", "B"]


async def test_a_disk_that_has_vanished_since_is_not_believed() -> None:
    both = lsblk(block("sda", "A"), block("sdb", "B"))
    with pytest.raises(Unread, match="lists sdb, which the kernel does not have"):
        await block_disks(deps(both, {"/sys/block/sda/size": SECTORS}))


async def test_a_disk_that_the_listing_hides_is_missed() -> None:
    with pytest.raises(Unread, match="the kernel has the disk sdb"):
        await block_disks(deps(lsblk(block("sda", "A")), {**TWO}))


async def test_a_disk_of_another_size_under_the_old_name_is_not_believed() -> None:
    with pytest.raises(Unread, match=r"lsblk says 6001175126016 bytes of sda, the kernel 512000"):
        await block_disks(deps(lsblk(block("sda", "A")), {"/sys/block/sda/size": "1000"}))


@pytest.mark.parametrize("name", ["loop7", "zram0", "dm-0", "sr0", "md127"])
async def test_what_is_no_disk_of_the_machine_may_come_and_go(name: str) -> None:
    here = deps(lsblk(block("sda", "A")), {"/sys/block/sda/size": SECTORS, f"/sys/block/{name}/size": "8"})
    assert len(await block_disks(here)) == 1


async def test_an_empty_slot_and_a_hidden_path_are_no_disks() -> None:
    files: dict[str, Text] = {
        "/sys/block/sda/size": SECTORS,
        "/sys/block/sdb/size": "0",
        "/sys/block/nvme0c0n1/size": SECTORS,
        "/sys/block/nvme0c0n1/hidden": "1",
    }
    assert len(await block_disks(deps(lsblk(block("sda", "A")), files))) == 1


MAC = "ac:1f:6b:00:00:01"
CARD: dict[str, Text] = {
    "/sys/class/net/eno1/device/vendor": "0x8086",
    "/sys/class/net/eno1/address": MAC,
    "/sys/class/net/lo/address": "00:00:00:00:00:00",
}
LO = interface("lo", "00:00:00:00:00:00", link_type="loopback")


async def test_interfaces_that_agree_with_the_kernel_are_taken() -> None:
    told = await interfaces(deps(ip_link(LO, interface("eno1", MAC.upper())), CARD))
    assert [one.name for one in told] == ["lo", "eno1"]


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ((), "the kernel has the interface eno1"),
        ((LO,), "the kernel has the interface eno1"),
        ((LO, interface("eno1", "ac:1f:6b:00:00:99")), "ip says ac:1f:6b:00:00:99 of eno1"),
        ((LO, interface("eno1", MAC), interface("eno7", "ac:1f:6b:00:00:07")), "ip lists eno7"),
    ],
)
async def test_interfaces_of_another_day_are_not_believed(listed: tuple[dict[str, object], ...], why: str) -> None:
    with pytest.raises(Unread, match=why):
        await interfaces(deps(ip_link(*listed), CARD))


async def test_an_ip_that_lists_nothing_is_not_a_host_without_interfaces() -> None:
    with pytest.raises(Unread, match="the kernel has the interface lo"):
        await interfaces(deps(Says("ip", stdout="[]"), {"/sys/class/net/lo/address": "00:00:00:00:00:00"}))


async def test_processors_that_lscpu_still_counts_are_not_believed() -> None:
    """A processor that failed since: the kernel has two cores less than last week's output."""
    said = next(says for says in metal.tools("") if says.words == "lscpu")
    rows = json.loads(said.stdout)
    last_week = json.dumps(rows).replace('"CPU(s):", "data": "2"', '"CPU(s):", "data": "4"').replace('"0,1"', '"0-3"')
    assert last_week != json.dumps(rows)
    no_tables = Says("dmidecode", stdout="# dmidecode 3.6\n# No SMBIOS nor DMI entry point found, sorry.\n")
    tools = metal.tools("", lscpu=Says("lscpu", stdout=last_week), dmidecode=no_tables)
    world = ScriptedDeps(job=job(), tools=tools, files=metal.files(dmi=False))
    outcome = await InventoryStage().run(world)
    assert str(outcome.verdict) == "ERROR"
    assert "lscpu counts" in outcome.reason
