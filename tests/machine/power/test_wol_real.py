"""A real broadcast: a sender and a sleeper in namespaces of their own, joined by a cable that the test lays."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import REPOSITORY
from vetting.power.wol import magic

pytestmark = pytest.mark.machine
MAC = "52:54:00:00:00:01"
EAR = """
import socket, sys
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("", 9))
ear.settimeout(20)
print("listens", flush=True)
for _ in range(6):
    data, sender = ear.recvfrom(500)
    print(data.hex(), flush=True)
"""
MOUTH = f"""
import asyncio
from vetting.power import wol
print(sorted((way.interface, way.address) for way in wol.ways("cable")))
print(asyncio.run(wol.wake(("{MAC}",), wol.ways("cable"))))
"""


@dataclass(frozen=True)
class Cable:
    sender: str
    sleeper: str


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    mark = uuid.uuid4().hex[:6]
    one = Cable(f"vt-wake-{mark}", f"vt-sleep-{mark}")
    try:
        for name in (one.sender, one.sleeper):
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", one.sender, "type", "veth", "peer", "name", "eth0", "netns", one.sleeper)
        ip("-n", one.sender, "address", "add", "10.99.0.1/24", "broadcast", "10.99.0.255", "dev", "cable")
        ip("-n", one.sleeper, "address", "add", "10.99.0.2/24", "dev", "eth0")
        ip("-n", one.sender, "link", "set", "cable", "up")
        ip("-n", one.sleeper, "link", "set", "eth0", "up")
        yield one
    finally:
        for name in (one.sender, one.sleeper):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def test_the_sleeper_hears_the_packet_by_both_broadcast_addresses_without_any_route(cable: Cable) -> None:
    ear = subprocess.Popen(
        ["ip", "netns", "exec", cable.sleeper, sys.executable, "-c", EAR], stdout=subprocess.PIPE, text=True
    )
    try:
        assert ear.stdout is not None
        assert ear.stdout.readline() == "listens\n"
        said = subprocess.run(
            ["ip", "netns", "exec", cable.sender, sys.executable, "-c", MOUTH],
            cwd=REPOSITORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said.stdout.splitlines() == ["[('cable', '10.99.0.255'), ('cable', '255.255.255.255')]", "()"]
        heard, _ = ear.communicate(timeout=30)
    finally:
        if ear.poll() is None:
            ear.kill()
            ear.wait()
    assert heard.split() == [magic(MAC).hex()] * 6  # three times by each
