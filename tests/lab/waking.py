"""Wake-on-LAN as a sleeping network card does it: it watches the wire for six FF and its own address sixteen times.

`python -m tests.lab.waking`, in a namespace on the bridge, says each address that is woken; the rack presses the button.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.lab.host import Host
from tests.lab.programs import Program

MAGIC = re.compile(rb"\xff{6}((?s:.{6}))\1{15}")
EVERY_PROTOCOL = 0x0003  # ETH_P_ALL
WAKE_ADDRESS = "10.77.0.3"
LOOK_EVERY_S = 0.2


def woken(frame: bytes) -> str:
    """The address that a frame wakes; empty where it is no magic packet."""
    found = MAGIC.search(frame)
    return found[1].hex(":") if found else ""


def watch() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)) as wire:
        while True:
            if mac := woken(wire.recv(65536)):
                sys.stdout.write(f"woken {mac}\n")
                sys.stdout.flush()


@contextlib.asynccontextmanager
async def waking(hosts: Sequence[Host], inside: Sequence[str], folder: Path) -> AsyncIterator[None]:
    log = folder / "waking.log"
    program = await Program.started((sys.executable, "-m", "tests.lab.waking"), log=log, inside=inside)

    async def press() -> None:
        while True:
            said = log.read_text()
            for host in hosts:
                if not host.power_ons and any(f"woken {mac}" in said for mac in host.macs):
                    await host.power_on()
            await asyncio.sleep(LOOK_EVERY_S)

    pressing = asyncio.create_task(press())
    try:
        yield
    finally:
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
        await program.stop(grace_s=2.0)


if __name__ == "__main__":
    watch()
