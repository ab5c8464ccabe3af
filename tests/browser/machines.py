"""Servers as one finds them in a rack, and what an honest agent says of each stage on them: enough to be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tests.browser.figures import measured
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec, FirmwarePin, Identity
from vetting.domain.inventory import FirmwareItem, FoundCpu, FoundDimm, FoundDisk, FoundNic, Inventory, Sensor
from vetting.domain.outcome import Cell, Counter, Measurement, Outcome, ToolRecord, Verdict, Work
from vetting.domain.profiles import Profile, SurfaceMode, memory_pass_s

MIB, GIB = 1024**2, 1024**3
DISK_BYTES = 960_197_124_096
MODEL = "SAMSUNG MZ7LH960HAJR-00005"
CPU = "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz"
SENSORS = ("temp.coretemp.package-id-0", "temp.coretemp.package-id-1", "temp.drivetemp.sda")
POWER = ("power.psu1", "power.psu2")
METRICS = "stress-ng: metrc: [3120] cpu              614400     120.01   3838.21      0.11      5119.57\n"
NO_WRITE = "the run is non-destructive: nothing is written to this disk"


@dataclass(frozen=True)
class Machine:
    """The server with this number: its serials, addresses and name follow from it."""

    number: int = 1
    name: str = ""
    model: str = MODEL
    bios: str = "3.8a"
    first_dimm: str = "34A1B2CA"  # serial of what is in P1-DIMMA1

    @property
    def host(self) -> str:
        return self.name or f"pve-{self.number:02d}"

    @property
    def macs(self) -> tuple[str, ...]:
        high, low = divmod(self.number, 256)
        return (f"3c:ec:ef:{high:02x}:{low:02x}:00", f"3c:ec:ef:{high:02x}:{low:02x}:01")

    @property
    def serials(self) -> tuple[str, ...]:
        return (f"S45NNA0M{self.number:05d}", f"S45NNA0N{self.number:05d}")

    @property
    def spec(self) -> ExpectedSpec:
        return ExpectedSpec(
            manufacturer="Supermicro",
            product="SYS-6019P-MTR",
            cpu_threads=64,
            memory_bytes=128 * GIB,
            disks=tuple(ExpectedDisk(serial=serial, model=MODEL, size_bytes=DISK_BYTES) for serial in self.serials),
            nics=(ExpectedNic(mac=self.macs[0], speed_mb_s=10_000),),
            firmware=(FirmwarePin(component="bios", version="3.8a"),),
            max_temp_c=90,
        )

    @property
    def identity(self) -> Identity:
        return Identity(
            smbios_uuid=f"4c4c4544-0042-3510-8054-{self.number:012x}",
            system_serial=f"A263350X{self.number:07d}",
            board_serial=f"VM198S{self.number:06d}",
            macs=self.macs,
            disk_serials=self.serials,
        )

    @property
    def inventory(self) -> Inventory:
        disks = tuple(
            FoundDisk(name=f"sd{letter}", serial=serial, model=self.model, firmware="HXT7404Q", size_bytes=DISK_BYTES,
                      transport="sata", rotational=False, smart=True)
            for letter, serial in zip("ab", self.serials, strict=True)
        )  # fmt: skip
        nics = (
            FoundNic(name="eno1", mac=self.macs[0], driver="i40e", link=True, speed_mb_s=10_000, capable_mb_s=10_000, neighbour="sw1 Eth1/7"),
            FoundNic(name="eno2", mac=self.macs[1], driver="i40e", link=False, capable_mb_s=10_000),
        )  # fmt: skip
        return Inventory(
            identity=self.identity,
            manufacturer="Supermicro",
            product="SYS-6019P-MTR",
            kernel="6.12.57+deb13-amd64",
            cpu=FoundCpu(model=CPU, sockets=2, cores=32, threads=64, microcode="0x2007006"),
            memory_bytes=135_057_788_928,
            dimms=tuple(
                FoundDimm(locator=f"P1-DIMM{place}1", size_bytes=32 * GIB, serial=serial, manufacturer="Micron")
                for place, serial in zip("ABCD", (self.first_dimm, "34A1B2CB", "34A1B2CC", "34A1B2CD"), strict=True)
            ),
            disks=disks,
            nics=nics,
            psu_count=2,
            sensors=tuple(Sensor(series=name, unit="C", source="hwmon0") for name in SENSORS),
            absent_tools=("nvidia-smi",),
        )  # fmt: skip

    def outcome(
        self, stage: str, profile: Profile, *, began_s: float, ended_s: float, non_destructive: bool, **changes: Any
    ) -> Outcome:
        """A pass of the whole stage, as the host's clock saw it; with whatever the test changes about it."""
        parts = self._parts(stage, profile, began_s, ended_s, non_destructive)
        times: dict[str, Any] = {"started_s": began_s, "ended_s": ended_s}
        if not (stage == "Storage" and non_destructive):
            figures = measured(stage, self.number, self.serials, self.macs[0])
            times["measurements"] = (*parts.pop("measurements", ()), *figures)
        return Outcome(**{"verdict": Verdict.PASS, **times, **parts, **changes})

    def _parts(self, stage: str, profile: Profile, began_s: float, ended_s: float, safe: bool) -> dict[str, Any]:
        length = ended_s - began_s

        def tool(
            *argv: str, at: float = 0.0, until: float = 1.0, version: str = "1.0", said: str = "ok\n"
        ) -> ToolRecord:
            return ToolRecord(
                argv=argv, version=version, exit_code=0, signal=None, timed_out=False,
                started_s=began_s + at * length, ended_s=began_s + until * length, excerpt=said,
            )  # fmt: skip

        stress = ("choom", "-n", "500", "--", "stress-ng")
        match stage:
            case "Inventory":
                return {
                    "data": {"inventory": msgspec.to_builtins(self.inventory)},
                    "tools": (tool("lscpu", "-J", version="util-linux 2.41"), tool("lsblk", "-J", "-b", version="util-linux 2.41")),
                }  # fmt: skip
            case "Firmware":
                return {"data": {"firmware": msgspec.to_builtins(self._firmware())}, "tools": (tool("dmidecode"),)}
            case "SMART":
                cells = tuple(_cell(f"disk:{serial}", reason="short self-test finished") for serial in self.serials)
                return {"cells": cells, "tools": (tool("smartctl", "--json", "-x", "/dev/sda", version="7.4"),)}
            case "CPUStress":
                memory_s = memory_pass_s(profile.cpu_stress, self.inventory.memory_bytes)
                share = profile.cpu_stress.cpu_s / max(profile.cpu_stress.cpu_s + memory_s, 1)
                half = share + (1 - share) / 2
                cells = (
                    _cell("cpu", _work("cpus", 64, 64, "cpus")),
                    _cell(
                        "memory",
                        _work("MiB tested by stress-ng", 112_640, 128_800, "MiB"),
                        _work("MiB tested by stressapptest", 112_640, 128_800, "MiB"),
                    ),
                )
                load = tool(
                    *stress,
                    "--cpu",
                    "0",
                    "--cpu-method",
                    "all",
                    "--verify",
                    until=share,
                    version="0.19.02",
                    said=METRICS,
                )
                vm = (*stress, "--vm", "1", "--vm-method", "all", "--verify")
                memory = tool(*vm, at=share, until=half, version="0.19.02", said=METRICS)
                sat = tool("stressapptest", "-W", at=half, version="1.0.11", said="Status: PASS")
                counters = tuple(
                    Counter(component="host", name=name, before=0, after=0) for name in ("mce", "oom_kill")
                )
                ops = Measurement(series="cpu.bogo_ops_s", value=5119.57, unit="1/s", component="cpu")
                return {"cells": cells, "tools": (load, memory, sat), "counters": counters, "measurements": (ops,)}
            case "Storage":
                return self._storage(
                    profile,
                    safe,
                    tool("vetting", "surface"),
                    tool("fio", "--output-format=json", "job.fio", version="3.39"),
                )
            case "Network":
                link = (_work("sent", 9390, 10_000, "Mb/s"), _work("received", 9410, 10_000, "Mb/s"))
                return {
                    "cells": (_cell(f"nic:{self.macs[0]}", *link),),
                    "tools": (
                        tool("iperf3", "-c", "192.0.2.1", version="3.18"),
                        tool("iperf3", "-c", "192.0.2.1", "-b", "150M", version="3.18"),
                    ),
                }
            case "Burn":
                seconds, gigabytes = _work("seconds under load", length, length, "s"), _work("bytes", GIB, GIB, "bytes")
                disk = (
                    Cell(component="disk", verdict=Verdict.SKIP, reason=NO_WRITE) if safe else _cell("disk", gigabytes)
                )
                cells = (
                    _cell("cpu", _work("cpus", 64, 64, "cpus")),
                    _cell("memory", _work("MiB tested", 77_000, 128_800, "MiB")),
                    disk,
                    _cell("network", gigabytes),
                )
                return {
                    "cells": (*cells[:1], replace(cells[1], work=(*cells[1].work, seconds)), *cells[2:]),
                    "tools": (
                        tool(*stress, "--cpu", "0", "--verify"),
                        tool("fio", "burn.fio"),
                        tool("iperf3", "-c", "192.0.2.1"),
                    ),
                }
            case "GPU":
                return {"verdict": Verdict.SKIP, "reason": "no GPU in this host"}
            case "PSU":
                return {
                    "cells": (_cell("psu", _work("load burst", length, length, "s")),),
                    "tools": (tool(*stress, "--cpu", "0"),),
                }
        raise ValueError(f"{stage} is not the agent's")  # fmt: skip

    def _storage(self, profile: Profile, safe: bool, *tools: ToolRecord) -> dict[str, Any]:
        if safe:
            cells = tuple(Cell(component=f"disk:{one}", verdict=Verdict.SKIP, reason=NO_WRITE) for one in self.serials)
            return {"verdict": Verdict.SKIP, "reason": NO_WRITE, "cells": cells}
        of = DISK_BYTES / MIB
        done = 4096.0 if profile.storage.surface is SurfaceMode.SAMPLE else of
        works = (_work("surface written and verified", done, of, "MiB"),)
        return {"cells": tuple(_cell(f"disk:{serial}", *works) for serial in self.serials), "tools": tools}

    def _firmware(self) -> Iterator[FirmwareItem] | tuple[FirmwareItem, ...]:
        return (
            FirmwareItem(component="bios", identifier="system", version=self.bios, detail="American Megatrends 2022-10-28"),
            FirmwareItem(component="bmc", identifier="system", version="1.74.13"),
            FirmwareItem(component="microcode", identifier="cpu0", version="0x2007006"),
            *(FirmwareItem(component="disk", identifier=serial, version="HXT7404Q") for serial in self.serials),
        )  # fmt: skip


def _work(what: str, done: float, of: float, unit: str) -> Work:
    return Work(what=what, done=done, of=of, unit=unit)


def _cell(component: str, *work: Work, reason: str = "") -> Cell:
    return Cell(component=component, verdict=Verdict.PASS, work=work, reason=reason)
