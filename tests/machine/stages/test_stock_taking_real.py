"""Inventory, Firmware, SMART, GPU and PSU with the real tools on this machine, and with each tool missing or replaced."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.fakes.plain_deps import PlainDeps
from tests.fakes.scripted_deps import job
from tests.fakes.stage_world import recorded
from tests.fakes.stand_ins import KINDS, stand_in
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedDisk
from vetting.domain.inventory import FirmwareItem, Inventory
from vetting.domain.outcome import Outcome, Verdict
from vetting.domain.profiles import TASTE, PsuKnobs
from vetting.stages.base import Stage
from vetting.stages.firmware import Firmware
from vetting.stages.gpu import Gpu
from vetting.stages.inventory import InventoryStage
from vetting.stages.psu import Psu
from vetting.stages.smart import Smart
from vetting.stages.watch import online_cpus

pytestmark = pytest.mark.machine

PROFILE = replace(TASTE, psu=PsuKnobs(seconds=4, sample_s=0.5))
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def deps_in(
    folder: Path, *, path: str = "", disks: Sequence[ExpectedDisk] = (), limit_s: float | None = None
) -> PlainDeps:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return PlainDeps(job(profile=PROFILE, expected_disks=tuple(disks)), scratch, path=path, limit_s=limit_s)


ASKED = (
    "lscpu", "lsblk", "ip", "lspci", "dmidecode", "smartctl", "nvme", "ethtool", "lldpcli", "lshw", "systemd-detect-virt",
    "ipmitool", "nvidia-smi", "stress-ng",
)  # fmt: skip


def path_without(folder: Path, tool: str) -> str:
    """A PATH on which every program that these stages ask for is found, but for this one."""
    where = folder / "bin"
    where.mkdir()
    for name in ASKED:
        if name != tool and (found := shutil.which(name, path=FOLDERS)):
            (where / name).symlink_to(found)
    return str(where)


async def inventory_of(folder: Path) -> Inventory:
    outcome = await InventoryStage().run(deps_in(folder))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    return msgspec.convert(outcome.data["inventory"], Inventory)


async def own_disks(folder: Path) -> list[ExpectedDisk]:
    """This machine's disks as `vetting try` lists them: read, never written."""
    found = (await inventory_of(folder)).disks
    return [ExpectedDisk(serial=disk.serial or disk.name, wwn=disk.wwn, write=False) for disk in found]


async def test_this_machine_is_written_down_as_the_kernel_shows_it(tmp_path: Path) -> None:
    found = await inventory_of(tmp_path)
    assert found.cpu.threads == len(online_cpus(deps_in(tmp_path)))
    kib = next(
        line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    assert found.memory_bytes == int(kib) * 1024
    sizes = {disk.name: disk.size_bytes for disk in found.disks}
    for name, size in sizes.items():
        assert int(Path(f"/sys/block/{name}/size").read_text()) * 512 == size
    cards = {nic.name for nic in found.nics if nic.physical}
    assert cards == {path.parent.name for path in Path("/sys/class/net").glob("*/device")}
    if not Path("/sys/firmware/dmi/tables/DMI").exists():
        assert found.dimms is None
        assert "dimms" in found.unreadable
    assert len(found.sensors) == 0 or Path("/sys/class/hwmon").exists()


async def test_this_machine_tells_its_firmware(tmp_path: Path) -> None:
    outcome = await Firmware().run(deps_in(tmp_path))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    rows = msgspec.convert(outcome.data["firmware"], list[FirmwareItem])
    assert [row for row in rows if row.component == "microcode"]


async def test_this_machines_disks_are_asked_for_their_health(tmp_path: Path) -> None:
    disks = await own_disks(tmp_path)
    outcome = await Smart().run(deps_in(tmp_path, disks=disks))
    assert len(outcome.cells) == len(disks)
    assert outcome.verdict in (Verdict.PASS, Verdict.SKIP), outcome.reason
    for cell in outcome.cells:
        assert cell.verdict is Verdict.PASS or "no SMART on this device" in cell.reason


async def test_a_disk_that_this_machine_has_not_is_missed(tmp_path: Path) -> None:
    outcome = await Smart().run(deps_in(tmp_path, disks=[ExpectedDisk(serial="NO-SUCH-SERIAL")]))
    assert outcome.verdict is Verdict.FAIL
    assert "not found" in outcome.reason


async def test_gpus_of_this_machine_are_not_made_up(tmp_path: Path) -> None:
    outcome = await Gpu().run(deps_in(tmp_path))
    found = await inventory_of(tmp_path)
    assert (outcome.verdict is Verdict.SKIP) == (not found.gpus)


async def test_the_burst_is_real(tmp_path: Path) -> None:
    deps = deps_in(tmp_path)
    began = deps.monotonic()
    outcome = await Psu().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert deps.monotonic() - began >= PROFILE.psu.seconds - 0.1
    assert [argv for argv in deps.argvs("stress-ng") if "--cpu" in argv]


NEEDED: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    (InventoryStage(), ("lscpu", "lsblk", "ip", "lspci")),
    (Firmware(), ("ip", "ethtool", "lspci")),
    (Smart(), ("smartctl", "lsblk")),
    (Gpu(), ("lspci",)),
    (Psu(), ("stress-ng",)),
)


def named(value: Stage | str) -> str:
    return value if isinstance(value, str) else value.name


async def outcome_or_missing(stage: Stage, deps: PlainDeps) -> Outcome:
    """As the agent's runner sees it."""
    try:
        return await stage.run(deps)
    except ToolMissing as why:
        return Outcome.error(str(why))


@pytest.mark.parametrize(("stage", "tool"), [(stage, tool) for stage, tools in NEEDED for tool in tools], ids=named)
async def test_without_a_tool_its_stage_is_an_error(tmp_path: Path, stage: Stage, tool: str) -> None:
    disks = await own_disks(tmp_path)
    outcome = await outcome_or_missing(stage, deps_in(tmp_path, path=path_without(tmp_path, tool), disks=disks))
    assert outcome.verdict is Verdict.ERROR
    assert tool in outcome.reason


@pytest.mark.parametrize("tool", ["lshw", "lldpcli", "systemd-detect-virt"])
async def test_without_an_optional_tool_inventory_names_it(tmp_path: Path, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed here, so it cannot be taken away")
    outcome = await InventoryStage().run(deps_in(tmp_path, path=path_without(tmp_path, tool)))
    assert outcome.verdict is Verdict.PASS, outcome.reason
    assert tool in outcome.data["inventory"]["absent_tools"]


@pytest.mark.parametrize("kind", ["true", "false", "sleeper", "garbage", "suicide"])
@pytest.mark.parametrize(("stage", "tool"), [(stage, tool) for stage, tools in NEEDED[:4] for tool in tools], ids=named)
async def test_no_stand_in_for_a_probe_comes_out_green(tmp_path: Path, stage: Stage, tool: str, kind: str) -> None:
    disks = await own_disks(tmp_path)
    path = stand_in(tmp_path, tool, kind)
    outcome = await outcome_or_missing(stage, deps_in(tmp_path, path=path, disks=disks, limit_s=1))
    assert outcome.verdict is Verdict.ERROR, outcome.reason


@pytest.mark.parametrize("kind", KINDS)
async def test_no_stand_in_for_the_burst_comes_out_green(tmp_path: Path, kind: str) -> None:
    """The real stress-ng still says what it is able to do; only its work is faked."""
    good = recorded("debian12", "cpu")[1]
    path = stand_in(tmp_path, "stress-ng", kind, good=good, takes_s=2, real_for="*--verifiable*|*--help*")
    outcome = await outcome_or_missing(Psu(), deps_in(tmp_path, path=path, limit_s=3))
    assert outcome.verdict is Verdict.ERROR, outcome.reason
