"""The pure parts of the virtual rack: what QEMU, dnsmasq and the orchestrator are told."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import localdisk, network, qemu, settings
from tests.lab.console import Console
from tests.lab.figures import Figure
from tests.lab.hardware import Bmc, Bus, Disk, Firmware, Hardware, Nic
from tests.lab.overlay import Overlay
from tests.lab.programs import pair
from tests.lab.qmp import Qmp, QmpError
from tests.lab.waiting import InVain, until
from tests.lab.waking import woken
from vetting.config.loading import loads
from vetting.config.values import BootMode
from vetting.power.wol import magic

HARDWARE = Hardware(
    name="h1",
    disks=(
        Disk(serial="BOOT", expected=False, bootable=True),
        Disk(serial="DATA"),
        Disk(serial="FAST", bus=Bus.NVME, bad_sectors=(8, 9)),
    ),
)


def place(folder: Path, cards: int = 1) -> qemu.Place:
    return qemu.Place(
        folder=folder, taps=tuple(f"t{n}" for n in range(cards)), macs=tuple(f"52:54:00:00:00:0{n}" for n in range(cards)),
        qmp_fd=7, monitor=folder / "m",
    )  # fmt: skip


def devices(words: list[str]) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == "-device"]


def test_each_disk_has_its_serial_and_sata_disks_have_a_port_each(tmp_path: Path) -> None:
    found = devices(qemu.argv(HARDWARE, place(tmp_path)))
    assert [word for word in found if word.startswith("ide-hd")] == [
        "ide-hd,id=BOOT,drive=disk-BOOT,serial=BOOT,bus=ide.0,bootindex=2",
        "ide-hd,id=DATA,drive=disk-DATA,serial=DATA,bus=ide.1",
    ]
    assert "nvme,ioeventfd=off,id=FAST,drive=disk-FAST,serial=FAST" in found


def test_the_network_is_tried_before_the_disks(tmp_path: Path) -> None:
    two = replace(HARDWARE, nics=(Nic(), Nic(model="e1000e")))
    order = [
        word.rpartition("bootindex=")[2] for word in devices(qemu.argv(two, place(tmp_path, 2))) if "bootindex" in word
    ]
    assert order == sorted(order) == ["0", "1", "3"]


@pytest.mark.parametrize("firmware", list(Firmware))
def test_only_a_bios_host_has_the_iproms_of_qemu_and_only_uefi_has_flash(firmware: Firmware, tmp_path: Path) -> None:
    direct = qemu.Direct(tmp_path / "vmlinuz", tmp_path / "initrd.img", "quiet")
    words = qemu.argv(replace(HARDWARE, firmware=firmware), replace(place(tmp_path), direct=direct))
    card = next(word for word in devices(words) if word.startswith("virtio-net"))
    assert card.endswith(",romfile=") is (firmware is not Firmware.BIOS)
    assert any(str(qemu.OVMF_CODE) in word for word in words) is firmware.is_uefi


def test_broken_sectors_stand_in_rules_of_their_own_direction() -> None:
    rules = qemu.fault_rules(Disk(serial="X", bad_sectors=(8,), bad_writes=(9,)))
    assert rules.count("[inject-error]") == 2
    assert rules.index('"read_aio"') < rules.index('"8"') < rules.index('"write_aio"') < rules.index('"9"')


def test_a_bmc_on_the_network_is_reached_through_its_port(tmp_path: Path) -> None:
    words = qemu.argv(replace(HARDWARE, bmc=Bmc.LAN), replace(place(tmp_path), bmc_port=9002))
    assert any("port=9002" in word for word in words)
    assert not any("ipmi" in word for word in qemu.argv(HARDWARE, place(tmp_path)))


def test_only_expected_disks_are_in_the_spec() -> None:
    assert [disk.serial for disk in HARDWARE.spec().disks] == ["DATA", "FAST"]


@pytest.mark.parametrize("proxy", [True, False])
def test_the_rack_has_a_configuration_without_a_mistake(proxy: bool, tmp_path: Path) -> None:
    said = settings.document(
        tmp_path,
        image=tmp_path,
        boot=settings.Boot(proxy=proxy),
        changes={"profiles": {"lab": {"gpu": {"seconds": 9}}}},
    )
    config = loads(json.dumps(said))
    assert config.boot.mode is (BootMode.PROXY if proxy else BootMode.DHCP)
    assert config.profiles["lab"].gpu.seconds == 9
    assert config.profiles["lab"].burn.seconds == settings.LAB["burn"]["seconds"]


def test_a_boot_sector_ends_with_its_mark_and_an_efi_application_begins_with_its_headers() -> None:
    sector, image = localdisk.boot_sector(), localdisk.efi_application()
    assert len(sector) == 512 and sector.endswith(b"\x55\xaa") and localdisk.WORDS.encode() in sector
    assert image.startswith(b"MZ") and image[0x40:0x44] == b"PE\0\0"
    assert localdisk.WORDS.encode("utf-16-le") in image


def test_the_console_reads_as_text_and_forgets_what_was_before_power_on(tmp_path: Path) -> None:
    console = Console(tmp_path / "console.log")
    assert console.text() == ""
    console.path.write_bytes(b"old words\r\n")
    console.power_on()
    with console.path.open("ab") as file:
        file.write(b"\x1b[2J\x1b[01;01Hhello\x1b[0m from the \x00host\r\n")
    assert console.text() == "hello from the host\n"
    assert console.said("hello from the host") and not console.said("old words")
    assert "old words" in console.text(all_of_it=True)


def test_a_rack_whose_process_lives_is_not_stale_and_one_without_is() -> None:
    assert not network.is_stale(f"{network.PREFIX}-{os.getpid()}-0")
    assert network.is_stale(f"{network.PREFIX}-{2**22 + 1}-0")
    assert network.is_stale(f"{network.PREFIX}-nonsense-0")


def test_the_overhead_is_what_a_run_takes_beyond_its_plan() -> None:
    assert "overhead 30 s" in Figure("t", "h1", "bios", 60.0, 100.0, 70.0).line()
    assert "overhead" not in Figure("t", "h1", "bios", 60.0).line()


async def test_waiting_in_vain_says_for_what_and_what_was_seen() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(InVain, match=r"in vain for a sign\nthe last words"):
        await until(never, limit_s=0.01, said="a sign", context=lambda: "the last words", every_s=0.001)


async def test_the_machine_protocol_keeps_events_beside_answers_and_tells_refusals() -> None:
    ours, theirs = pair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)

    async def qemu_speaks() -> None:
        writer.write(b'{"QMP": {}}\n')
        for answer in (b'{"return": {}}\n', b'{"event": "RESET", "data": {"guest": false}}\n{"return": 5}\n'):
            await reader.readline()
            writer.write(answer)
        await reader.readline()
        writer.write(b'{"error": {"desc": "no such device"}}\n')
        await reader.readline()
        writer.close()

    speaking = asyncio.create_task(qemu_speaks())
    qmp = await Qmp.over(ours)
    assert await qmp.do("query-status") == 5
    assert [event.name for event in qmp.events] == ["RESET"]
    with pytest.raises(QmpError, match="no such device"):
        await qmp.do("set_link")
    with pytest.raises(QmpError, match="ended before it answered"):
        await qmp.do("quit")
    await speaking
    await qmp.close()


def test_a_magic_packet_is_seen_in_a_frame_and_nothing_else_is() -> None:
    frame = bytes(42) + magic("52:54:00:00:02:00") + b"trailer"
    assert woken(frame) == "52:54:00:00:02:00"
    assert woken(frame.replace(b"\x52\x54\x00\x00\x02\x00", b"\x52\x54\x00\x00\x02\x01", 1)) == ""


def test_an_overlay_names_each_folder_before_what_is_in_it_and_is_padded_as_the_kernel_wants(tmp_path: Path) -> None:
    over = Overlay()
    over.file("etc/one/two", "12345")
    over.link("etc/agent", "/dev/null")
    raw = over.archive()
    names, at = [], 0
    while raw[at : at + 6] == b"070701":
        size, length = (int(raw[at + where : at + where + 8], 16) for where in (54, 94))
        names.append(raw[at + 110 : at + 110 + length - 1].decode())
        at += -(-(110 + length) // 4) * 4 + -(-size // 4) * 4
    assert names == ["etc", "etc/one", "etc/one/two", "etc/agent", "TRAILER!!!"] and at == len(raw)


def test_an_installed_host_tries_its_disk_first_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    def order(*, from_network: bool) -> list[str]:
        words = devices(qemu.argv(HARDWARE, place(tmp_path), from_network=from_network))
        tried = [
            (int(word.rpartition("bootindex=")[2]), word.partition(",")[0]) for word in words if "bootindex" in word
        ]
        return [device for _, device in sorted(tried)]

    assert order(from_network=True) == ["virtio-net-pci", "ide-hd"]
    assert order(from_network=False) == ["ide-hd", "virtio-net-pci"]
