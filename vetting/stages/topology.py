"""Which processor a core belongs to, told as a person would order the part: its socket, its model, its PPIN.

A PPIN (protected processor identification number) is a serial number that Intel and AMD burn into server processors; kernels
from 5.18 on show it below `topology`, to root alone, where firmware leaves it readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vetting.parsers.errors import ParseError, bounded
from vetting.parsers.procfs import parse_cpuinfo
from vetting.stages.base import Deps

CPUS = "/sys/devices/system/cpu"
PPIN = re.compile(r"0x[0-9a-f]{1,16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a CPU number is: None and empty for what this host does not tell."""

    cpu: int
    socket: int | None = None
    core: int | None = None  # within its socket
    model: str = ""
    ppin: str = ""

    @property
    def processor(self) -> str:
        """ "processor 1 (Intel(R) Xeon(R) …, PPIN 0x2b8…)", as far as known; empty where nothing is."""
        about = ", ".join(filter(None, (self.model, f"PPIN {self.ppin}" if self.ppin else "")))
        if self.socket is None:
            return f"processor ({about})" if about else ""
        return f"processor {self.socket}" + (f" ({about})" if about else "")

    @property
    def core_words(self) -> str:
        """The core whatever its threads: "core 5 of processor 1 (…)"; empty where its number is unknown."""
        return f"core {self.core} of {self.processor}" if self.core is not None and self.processor else ""

    @property
    def words(self) -> str:
        """ "CPU 37 (core 5) of processor 1 (…)"; the CPU number alone where nothing else is known."""
        named = f"CPU {self.cpu}" + (f" (core {self.core})" if self.core is not None else "")
        return f"{named} of {self.processor}" if self.processor else named


def places(deps: Deps, cpus: Iterable[int]) -> dict[int, Place]:
    """Each CPU's place; whatever cannot be read is left out of it, never guessed."""
    try:
        told = {entry.processor: entry for entry in parse_cpuinfo(deps.read("/proc/cpuinfo"))}
    except (OSError, ParseError):
        told = {}
    found = {}
    for cpu in cpus:
        entry = told.get(cpu)
        found[cpu] = Place(
            cpu=cpu,
            socket=_number(deps, cpu, "physical_package_id"),
            core=_number(deps, cpu, "core_id"),
            model=bounded(entry.model) if entry and entry.model else "",
            ppin=_ppin(deps, cpu),
        )
    return found


def _number(deps: Deps, cpu: int, name: str) -> int | None:
    text = _text(deps, cpu, name)
    return int(text) if re.fullmatch(r"\d{1,6}", text) else None


def _ppin(deps: Deps, cpu: int) -> str:
    """Empty for the zero that a kernel shows where the processor or its firmware tells none."""
    text = _text(deps, cpu, "ppin").lower()
    return text if PPIN.fullmatch(text) and int(text, 16) else ""


def _text(deps: Deps, cpu: int, name: str) -> str:
    try:
        return deps.read(f"{CPUS}/cpu{cpu}/topology/{name}").strip()
    except OSError:
        return ""
