"""What the live image holds and does not hold, read from the initrd itself."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.lab.initrd import Initrd
from tests.lab.settings import IMAGE
from tools.image import manifest, programs

LARGEST_BYTES = 180 * 10**6
PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")

# What servers are made of: without one of these a part of somebody's host would not be found, or not be watched.
DRIVERS = {
    "storage": "ahci nvme mpt3sas megaraid_sas smartpqi hpsa aacraid arcmsr mvsas isci pm80xx qla2xxx lpfc bfa sd_mod sg ses"
    " virtio_blk virtio_scsi usb-storage uas ata_piix mptsas",
    "network": "e1000 e1000e igb igc ixgbe ixgbevf i40e ice bnxt_en bnx2 bnx2x tg3 mlx4_en mlx5_core qede qlcnic cxgb4 sfc"
    " atlantic r8169 be2net enic nfp virtio_net vmxnet3 ionic netxen_nic myri10ge liquidio",
    "bmc": "ipmi_si ipmi_devintf ipmi_ssif ipmi_msghandler acpi_ipmi",
    "memory errors": "sb_edac skx_edac i10nm_edac amd64_edac ie31200_edac i7core_edac pnd2_edac igen6_edac",
    "sensors": "coretemp k10temp nct6775 it87 w83627ehf drivetemp jc42 lm75 lm90 ipmi_watchdog acpi_power_meter"
    " intel_rapl_msr i2c-i801 i2c-piix4 ee1004",
    "crashes": "netconsole efi-pstore",
    "faults to prove": "mce-inject hwpoison-inject aer_inject scsi_debug i2c-stub dm-flakey dm-mod loop",
}
FIRMWARE = ("bnx2x/", "bnx2/", "qed/", "cxgb4/", "intel/ice/ddp/", "liquidio/", "ql2500_fw.bin", "rtl_nic/")
ASSEMBLERS = (
    "64-md-raid-assembly.rules",
    "63-md-raid-arrays.rules",
    "69-lvm.rules",
    "64-btrfs.rules",
    "70-nvmf-autoconnect.rules",
)
LOOKERS = ("fstab", "gpt-auto", "hibernate-resume", "getty", "ssh")
MUST_SLEEP = (
    "getty@.service", "serial-getty@.service", "getty.target", "emergency.service", "rescue.service", "debug-shell.service",
    "ssh.socket", "systemd-pstore.service", "swap.target", "mdmonitor.service", "lvm2-monitor.service",
    "lvm2-lvmpolld.socket", "smartmontools.service", "nvmf-autoconnect.service", "ctrl-alt-del.target",
)  # fmt: skip


@pytest.fixture(scope="module")
def initrd() -> Initrd:
    path = IMAGE / "initrd.img"
    if not path.exists():
        pytest.fail(f"no live image in {IMAGE}: ./build.sh image makes it", pytrace=False)
    return Initrd.read(path)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return dict(json.loads((IMAGE / "manifest.json").read_text()))


def masked(initrd: Initrd, path: str) -> bool:
    entry = initrd.files.get(path)
    return entry is not None and entry.is_link and entry.text == "/dev/null"


def names_of_modules(initrd: Initrd) -> set[str]:
    return {
        found[1].replace("_", "-")
        for path in initrd.below("usr/lib/modules")
        if (found := re.fullmatch(r".*/([^/]+)\.ko(?:\.xz)?", path))
    }


def missing(initrd: Initrd, wanted: list[str]) -> list[str]:
    def is_there(program: str) -> bool:
        places = [program] if "/" in program else [f"{place}/{program}" for place in PATH]
        return any((found := initrd.find(place)) is not None and bool(found.mode & 0o100) for place in places)

    return [program for program in wanted if not is_there(program)]


def test_every_program_that_the_code_starts_is_in_the_image(initrd: Initrd) -> None:
    assert not missing(initrd, programs.wanted())


def test_a_program_that_is_not_in_the_image_is_found_missing(initrd: Initrd) -> None:
    smartctl = initrd.resolve("usr/sbin/smartctl")
    without = Initrd(initrd.early, {path: entry for path, entry in initrd.files.items() if path != smartctl})
    assert missing(without, programs.wanted()) == ["smartctl"]


@pytest.mark.parametrize("kind", DRIVERS)
def test_no_driver_that_a_server_needs_was_dropped(initrd: Initrd, kind: str) -> None:
    here = names_of_modules(initrd)
    builtin = next(initrd.files[p].text for p in initrd.below("usr/lib/modules") if p.endswith("/modules.builtin"))
    here |= {Path(line).stem.replace("_", "-") for line in builtin.splitlines()}
    assert not {name for name in DRIVERS[kind].split() if name.replace("_", "-") not in here}


def test_adapters_find_the_firmware_that_they_load(initrd: Initrd) -> None:
    here = initrd.below("usr/lib/firmware")
    assert not [name for name in FIRMWARE if not any(path.startswith(f"usr/lib/firmware/{name}") for path in here)]


def test_the_kernel_finds_the_microcode_before_anything_is_unpacked(initrd: Initrd) -> None:
    for vendor in ("GenuineIntel", "AuthenticAMD"):
        assert len(initrd.early[f"kernel/x86/microcode/{vendor}.bin"].data) > 100_000


def test_nobody_has_a_password_and_only_root_has_a_home(initrd: Initrd) -> None:
    lines = initrd.files["etc/shadow"].text.splitlines()
    assert lines and all(line.split(":")[1][:1] in ("*", "!") for line in lines)
    assert initrd.files["root"].mode & 0o777 == 0o700 and initrd.files["root/.ssh"].mode & 0o777 == 0o700
    assert not initrd.below("root/.ssh")


def test_ssh_waits_for_a_hold_and_for_a_key(initrd: Initrd) -> None:
    assert initrd.find("usr/lib/systemd/system/ssh.service")
    wanted = [path for path in initrd.below("etc/systemd/system") if ".wants/" in path or ".requires/" in path]
    assert not [path for path in wanted if "ssh" in path.rpartition("/")[2]]
    assert masked(initrd, "etc/systemd/system/ssh.socket")
    assert not [path for path in initrd.files if path.startswith("etc/ssh/ssh_host_")]
    rules = initrd.files["etc/ssh/sshd_config.d/vetting.conf"].text
    for rule in ("PermitRootLogin prohibit-password", "PasswordAuthentication no", "AuthenticationMethods publickey"):
        assert rule in rules


def test_nothing_puts_arrays_or_volumes_together_or_mounts_them(initrd: Initrd) -> None:
    for rule in ASSEMBLERS:
        assert masked(initrd, f"etc/udev/rules.d/{rule}"), rule
    for name in LOOKERS:
        assert masked(initrd, f"etc/systemd/system-generators/systemd-{name}-generator"), name
    for unit in MUST_SLEEP:
        assert masked(initrd, f"etc/systemd/system/{unit}"), unit
    assert "etc/fstab" not in initrd.files and "etc/crypttab" not in initrd.files
    assert "auto_activation_volume_list = [ ]" in initrd.files["etc/lvm/lvmlocal.conf"].text
    assert initrd.files["etc/mdadm/mdadm.conf"].text.splitlines()[-1] == "AUTO -all"


def test_no_rule_of_udev_that_assembles_is_left_unmasked(initrd: Initrd) -> None:
    """Whatever a newer package brings: a rule that runs vgchange, mdadm or btrfs must be known here."""
    acts = re.compile(
        r"^[^#\n]*(vgchange|pvscan|lvm_import|mdadm (-I|--incremental)|btrfs ready|nvme connect|bcache-register)", re.M
    )
    live = [
        path for path in initrd.below("usr/lib/udev/rules.d")
        if acts.search(initrd.files[path].text) and not masked(initrd, f"etc/udev/rules.d/{Path(path).name}")
    ]  # fmt: skip
    assert not live


def test_the_image_is_marked_and_its_agent_starts_by_itself(initrd: Initrd) -> None:
    assert initrd.find("etc/vetting-live")
    assert initrd.find("etc/systemd/system/multi-user.target.wants/vetting-agent.service")
    unit = initrd.files["etc/systemd/system/vetting-agent.service"].text
    for line in ("ConditionKernelCommandLine=vetting.url", "OOMScoreAdjust=-900", "Delegate=yes", "Restart=on-failure"):
        assert line in unit
    assert initrd.files["init"].is_link


def test_no_address_of_the_builders_package_mirror_is_in_the_image(initrd: Initrd) -> None:
    assert not initrd.below("etc/apt")
    assert not [path for path in initrd.files if path.endswith((".sources", "sources.list"))]


def test_the_same_zipapp_is_in_the_image_unpacked_and_compiled(initrd: Initrd, told: dict[str, Any]) -> None:
    inside = initrd.find("usr/bin/vetting")
    assert inside and hashlib.sha256(inside.data).hexdigest() == told["zipapp_sha256"]
    unpacked = initrd.below("var/cache/vetting")
    assert [path for path in unpacked if path.endswith("site-packages/vetting/agent/__pycache__/loop.cpython-313.pyc")]


def test_the_agent_can_tell_what_the_image_is_made_of(initrd: Initrd, told: dict[str, Any]) -> None:
    inside = json.loads(initrd.files["usr/share/vetting/image.json"].text)
    assert inside == {name: told[name] for name in ("version", "kernel", "packages")}
    assert {"stress-ng", "fio", "smartmontools", "linux-image-amd64"} <= set(inside["packages"])


def test_the_manifest_tells_of_every_file_and_of_no_other(told: dict[str, Any]) -> None:
    assert told["format"] == 1
    assert {path.name for path in IMAGE.iterdir()} == {*manifest.FILES, "manifest.json"}
    for name in manifest.FILES:
        path = IMAGE / name
        assert told["files"][name] == {"sha256": manifest.digest(path), "size_bytes": path.stat().st_size}


def test_the_initrd_is_small_enough_for_many_hosts_at_once(told: dict[str, Any]) -> None:
    assert told["files"]["initrd.img"]["size_bytes"] <= LARGEST_BYTES


def test_another_archive_can_be_laid_behind_the_initrd(told: dict[str, Any]) -> None:
    assert told["files"]["initrd.img"]["size_bytes"] % 4 == 0
