"""The live image starts, and keeps its hands off: one boot, looked at from inside by a program put behind the initrd."""

from __future__ import annotations

import asyncio
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.lab import accelerator
from tests.lab.console import Console
from tests.lab.initrd import archive
from tests.lab.settings import IMAGE
from vetting import proc

LIMIT_S = 480.0  # beside other loads, without hardware virtualisation; alone it takes two minutes
pytestmark = pytest.mark.timeout(LIMIT_S + 60)
DISK_BYTES = 64 * 1024 * 1024
TICKET = "a-ticket-that-is-nobodys-business"
WORDS = (
    "console=tty0 console=ttyS0,115200 systemd.show_status=no vetting.url=https://10.0.2.2:1 vetting.run=42 "
    f"vetting.fingerprint={'ab' * 32} vetting.ticket={TICKET}"
)
UNIT = """[Unit]
Description=Looks at the image from inside
After=vetting-agent.service
[Service]
ExecStart=/usr/lib/probe
"""


@dataclass(frozen=True, slots=True)
class Seen:
    console: str
    told: dict[str, str]
    wall_s: float

    def __getitem__(self, name: str) -> str:
        return self.told[name]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One boot with three virtual disks. Their content is written by the guest itself; nothing of this machine is attached."""
    if not (IMAGE / "manifest.json").exists():
        pytest.fail(f"no live image in {IMAGE}: ./build.sh image makes it", pytrace=False)
    folder = tmp_path_factory.mktemp("image")
    initrd = folder / "initrd.img"
    with initrd.open("wb") as out:
        out.write((IMAGE / "initrd.img").read_bytes())
        out.write(bytes(-out.tell() % 4))
        out.write(archive({
            "usr/lib/probe": (stat.S_IFREG | 0o755, (REPOSITORY / "tests" / "lab" / "probe.sh").read_bytes()),
            "etc/systemd/system/probe.service": (stat.S_IFREG | 0o644, UNIT.encode()),
            "etc/systemd/system/multi-user.target.wants/probe.service": (stat.S_IFLNK | 0o777, b"../probe.service"),
        }))  # fmt: skip
    drives: list[str] = []
    for letter in "abc":
        disk = folder / f"{letter}.img"
        with disk.open("wb") as out:
            out.truncate(DISK_BYTES)
        drives += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    return asyncio.run(_boot(folder, initrd, drives))


async def _boot(folder: Path, initrd: Path, drives: list[str]) -> Seen:
    words = await accelerator.chosen(IMAGE / "vmlinuz", REPOSITORY / "build" / "lab")
    began = time.monotonic()
    ended = await proc.run(
        (
            "qemu-system-x86_64", "-nodefaults", "-display", "none", *words, "-smp", "2", "-m", "2048", "-no-reboot",
            "-kernel", str(IMAGE / "vmlinuz"), "-initrd", str(initrd), "-append", WORDS,
            "-serial", f"file:{folder / 'console.log'}", "-serial", f"file:{folder / 'probe.log'}",
            "-device", "virtio-rng-pci", "-nic", "user,model=virtio,restrict=on", *drives,
        ),
        limit_s=LIMIT_S,
    )  # fmt: skip
    console = Console(folder / "console.log").text()
    probe = Console(folder / "probe.log").text() if (folder / "probe.log").exists() else ""
    told = dict(re.findall(r"^(\w+): ?(.*?) *$", probe, re.MULTILINE))
    assert "end" in told, f"{ended.how_it_ended}\n{probe}\n{console[-3000:]}"
    return Seen(console, told, time.monotonic() - began)


def test_it_starts_and_no_unit_fails(seen: Seen) -> None:
    size_mb = (IMAGE / "initrd.img").stat().st_size / 1e6
    print(f"image {size_mb:.0f} MB; {seen['boot']}; {seen.wall_s:.0f} s with everything below; memory {seen['memory']}")
    print(f"slowest: {seen['slowest']}\nagent: {seen['rss_kb']} kB")
    assert seen["state"] == "running", seen["failed"]
    assert seen["failed"] == ""


def test_the_agent_knows_that_this_is_the_live_image(seen: Seen) -> None:
    assert seen["live"] == "True"


def test_the_console_says_what_this_is_and_asks_nobody_in(seen: Seen) -> None:
    for words in (
        "THIS MACHINE IS BEING VETTED",
        "run           42",
        "orchestrator  https://10.0.2.2:1",
        "address       10.0.2.15",
    ):
        assert words in seen.console
    assert "trying again" in seen.console, "the agent's own words reach the console"
    assert "login:" not in seen.console and "Password" not in seen.console and "sulogin" not in seen.console
    assert seen["prompts"] == ""


def test_the_ticket_is_said_by_nobody_but_the_kernel(seen: Seen) -> None:
    after = seen.console[seen.console.index("THIS MACHINE IS BEING VETTED") :]
    assert TICKET not in after


def test_nothing_of_a_disk_is_mounted_or_swapped_on(seen: Seen) -> None:
    assert not [word for word in seen["mounts"].split() if word.startswith("/dev/") and "vd" in word]
    assert seen["swaps"] == ""


def test_arrays_and_volumes_on_disks_that_appear_stay_in_pieces(seen: Seen) -> None:
    assert (seen["made_lv"], seen["made_md"]) == ("yes", "yes")
    for moment in ("appeared", "asked"):
        assert seen[moment].startswith("lv=0 md=0"), moment
        assert "LVM2_member" in seen[moment] and "linux_raid_member" in seen[moment]


def test_the_same_disks_are_put_together_once_the_image_is_opened(seen: Seen) -> None:
    """The control: without our masks this very image would have assembled them."""
    assert "lv=1" in seen["control"] and "md=1" in seen["control"]


def test_the_agent_is_spared_and_comes_back(seen: Seen) -> None:
    assert int(seen["oom"]) == -900
    assert int(seen["kept"]) >= 128 * 1024 * 1024
    assert seen["agent_again"] == "active anew"


def test_a_crash_reboots_and_a_person_may_ask_the_kernel(seen: Seen) -> None:
    assert seen["sysctl"].split() == ["15", "1", "1", "0"]


def test_ssh_is_shut_until_it_is_opened_and_only_the_key_opens_it(seen: Seen) -> None:
    assert seen["listens_before"] == "" and seen["listens_after"] == ""
    assert seen["host_keys"] == "ssh_host_ed25519_key"
    assert seen["rights"] == "700 700"
    assert seen["with_key"] == "root"
    assert "Permission denied (publickey)" in seen["without_key"]


def test_whoever_is_in_when_the_door_shuts_is_out(seen: Seen) -> None:
    assert int(seen["session"]) >= 1
    assert seen["session_after"] == "0"
