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
HERE, THERE = "198.51.100.1", "198.51.100.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class VethHost:
    name: str
    mac: str
    namespace: str
    peer: str
    server: str
    port: int

    def inside(self, *argv: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.namespace, *argv], check=True, capture_output=True)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


@contextmanager
def veth_host() -> Iterator[VethHost]:
    tag = uuid.uuid4().hex[:6]
    namespace, name, peer = f"vet-{tag}", f"vt{tag}", f"vp{tag}"
    _run("ip", "netns", "add", namespace)
    server: subprocess.Popen[bytes] | None = None
    try:
        _run("ip", "link", "add", name, "type", "veth", "peer", "name", peer, "netns", namespace)
        _run("ip", "addr", "add", f"{HERE}/30", "dev", name)
        _run("ip", "link", "set", name, "up")
        inside = ("ip", "netns", "exec", namespace)
        _run(*inside, "ip", "addr", "add", f"{THERE}/30", "dev", peer)
        _run(*inside, "ip", "link", "set", peer, "up")
        program = shutil.which("iperf3") or "iperf3"
        argv = [*inside, program, "-s", "-B", THERE, "-p", str(PORT)]
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _await_server()
        mac = Path(f"/sys/class/net/{name}/address").read_text().strip()
        yield VethHost(name=name, mac=mac, namespace=namespace, peer=peer, server=THERE, port=PORT)
    finally:
        if server is not None:
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
