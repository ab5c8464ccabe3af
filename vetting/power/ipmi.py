"""A management controller by IPMI 2.0 over LAN, through ipmitool.

The password goes by the environment, never by argv, which every user of this machine can read. Cipher suite 17 (SHA-256) is
asked for first and 3 (SHA-1) where a controller knows no better; 0, which asks for no password at all, never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from vetting import proc
from vetting.domain.bmc import Bmc
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun
from vetting.parsers import ipmitool
from vetting.parsers.errors import ParseError
from vetting.power.address import host_and_port
from vetting.power.controller import BmcTrouble

PORT = 623
CIPHERS = ("17", "3")
LIMIT_S = 45.0
TRIES = ("-N", "3", "-R", "3")  # seconds to wait for an answer, and how often
NETWORK = "Force PXE"

T = TypeVar("T")
Run = Callable[[Sequence[str], Mapping[str, str]], Awaitable[ToolRun]]

# What ipmitool -v says where no session came about -> what it means for a person.
MEANS = (
    ("RAKP 2 HMAC is invalid", "it does not take this password"),
    ("unauthorized name", "it has no user of this name"),
    ("unauthorized role or privilege level", "its user may not switch the power: give it the privilege OPERATOR"),
    ("insufficient resources", "it has too many sessions; try again in some minutes"),
    ("Address lookup for", "its name is not known here"),
    (
        "Get Auth Capabilities error",
        "nobody answers there by IPMI: is the address right, and IPMI over LAN switched on?",
    ),
    ("Insufficient privilege level", "its user may not do this: give it the privilege OPERATOR"),
)
NO_SUCH_CIPHER = ("no matching cipher suite", "invalid authentication algorithm", "invalid integrity algorithm",
                  "invalid confidentiality algorithm")  # fmt: skip


async def run_ipmitool(argv: Sequence[str], env: Mapping[str, str]) -> ToolRun:
    return await proc.run(argv, limit_s=LIMIT_S, env=env)


class Ipmi:
    """One controller. Raises BmcTrouble from every method."""

    def __init__(self, bmc: Bmc, password: str, *, run: Run = run_ipmitool) -> None:
        self._host, self._port = host_and_port(bmc.address, PORT)
        self._user, self._password, self._efi, self._run = bmc.user, password, bmc.efi, run
        self._cipher = ""  # the one that worked

    async def is_on(self) -> bool:
        return self._read(ipmitool.parse_chassis_power, await self._ask("power", "status"))

    async def boot_from_network(self) -> tuple[str, ...]:
        await self._ask("bootdev", "pxe", *(["options=efiboot"] if self._efi else []))
        flags = self._read(ipmitool.parse_boot_flags, await self._ask("bootparam", "get", "5"))
        if flags.device != NETWORK:
            raise BmcTrouble(
                f"the controller at {self._host} was told to start the host from the network, and says {flags.device!r} "
                "when asked; set the boot order in the firmware's setup, or start the run by hand"
            )
        notes = []
        if not flags.valid:
            notes.append("the controller does not mark the network boot as valid; the firmware may ignore it")
        if not flags.once:
            notes.append("the controller starts the host from the network from now on, not once")
        if flags.efi != self._efi:
            asked, kept = ("EFI", "legacy BIOS") if self._efi else ("legacy BIOS", "EFI")
            notes.append(f"the controller was asked for a network boot by {asked} and keeps {kept}")
        return tuple(notes)

    async def switch_on(self) -> None:
        await self._ask("power", "on")

    async def cut_power(self) -> None:
        await self._ask("power", "cycle")

    async def close(self) -> None:
        return

    async def _ask(self, *words: str) -> str:
        """What ipmitool answers to `chassis WORDS`."""
        first, *others = (self._cipher,) if self._cipher else CIPHERS
        cipher, ended = first, await self._tell(first, words)
        while others and any(said in ended.stderr for said in NO_SUCH_CIPHER):
            cipher = others.pop(0)
            ended = await self._tell(cipher, words)
        if ended.exit_code != 0 or ended.timed_out:
            raise BmcTrouble(
                f"the management controller at {self._host}: {self._why(ended)} (chassis {' '.join(words)})"
            )
        self._cipher = cipher
        return ended.stdout

    async def _tell(self, cipher: str, words: Sequence[str]) -> ToolRun:
        argv = ["ipmitool", "-v", "-I", "lanplus", "-H", self._host, "-p", str(self._port), "-U", self._user, "-E",
                "-L", "OPERATOR", "-C", cipher, *TRIES, "chassis", *words]  # fmt: skip
        try:
            return await self._run(argv, {"IPMI_PASSWORD": self._password, "IPMITOOL_PASSWORD": self._password})
        except ToolMissing as error:
            raise BmcTrouble(f"{error}: install the package ipmitool on this machine") from None

    def _why(self, ended: ToolRun) -> str:
        if ended.timed_out:
            return f"ipmitool did not end within {LIMIT_S:.0f} s"
        said = f"{ended.stderr}\n{ended.stdout}"
        known = [means for words, means in MEANS if words in said]
        lines = [line.strip() for line in ended.stderr.splitlines() if line.strip() and "IANA PEN" not in line]
        return known[0] if known else f"ipmitool {ended.how_it_ended}: {(lines or ['nothing'])[-1][:200]}"

    def _read(self, parse: Callable[[str], T], text: str) -> T:
        try:
            return parse(text)
        except ParseError as error:
            raise BmcTrouble(
                f"the answer of the management controller at {self._host} makes no sense: {error}"
            ) from None
