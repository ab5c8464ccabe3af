"""The door of a held machine: its SSH server, open for one key while the hold lasts, and shut for everybody after it.

Each step has a second way, for an image whose first one is broken. Whoever is in when the door shuts is told so and put out: nobody
types on a machine that is under test again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from vetting import proc
from vetting.domain.errors import ToolMissing
from vetting.domain.outcome import ToolRun

Say = Callable[[str, str], None]
Run = Callable[[list[str]], Awaitable[ToolRun]]
COMMAND_LIMIT_S = 30.0
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
AUTHORIZED = "root/.ssh/authorized_keys"
ONLY_A_SHELL = "restrict,pty"  # no tunnels, no agent, no X11: sshd(8), AUTHORIZED_KEYS FILE FORMAT
PID_FILE = "run/vetting-sshd.pid"
OPEN = ["systemctl", "start", "ssh.service"]
CLOSE = ["systemctl", "stop", "ssh.service"]
SSHD = ("/usr/sbin/sshd",)
INSIDE = b"SSH_CONNECTION="  # sshd leaves it in the environment of everything that a session starts
ROUNDS, ROUND_S = 20, 0.1


async def run_plainly(argv: list[str]) -> ToolRun:
    return await proc.run(argv, limit_s=COMMAND_LIMIT_S)


class Door:
    def __init__(
        self, say: Say, *, root: Path = Path("/"), run: Run = run_plainly, sshd: tuple[str, ...] = SSHD
    ) -> None:
        self._say, self._root, self._run, self._sshd = say, root, run, sshd
        self._authorized, self._pid_file = root / AUTHORIZED, root / PID_FILE

    async def host_keys(self) -> tuple[tuple[str, ...], str]:
        """(the SSH server's public keys, why there is none). The key is made at the first call of a boot: whoever enters
        has to know it before the door opens."""
        private, public = self._root / HOST_KEY, self._root / f"{HOST_KEY}.pub"
        if not (private.exists() and public.exists()):
            private.unlink(missing_ok=True)
            private.parent.mkdir(parents=True, exist_ok=True)
            if why := await self._trouble(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vetting-live", "-f", str(private)]
            ):
                return (), f"no host key could be made: {why}"
        try:
            return (public.read_text(encoding="ascii").strip(),), ""
        except (OSError, UnicodeDecodeError) as error:
            return (), f"the host key cannot be read: {error}"

    async def open(self, authorized_key: str) -> str:
        """Lets the holder of the key in, and nobody else. Why nobody can sign in; empty where the door is open."""
        key = authorized_key.strip()
        if not key or "\n" in key or not key.startswith(("ssh-", "ecdsa-")):
            return "the orchestrator gave no usable key"
        try:
            self._authorized.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._authorized.touch(mode=0o600)
            self._authorized.write_text(f"{ONLY_A_SHELL} {key}\n", encoding="ascii", errors="replace")
        except OSError as error:
            return f"the key cannot be installed: {error.strerror}"
        if not (why := await self._trouble(OPEN)):
            return ""
        self._say(f"the SSH server does not start by systemd: {why}", "warning")
        (self._root / "run/sshd").mkdir(parents=True, exist_ok=True)
        own = [*self._sshd, "-o", f"PidFile={self._pid_file}"]
        if self._direct() is None and (second := await self._trouble(own)):
            self._authorized.unlink(missing_ok=True)
            return f"the SSH server does not start: {why}; {second}"
        return ""

    async def close(self) -> None:
        """Shuts the door where it is open; whoever is in is put out."""
        if not self._authorized.exists():
            return
        self._authorized.unlink()
        inside = self._inside()
        if inside:
            self._say(f"the hold is over: {len(inside)} processes of people who are signed in are ended", "warning")
            self._tell_terminals(inside)
        if why := await self._trouble(CLOSE):
            self._say(f"the SSH server does not stop by systemd: {why}", "warning")
        if (pid := self._direct()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._pid_file.unlink(missing_ok=True)
        for _ in range(ROUNDS):
            if not (left := self._inside()):
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(ROUND_S)
        self._say("somebody who was signed in could not be put out", "error")

    def _direct(self) -> int | None:
        """The SSH server that we started ourselves, without systemd."""
        try:
            pid = int(self._pid_file.read_text())
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError):
            return None
        return pid if name.startswith("sshd") else None

    def _inside(self) -> list[int]:
        """What people who came through the door have running."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if any(word.startswith(INSIDE) for word in (folder / "environ").read_bytes().split(b"\0")):
                        found.append(int(folder.name))
        return found

    def _tell_terminals(self, pids: list[int]) -> None:
        words = "\r\n*** vetting: the hold of this machine is over, this session ends now ***\r\n"
        terminals = set()
        for pid in pids:
            with contextlib.suppress(OSError):
                terminals.add(os.readlink(f"/proc/{pid}/fd/2"))
        for terminal in sorted(terminals):
            if terminal.startswith(("/dev/pts/", "/dev/tty")):
                with (
                    contextlib.suppress(OSError),
                    open(os.open(terminal, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY), "wb") as end,
                ):
                    end.write(words.encode())

    async def _trouble(self, argv: list[str]) -> str:
        """How a program failed; empty where it did not."""
        try:
            ended = await self._run(argv)
        except ToolMissing as error:
            return str(error)
        if ended.exit_code == 0 and not ended.timed_out:
            return ""
        return f"{' '.join(argv)[:80]} {ended.how_it_ended}: {ended.text.strip()[:200]}"
