"""An installed host below a folder: its /proc, its files, and stand-ins for the programs that the reporter calls.

The stand-ins remember as the real ones do (BootNext, the BMC's flags), speak the texts in tests/fixtures, and write down
every call. They lie below the host's own root, which is the reporter's whole PATH: no program of this machine is in reach,
so nothing here can reboot it. `run` answers in this process, for unit tests; `with_programs` makes them real programs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MAC = "52:54:00:12:34:56"
BOOT = "11111111-2222-3333-4444-555555555555"
PROGRAMS = ("efibootmgr", "ipmitool", "systemctl", "pvesh", "pvecm", "ceph", "zpool")
FLAGS = """Boot parameter version: 1
Boot parameter 5 is valid/unlocked
Boot parameter data: 8004000000
 Boot Flags :
   - Boot Flag {valid}
   - Options apply to only next boot
   - BIOS PC Compatible (legacy) boot
   - Boot Device Selector : {device}
   - Console Redirection control : System Default
"""


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


@dataclass(frozen=True, slots=True)
class InstalledHost:
    root: Path

    @classmethod
    def made(cls, root: Path, *, boot_id: str = BOOT, name: str = "pve1") -> InstalledHost:
        """A quiet UEFI host on which nothing speaks against a reboot, and where nobody allowed it yet."""
        host = cls(root)
        host.write("proc/sys/kernel/random/boot_id", f"{boot_id}\n")
        host.write("proc/sys/kernel/hostname", f"{name}\n")
        host.process(1, "/sbin/init")
        host.write("sys/firmware/efi/fw_platform_size", "64\n")
        host.write("sys/class/net/eno1/device/uevent", "DRIVER=e1000e\n")
        host.write("sys/class/net/eno1/address", f"{MAC}\n")
        host.write("var/lib/dpkg/lock", "")
        host.write("proc/mdstat", "Personalities : [raid1]\nunused devices: <none>\n")
        host._set(answers={}, next="", efi=fixture("efibootmgr/ovmf"), device="No override")
        host.has("efibootmgr", "systemctl")
        return host

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def allow(self) -> None:
        self.write("etc/vetting/allow-reboot", "").chmod(0o644)

    def process(self, pid: int, *argv: str) -> None:
        self.write(f"proc/{pid}/cmdline", "\0".join(argv) + "\0")

    def has(self, *programs: str) -> None:
        for name in programs:
            if not (path := self.root / "usr/bin" / name).exists():
                self.write(f"usr/bin/{name}", "")
                path.chmod(0o755)

    def lacks(self, program: str) -> None:
        (self.root / "usr/bin" / program).unlink()

    def with_programs(self) -> None:
        """Turns what it has into programs that can be started."""
        for path in (self.root / "usr/bin").iterdir():
            path.write_text(
                f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(FIXTURES.parents[1])!r})\n"
                "from tests.fakes.installed_host import InstalledHost, Path\n"
                f"status, said = InstalledHost(Path({str(self.root)!r})).answer([{path.name!r}, *sys.argv[1:]])\n"
                "print(said, end='')\nsys.exit(status)\n"
            )
            path.chmod(0o755)

    def proxmox(
        self, *, qemu: str = "none.json", lxc: str = "none.json", ha: str = "ha-idle.json", votes: str = ""
    ) -> None:
        """A Proxmox VE node; one of a cluster where `votes` names what pvecm says."""
        self.has("pvesh", "pvecm")
        for path, name in (
            ("/nodes/pve1/qemu", qemu),
            ("/nodes/pve1/lxc", lxc),
            ("/cluster/status", "cluster.json" if votes else "single.json"),
            ("/cluster/ha/status/current", ha),
        ):
            self.answers(f"pvesh get {path} --output-format json", fixture(f"proxmox/{name}"))
        if votes:
            self.answers("pvecm status", fixture(f"proxmox/{votes}"))

    def answers(self, words: str, said: str, *, status: int = 0, after_s: float = 0.0) -> None:
        """From now on, a program that is called with these words says this."""
        self._set(answers={**self._state["answers"], words: [status, said, after_s]})

    @property
    def calls(self) -> list[str]:
        """Every call of a program, in order."""
        path = self.root / "stand-ins/calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def deeds(self) -> list[str]:
        """The calls that change something."""
        looks = ("efibootmgr -v", "ipmitool chassis bootparam", "pvesh get", "pvecm status", "ceph ", "zpool status")
        return [call for call in self.calls if not call.startswith(looks)]

    @property
    def boot_next(self) -> str:
        return str(self._state["next"])

    def forgetful(self) -> None:
        """A firmware that takes BootNext and does not keep it."""
        self._set(forgetful=True)

    def answer(self, argv: Sequence[str]) -> tuple[int, str]:
        """What a program of this host does and says: (exit status, standard output)."""
        words = " ".join(argv)
        with (self.root / "stand-ins/calls").open("a") as file:
            file.write(words + "\n")
        state = self._state
        if words in state["answers"]:
            status, said, after_s = state["answers"][words]
            time.sleep(after_s)
            return status, said
        match argv:
            case ["efibootmgr", "-v"]:
                before, _, rest = state["efi"].partition("\n")
                return 0, f"{before}\n{'BootNext: ' + state['next'] + chr(10) if state['next'] else ''}{rest}"
            case ["efibootmgr", "--bootnext", number]:
                self._set(next="" if state.get("forgetful") else number)
                return 0, ""
            case ["efibootmgr", "--delete-bootnext"]:
                self._set(next="")
                return 0, ""
            case ["ipmitool", "chassis", "bootparam", "get", "5"]:
                valid = "Invalid" if state["device"] == "No override" else "Valid"
                return 0, FLAGS.format(valid=valid, device=state["device"])
            case ["ipmitool", "chassis", "bootdev", device, *_]:
                self._set(device={"pxe": "Force PXE", "none": "No override"}[device])
                return 0, f"Set Boot Device to {device}\n"
            case ["ipmitool", "raw", *_] | ["systemctl", "reboot"]:
                return 0, ""
        return 2, f"{argv[0]}: this stand-in does not know {words!r}\n"

    @property
    def _state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.root / "stand-ins/state.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def _set(self, **changes: Any) -> None:
        path = self.write("stand-ins/state.json.new", json.dumps({**self._state, **changes}))
        os.replace(path, self.root / "stand-ins/state.json")
