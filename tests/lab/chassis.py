"""A host's management controller on the rack's network: OpenIPMI's simulator, and a chassis whose power button is the host's.

The simulator answers IPMI 2.0 over LAN (and the host itself, by its KCS port) and keeps power and boot device in files; this file
presses the button accordingly, and writes down when a host switched itself off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.ipmi_bmc import CHASSIS, COMMANDS, PASSWORD, USER
from tests.lab.host import Host
from tests.lab.network import ADDRESS
from tests.lab.programs import Program
from tests.lab.waiting import until
from vetting import proc
from vetting.domain.bmc import Bmc, BmcKind

LOOK_EVERY_S = 0.3
LAN = """name "{name}"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  serial 15 127.0.0.1 {host_port} codec VM
  chassis_control "{chassis} 0x20"
  user 2 true "{user}" "{password}" admin 10 md5
"""


@dataclass(slots=True)
class Chassis:
    folder: Path
    port: int  # IPMI over the rack's network
    host_port: int  # the host's own way to it

    @property
    def record(self) -> Bmc:
        """For the host's record."""
        return Bmc(kind=BmcKind.IPMI, address=f"{ADDRESS}:{self.port}", user=USER)

    @property
    def password(self) -> str:
        return PASSWORD

    def read(self, what: str) -> str:
        return (self.folder / what).read_text().strip()

    def write(self, what: str, value: str) -> None:
        (self.folder / what).write_text(value)


@contextlib.asynccontextmanager
async def chassis(host: Host, number: int) -> AsyncIterator[Chassis]:
    """The controller of a host that is off, answering; gone at the end."""
    folder = host.folder / "bmc"
    (folder / "state").mkdir(parents=True)
    one = Chassis(folder, 6230 + number, 9000 + number)
    one.write("power", "0")
    one.write("boot", "none")
    program = folder / "chassis"
    program.write_text(CHASSIS)
    program.chmod(0o755)
    lan = LAN.format(
        name=host.name,
        address=ADDRESS,
        port=one.port,
        host_port=one.host_port,
        chassis=program,
        user=USER,
        password=PASSWORD,
    )
    (folder / "lan.conf").write_text(lan)
    (folder / "commands").write_text(COMMANDS)
    words = ("ipmi_sim", "-c", f"{folder}/lan.conf", "-f", f"{folder}/commands", "-s", f"{folder}/state", "-n")
    running = await Program.started(words, log=folder / "ipmi_sim.log", inside=host.inside)
    pressing = asyncio.create_task(_press(host, one))
    try:
        await until(lambda: _answers(host, one), limit_s=20, said=f"the BMC of {host.name}", context=running.tail)
        yield one
    finally:
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
        await running.stop(grace_s=2.0)


async def _answers(host: Host, one: Chassis) -> bool:
    words = (
        "ipmitool", "-I", "lanplus", "-C", "3", "-H", ADDRESS, "-p", str(one.port), "-U", USER, "-P", PASSWORD, "power",
        "status",
    )  # fmt: skip
    told = await proc.run((*host.inside, *words), limit_s=5)
    return "Chassis Power is" in told.stdout


async def _press(host: Host, one: Chassis) -> None:
    """The wire between the controller and the button."""
    was_on = host.is_on
    while True:
        wanted = one.read("power") == "1"
        if was_on and not host.is_on:  # by itself
            one.write("power", "0")
        elif wanted and not host.is_on:
            await host.power_on(from_network=True if one.read("boot") == "pxe" else None)
            one.write("boot", "none")  # good for one start
        elif not wanted and host.is_on and was_on:
            await host.power_off()
        elif host.is_on and not was_on:  # by its own button
            one.write("power", "1")
        was_on = host.is_on
        await asyncio.sleep(LOOK_EVERY_S)
