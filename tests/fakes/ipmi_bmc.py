"""A real management controller for IPMI 2.0 over LAN: OpenIPMI's simulator on loopback, with a chassis of plain files.

The simulator calls the chassis program for power and boot device; the test reads and sets both as files beside it. It is an
independent implementation: it knows nothing of us, and ipmitool speaks to it as to any server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from vetting.domain.bmc import Bmc, BmcKind
from vetting.domain.outcome import ToolRun
from vetting.power.ipmi import Ipmi

USER, PASSWORD = "vetting", "right-one"
CHASSIS = """#!/bin/sh
folder=$(dirname "$0"); echo "$*" >> "$folder/asked"; shift
case $1 in
    get) shift; for what; do echo "$what:$(cat "$folder/$what")"; done ;;
    set) shift; while [ $# -gt 1 ]; do
            [ -e "$folder/keep-$1" ] || echo "$2" > "$folder/$1"
            shift 2
        done ;;
esac
"""
LAN = """name "bench"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{chassis} 0x20"
  user 2 true "{user}" "{password}" admin 10 md5
"""
COMMANDS = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n"
READY_S = 20.0


@dataclass(slots=True)
class IpmiBmc:
    folder: Path
    port: int

    @property
    def bmc(self) -> Bmc:
        return Bmc(kind=BmcKind.IPMI, address=f"127.0.0.1:{self.port}", user=USER)

    @property
    def on(self) -> bool:
        return (self.folder / "power").read_text().strip() == "1"

    @property
    def boots_from(self) -> str:
        return (self.folder / "boot").read_text().strip()

    @property
    def powered(self) -> list[str]:
        """What the power was set to, in order."""
        return [line.split()[-1] for line in self.asked if " set power " in line]

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def switch(self, *, on: bool) -> None:
        (self.folder / "power").write_text("1" if on else "0")

    def ignores(self, what: str) -> None:
        """From now on it takes the order and does nothing."""
        (self.folder / f"keep-{what}").touch()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def ipmi_bmc(folder: Path) -> AsyncIterator[IpmiBmc]:
    """A started simulator whose host is off; gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    one = IpmiBmc(folder, free_udp_port())
    (folder / "state").mkdir()
    (folder / "power").write_text("0")
    (folder / "boot").write_text("none")
    chassis = folder / "chassis"
    chassis.write_text(CHASSIS)
    chassis.chmod(0o755)
    lan = LAN.format(port=one.port, chassis=chassis, user=USER, password=PASSWORD)
    (folder / "lan.conf").write_text(lan)
    (folder / "commands").write_text(COMMANDS)
    with (folder / "ipmi_sim.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "ipmi_sim", "-c", str(folder / "lan.conf"), "-f", str(folder / "commands"), "-s", str(folder / "state"), "-n",
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    try:
        await _answers(one, process)
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(one: IpmiBmc, process: asyncio.subprocess.Process) -> None:
    from vetting.power.controller import BmcTrouble

    async with asyncio.timeout(READY_S):
        while True:
            assert process.returncode is None, (one.folder / "ipmi_sim.log").read_text()
            with contextlib.suppress(BmcTrouble):
                await Ipmi(one.bmc, PASSWORD, run=_quickly).is_on()
                return
            await asyncio.sleep(0.1)


async def _quickly(argv: object, env: object) -> ToolRun:
    from vetting import proc

    return await proc.run([*argv], limit_s=2.0, env=env)  # type: ignore[misc, arg-type]
