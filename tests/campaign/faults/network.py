"""Network cards that are slow, lossy, cut off or gone, and iperf3 servers whose trouble is nobody's but ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import psutil

from tests.campaign.bench import Spoiled
from tests.campaign.fault import Caught, Fault
from tests.lab.hardware import PRODUCT, Disk, Hardware, Nic
from tests.lab.network import ADDRESS
from tests.lab.programs import Program
from vetting.domain.hostspec import ExpectedDisk, ExpectedNic, ExpectedSpec
from vetting.domain.outcome import Verdict

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

OWN = "52:54:00:ca:00:{:02x}"
NAME_OF = "dev=$(basename $(dirname $(grep -l {mac} /sys/class/net/*/address | head -1))); "
LONG = {"network": {"seconds": 10}}


def host(name: str, *nics: Nic) -> Hardware:
    return Hardware(name=name, disks=(Disk(serial=f"D-{name}"),), nics=nics or (Nic(),))


def spec(name: str, *nics: ExpectedNic) -> ExpectedSpec:
    return ExpectedSpec(product=PRODUCT, cpu_threads=1, disks=(ExpectedDisk(serial=f"D-{name}"),), nics=nics)


async def lose(bench: Bench) -> None:
    await bench.guest(f"{NAME_OF.format(mac=bench.host.macs[0])} tc qdisc add dev $dev root netem loss 2%")


async def throttle(bench: Bench) -> None:
    await bench.guest(
        f"{NAME_OF.format(mac=bench.host.macs[0])} tc qdisc add dev $dev root tbf rate 8mbit burst 64kb latency 50ms"
    )


async def spoil(bench: Bench) -> None:
    """One frame of fifty arrives with a bit flipped: the checksum of the packet is wrong, as behind a sick transceiver."""
    await bench.guest(f"{NAME_OF.format(mac=bench.host.macs[0])} tc qdisc add dev $dev root netem corrupt 2%")


async def cut(bench: Bench) -> None:
    """The card that is measured, not the one that speaks to the orchestrator; while iperf3 runs on it."""
    await bench.guest(
        f"{NAME_OF.format(mac=bench.host.macs[1])} until pgrep -f 'iperf3.*bind-dev '$dev >/dev/null; do sleep 0.5; done; sleep 2",
        limit_s=150,
    )
    await bench.host.cable(plugged=False, nic=1)


async def flap(bench: Bench) -> None:
    """The only card: heartbeats hang for some seconds, and go on."""
    await bench.guest("until pgrep -x iperf3 >/dev/null; do sleep 0.5; done; sleep 1", limit_s=150)
    await bench.host.cable(plugged=False)
    await asyncio.sleep(4)
    await bench.host.cable(plugged=True)


async def take_away(bench: Bench) -> None:
    await bench.guest(f"{NAME_OF.format(mac=bench.host.macs[1])} echo 1 > /sys/class/net/$dev/device/../remove")


def servers(bench: Bench) -> dict[int, int]:
    """iperf3 servers of the orchestrator: process id -> port."""
    assert bench.serve.program is not None
    found = {}
    for child in psutil.Process(bench.serve.program.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = child.cmdline()
            if "--server" in words and "--port" in words:
                found[child.pid] = int(words[words.index("--port") + 1])
    if not found:
        raise Spoiled("the orchestrator has no iperf3 server")
    return found


async def freeze_server(bench: Bench) -> None:
    for pid in servers(bench):
        os.kill(pid, signal.SIGSTOP)


async def kill_server(bench: Bench) -> None:
    """While it is measured against, and its successor too: what one server broke off is tried once more, and no oftener."""
    for _ in range(2):
        await bench.guest("until pgrep -x iperf3 >/dev/null; do sleep 0.5; done; sleep 2", limit_s=150)
        for pid in servers(bench):
            os.kill(pid, signal.SIGKILL)
        await bench.guest("while pgrep -x iperf3 >/dev/null; do sleep 0.5; done", limit_s=150)


async def keep_busy(bench: Bench) -> None:
    """Somebody else measures, and longer than anybody waits for a turn."""
    for port in servers(bench).values():
        words = ["iperf3", "-c", ADDRESS, "-p", str(port), "-t", "300", "-b", "100K"]
        await Program.started(words, log=bench.host.folder / "busy.log", inside=bench.host.inside)
    await asyncio.sleep(1)


FAULTS = (
    Fault(
        name="nic-100", row="nic-slow", title="A card of 1 Gb/s came up at 100 Mb/s", fast=True,
        hardware=host("nic-100", Nic(mac=OWN.format(1), model="virtio-net-pci,speed=100,duplex=full")),
        spec=spec("nic-100", ExpectedNic(mac=OWN.format(1), speed_mb_s=1000)),
        expect=Caught(stage="Network", component=OWN.format(1), words="100 Mb/s, expected 1000 Mb/s", or_stages=("SpecValidate",)),
    ),
    Fault(
        name="nic-half", row="nic-slow", title="A card came up in half duplex",
        hardware=host("nic-half", Nic(mac=OWN.format(2), model="virtio-net-pci,speed=1000,duplex=half")),
        spec=spec("nic-half", ExpectedNic(mac=OWN.format(2), speed_mb_s=1000)),
        expect=Caught(stage="Network", component=OWN.format(2), words="half duplex", or_stages=("SpecValidate",)),
    ),
    Fault(
        name="nic-throttled", row="nic-slow", title="A card at its full speed carries 8 Mb/s, where 40 are pinned",
        hardware=host("nic-throttled", Nic(mac=OWN.format(10))), modules=("sch_tbf",), at="Network", inject=throttle,
        spec=spec("nic-throttled", ExpectedNic(mac=OWN.format(10), floor_mb_s=40)),
        expect=Caught(stage="Network", component=OWN.format(10), words="to server: .*Mb/s, floor 40"),
    ),
    Fault(
        name="nic-missing", row="nic-slow", title="One of two cards is missing",
        hardware=host("nic-missing", Nic(mac=OWN.format(3))),
        spec=spec("nic-missing", ExpectedNic(mac=OWN.format(3)), ExpectedNic(mac=OWN.format(4))),
        expect=Caught(stage="SpecValidate", component=OWN.format(4), words="missing|not found"),
    ),
    Fault(
        name="packet-loss", row="packet-loss", title="Two packets of a hundred that the host sends are lost",
        hardware=host("packet-loss", Nic(mac=OWN.format(5))), modules=("sch_netem",), at="Network", inject=lose, knobs=LONG,
        expect=Caught(
            stage="Network", component=OWN.format(5), words="lost .* of its segments",
        ),
    ),
    Fault(
        name="packet-corruption", row="packet-loss", title="Two packets of a hundred that the host sends are spoiled on their way",
        hardware=host("packet-corruption", Nic(mac=OWN.format(6))), modules=("sch_netem",), at="Network", inject=spoil, knobs=LONG,
        expect=Caught(
            stage="Network", component=OWN.format(6), words="lost .* of its segments",
        ),
    ),
    Fault(
        name="link-cut", row="link-cut", title="The link is cut while it is measured", fast=True,
        hardware=host("link-cut", Nic(), Nic(mac=OWN.format(7))), at="Network", inject=cut, knobs=LONG,
        expect=Caught(stage="Network", component=OWN.format(7), words="carrier_changes|lost its link|carrier"),
    ),
    Fault(
        name="link-flaps", row="link-cut", title="The only link goes down for four seconds while it is measured",
        hardware=host("link-flaps", Nic(mac=OWN.format(8))), at="Network", inject=flap, knobs=LONG,
        expect=Caught(stage="Network", component=OWN.format(8), words="carrier_changes|carrier"),
    ),
    Fault(
        name="nic-vanishes", row="link-cut", title="A card vanishes from the bus under load",
        hardware=host("nic-vanishes", Nic(), Nic(mac=OWN.format(9))), at="CPUStress", delay_s=2, inject=take_away,
        expect=Caught(stage="CPUStress", component=f"{OWN.format(9)}|host", words="network cards: 2 before|could be read before"),
    ),
    Fault(
        name="iperf-frozen", row="iperf-server", title="The iperf3 server does not answer: we are accused, not the host",
        hardware=host("iperf-frozen"), at="Storage", inject=freeze_server, alone=True,
        expect=Caught(stage="Network", component="nic", words="iperf3", verdicts=(Verdict.ERROR,), within_s=420),
    ),
    Fault(
        name="iperf-killed", row="iperf-server", title="The iperf3 server is killed twice while the host measures: we are accused, not the host",
        hardware=host("iperf-killed"), at="Network", inject=kill_server, alone=True, knobs=LONG,
        expect=Caught(stage="Network", component="nic", words="iperf3", verdicts=(Verdict.ERROR,)),
    ),
    Fault(
        name="iperf-busy", row="iperf-server", title="Somebody else uses the iperf3 server: we are accused, not the host",
        hardware=host("iperf-busy"), at="Storage", inject=keep_busy, alone=True, fast=True,
        expect=Caught(stage="Network", component="nic", words="busy", verdicts=(Verdict.ERROR,), within_s=420),
    ),
)  # fmt: skip
