"""One iperf3 server for each run that measures its network, from a pool of ports.

A host must never wait for another host's measurement: that would be our fault shown as its slow network.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from vetting.clock import Clock
from vetting.orchestrator.supervise import Health, Status, Supervised


class IperfPool:
    """Servers by run id. `told` hears of every change of a server's health."""

    def __init__(
        self,
        *,
        ports: range,
        bind: str,
        clock: Clock,
        told: Callable[[Status], None] = lambda status: None,
        program: str = "iperf3",
    ) -> None:
        self._free = sorted(ports, reverse=True)
        self._bind = bind
        self._clock = clock
        self._told = told
        self._program = program
        self._servers: dict[int, tuple[int, Supervised]] = {}

    async def lease(self, run_id: int, *, port: int = 0) -> int:
        """The run's port, with its server started; 0 where no port of the pool can be had.

        `port`: the one that its agent was told by an orchestrator before us, taken again where it is free.
        """
        if run_id in self._servers:
            had, server = self._servers[run_id]
            if server.status.health is Health.GIVEN_UP:
                await server.start()
            return had
        wanted = sorted(self._free, key=lambda one: (one != port, one))
        found = next((one for one in wanted if self._can_be_had(one)), 0)
        if not found:
            return 0
        port = found
        self._free.remove(port)
        argv = [self._program, "--server", "--port", str(port), *(["--bind", self._bind] if self._bind else [])]
        server = Supervised(f"iperf3:{port}", argv, clock=self._clock, told=self._told)
        self._servers[run_id] = (port, server)
        await server.start()
        return port

    def _can_be_had(self, port: int) -> bool:
        """Whether nobody else listens there: a stranger's server would measure nothing of ours."""
        family = socket.AF_INET6 if ":" in self._bind else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as iperf3 itself binds
            try:
                probe.bind((self._bind, port))
            except OSError:
                return False
        return True

    async def release(self, run_id: int) -> None:
        """Stops the run's server and gives its port back; a run without one is fine."""
        if run_id not in self._servers:
            return
        port, server = self._servers.pop(run_id)
        await server.stop()
        self._free.append(port)

    async def close(self) -> None:
        for run_id in list(self._servers):
            await self.release(run_id)

    def statuses(self) -> list[Status]:
        return [server.status for _, server in self._servers.values()]
