"""Does a TFTP server answer? Asked for a file that it does not have: its refusal is a sign of life."""

from __future__ import annotations

import asyncio
import socket

ASK = 1
PORT = 69
LIMIT_S = 3.0


async def answers(address: str, name: str, *, port: int = PORT, limit_s: float = LIMIT_S) -> bool:
    """Whether anything comes back within `limit_s`."""
    request = ASK.to_bytes(2, "big") + name.encode("ascii") + b"\0octet\0"
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setblocking(False)
        try:
            await loop.sock_sendto(ear, request, (address, port))
            async with asyncio.timeout(limit_s):
                return bool(await loop.sock_recv(ear, 600))
        except (TimeoutError, OSError):
            return False
