"""A network card of a test's own: one end of a veth pair here, the other in a namespace with an iperf3 server. Needs root."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PORT = 15320
RANDOM = 2**32 - 0x1000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM: where classic BPF reads a random number (linux/filter.h)
HERE, THERE = "198.51.100.1", "198.51.100.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class VethHost:
    name: str
    mac: str
    namespace: str
    peer: str
    server: str
    port: int
    servers: list[subprocess.Popen[bytes]]

    def inside(self, *argv: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.namespace, *argv], check=True, capture_output=True)

    def here(self, *argv: str) -> None:
        _run(*argv)

    def loses(self, share: float, *, to_server: bool) -> None:
        """From now on this share of the packets of one direction is lost, at random, on a link that looks sound.

        A few instructions of classic BPF on the receiving end: draw a number, and send the packet back to where it came from,
        where nobody takes it for his own. `tc … netem` is not in every kernel.
        """
        device = self.peer if to_server else self.name
        draw = f"4,32 0 0 {RANDOM},37 0 1 {round(share * 2**32) - 1},6 0 0 0,6 0 0 {2**32 - 1}"
        tc = ("ip", "netns", "exec", self.namespace, "tc") if to_server else ("tc",)
        _run(*tc, "qdisc", "add", "dev", device, "ingress")
        back = ("action", "mirred", "egress", "redirect", "dev", device)
        _run(*tc, "filter", "add", "dev", device, "ingress", "bpf", "bytecode", draw, *back)

    def kill_server(self) -> None:
        self.server_process.kill()
        self.server_process.wait()

    def serve_again(self) -> None:
        self.servers.append(_server(self.namespace))

    @property
    def server_process(self) -> subprocess.Popen[bytes]:
        return self.servers[-1]


def _server(namespace: str) -> subprocess.Popen[bytes]:
    program = shutil.which("iperf3") or "iperf3"
    argv = ["ip", "netns", "exec", namespace, program, "-s", "-B", THERE, "-p", str(PORT)]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def veth_host() -> Iterator[VethHost]:
    tag = uuid.uuid4().hex[:6]
    namespace, name, peer = f"vet-{tag}", f"vt{tag}", f"vp{tag}"
    _run("ip", "netns", "add", namespace)
    servers: list[subprocess.Popen[bytes]] = []
    try:
        _run("ip", "link", "add", name, "type", "veth", "peer", "name", peer, "netns", namespace)
        _run("ip", "addr", "add", f"{HERE}/30", "dev", name)
        _run("ip", "link", "set", name, "up")
        inside = ("ip", "netns", "exec", namespace)
        _run(*inside, "ip", "addr", "add", f"{THERE}/30", "dev", peer)
        _run(*inside, "ip", "link", "set", peer, "up")
        servers.append(_server(namespace))
        _await_server()
        mac = Path(f"/sys/class/net/{name}/address").read_text().strip()
        yield VethHost(name=name, mac=mac, namespace=namespace, peer=peer, server=THERE, port=PORT, servers=servers)
    finally:
        for server in servers:
            server.kill()
            server.wait()
        subprocess.run(["ip", "link", "del", name], capture_output=True)
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


@contextmanager
def loopback_server(port: int) -> Iterator[int]:
    """An iperf3 server on 127.0.0.1."""
    argv = ["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_server("127.0.0.1", port)
        yield port
    finally:
        server.kill()
        server.wait()


def _await_server(host: str = THERE, port: int = PORT) -> None:
    """Until the port answers; iperf3 takes a connection that closes at once for a client that went away."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            time.sleep(0.3)  # it has to notice that this client is gone before it takes the next one
            return
    raise RuntimeError(f"no iperf3 server on {host}:{port}")
