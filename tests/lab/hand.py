"""A rack for a person: it stays up beside `vetting serve` and does what it is told from another terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hardware import GIB, MIB, Bmc, Bus, Disk, Firmware, Hardware
from tests.lab.host import Host
from tests.lab.network import clear_stale
from tests.lab.orchestrator import Orchestrator
from tests.lab.qmp import QmpError
from tests.lab.rack import KEPT, Rack
from tests.lab.settings import IMAGE, Boot

NAME = "hand"
STATE = KEPT / NAME / "rack.json"
DEEDS = ("on", "off", "reset", "freeze", "thaw", "panic", "unplug", "plug")
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    hosts: int = 2
    firmware: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)  # in turn
    proxy: bool = False
    zipapp: Path | None = None
    power_on: bool = False


def hardware(number: int, firmware: Firmware) -> Hardware:
    """A host worth looking at: a boot disk that stays untouched, a SATA and an NVMe disk to vet, a BMC."""
    return Hardware(
        name=f"h{number}", firmware=firmware, cpus=2, memory_mib=2 * GIB // MIB, bmc=Bmc.LOCAL, crash_store=True,
        disks=(
            Disk(serial=f"BOOT-{number}", expected=False, bootable=True),
            Disk(serial=f"SATA-{number}"),
            Disk(serial=f"NVME-{number}", bus=Bus.NVME),
        ),
    )  # fmt: skip


async def up(wishes: Wishes) -> int:
    """Until Ctrl-C or TERM; everything is gone afterwards but consoles and logs."""
    told = asyncio.Event()
    for sent in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sent, told.set)
    async with Rack.built(NAME) as rack:
        if wishes.proxy:
            await rack.foreign_dhcp()
        serve = await rack.orchestrator(boot=Boot(proxy=wishes.proxy), zipapp=wishes.zipapp)
        for number in range(1, wishes.hosts + 1):
            host = await rack.host(hardware(number, wishes.firmware[(number - 1) % len(wishes.firmware)]))
            await serve.know(host)
        async with listening(rack):
            if wishes.power_on:
                await asyncio.gather(*(host.power_on() for host in rack.hosts))
            show(rack, serve)
            await told.wait()
            print("taking the rack down …", flush=True)
    return 0


def show(rack: Rack, serve: Orchestrator) -> None:
    vetting = " ".join(serve.inside) + f" {' '.join(serve.vetting)}"
    serials = " ".join(f"--erase {disk.serial}" for disk in rack.hosts[0].hardware.disks if disk.expected)
    lines = [
        f"the rack {rack.network.name} is up; Ctrl-C takes it down",
        "",
        f"orchestrator   {serve.url}   (a browser on this machine; the certificate is its own)",
        f"fingerprint    {serve.fingerprint}",
        f"operator token {serve.data / 'operator.token'}",
        f"its log        {serve.log}",
        "",
        *(
            f"host {host.name}: {host.hardware.firmware}, {', '.join(host.macs)}; console: tail -f {host.console.path}; "
            f"monitor: socat - UNIX-CONNECT:{host.place(0).monitor}"
            for host in rack.hosts
        ),
        "",
        "start a run, then power the host on:",
        f"  {vetting} run start {rack.hosts[0].name} --profile lab --start-by manual {serials} --config {serve.config}",
        f"  {sys.executable} -m tests.lab do on {rack.hosts[0].name}        ({', '.join(DEEDS)})",
        f"  {vetting} run watch 1 --config {serve.config}",
    ]
    if not (IMAGE / "vmlinuz").exists():
        lines.append(f"no live image in {IMAGE}: ./build.sh image makes it")
    print("\n".join(lines), flush=True)


# --- told from another terminal


@contextlib.asynccontextmanager
async def listening(rack: Rack) -> AsyncIterator[None]:
    """A socket for `python -m tests.lab do`; where it lies stands in rack.json."""
    control = rack.sockets / "control"

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode(errors="replace").split()
        writer.write((await obey(rack, words)).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()

    server = await asyncio.start_unix_server(hear, path=control)
    STATE.write_text(json.dumps({"pid": os.getpid(), "control": str(control), "network": rack.network.name}))
    try:
        async with server:
            yield
    finally:
        STATE.unlink(missing_ok=True)


async def obey(rack: Rack, words: list[str]) -> str:
    """Does one deed; the answer is for a person."""
    if len(words) != 2 or words[0] not in DEEDS:
        return f"say one of {', '.join(DEEDS)} and a host"
    host = next((host for host in rack.hosts if host.name == words[1]), None)
    if host is None:
        return f"there is no host {words[1]}; there are {', '.join(host.name for host in rack.hosts)}"
    if words[0] == "on" and host.is_on:
        return f"{host.name} is on already"
    if words[0] != "on" and not host.is_on:
        return f"{host.name} is off"
    try:
        await deed(host, words[0])()
    except (QmpError, AssertionError) as error:
        return f"{words[0]} {host.name}: {error}"
    return f"{words[0]} {host.name}: done"


def deed(host: Host, word: str) -> Callable[[], Awaitable[None]]:
    return {
        "on": host.power_on, "off": host.power_off, "reset": host.reset, "freeze": host.freeze, "thaw": host.thaw,
        "panic": host.panic, "unplug": lambda: host.cable(plugged=False), "plug": lambda: host.cable(plugged=True),
    }[word]  # fmt: skip


async def tell(words: list[str]) -> int:
    if not STATE.exists():
        print("no rack is up; `python -m tests.lab up` makes one", file=sys.stderr)
        return 2
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(json.loads(STATE.read_text())["control"])
            writer.write(" ".join(words).encode() + b"\n")
            answer = (await reader.read()).decode().strip()
            writer.close()
    except OSError:
        print("the rack's process is gone; `python -m tests.lab down` clears what it left", file=sys.stderr)
        return 2
    print(answer)
    return 0 if answer.endswith("done") else 1


async def down() -> int:
    """Ends a rack that is up and clears what killed ones left behind."""
    if STATE.exists():
        pid = int(json.loads(STATE.read_text())["pid"])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            print(f"told the rack of process {pid} to go down")
            for _ in range(300):
                os.kill(pid, 0)
                await asyncio.sleep(0.1)
        STATE.unlink(missing_ok=True)
    gone = await clear_stale()
    print(f"cleared: {', '.join(gone)}" if gone else "nothing was left behind")
    return 0
