"""What more than one recipe does to a host: from outside by QEMU's monitor, inside by a script that is laid into the guest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

SCRIPTS = Path(__file__).parent / "in_guest"
POKE = "/usr/local/lib/poke.py"
EAT = "/usr/local/lib/eat.py"
AER = "/usr/local/lib/aer.py"


def script(name: str) -> str:
    return (SCRIPTS / name).read_text()


POKES = {POKE: script("poke.py")}
AERS = {AER: script("aer.py")}


async def monitor(bench: Bench, words: str) -> str:
    """A command of QEMU's monitor for people, such as `mce`; what it said."""
    assert bench.host.qmp is not None
    return str(await bench.host.qmp.do("human-monitor-command", **{"command-line": words}))


def block_device(serial: str) -> str:
    """Words for bash: the name of the disk with this serial is in $disk."""
    return f'disk=$(lsblk -dno NAME,SERIAL | awk \'$2 == "{serial}" {{ print $1 }}\'); test -n "$disk"; '


def under_way(serial: str, *, mib: int = 16) -> str:
    """Words for bash: waits until so much was written to the disk; its name is in $disk."""
    counted = "read -r _ _ _ _ _ _ sectors _ < /sys/block/$disk/stat"
    return f"{block_device(serial)} sectors=0; until [ $sectors -gt {mib * 2048} ]; do sleep 0.3; {counted}; done; "
