"""quick.sh as a person runs it: from a real orchestrator over TLS, into a scratch root, and everything that it must refuse."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.installed_host import InstalledHost
from tests.fakes.rig import ServeProcess, serving
from vetting import wire
from vetting.client import Client

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]
PROGRAM = "usr/local/lib/vetting-reporter/vetting"


@pytest.fixture(scope="module")
def zipapp(repository: Path) -> Path:
    """dist/vetting as build.sh makes it; nothing to do where nothing changed."""
    subprocess.run([repository / "build.sh", "zipapp"], check=True, capture_output=True)
    return repository / "dist" / "vetting"


@dataclass(slots=True)
class Rack:
    server: ServeProcess
    operator: Client
    host: InstalledHost
    script: Path

    async def line(self, *options: str) -> str:
        """The line that `vetting host code` shows, with options for the script."""
        path = "/api/hosts/pve-07/registration-code"
        code = await self.operator.call(path, wire.Because(), wire.RegistrationCode)
        assert code.command.endswith(" sh")
        return f"{code.command} -s -- {shlex.join((*options, '--root', str(self.host.root)))}"

    async def run(self, line: str, **environment: str) -> tuple[int, str]:
        """In a shell without a terminal, whose every command must succeed: (exit status, what it said)."""
        process = await asyncio.create_subprocess_exec(
            "setsid", "--wait", "bash", "-o", "pipefail", "-c", line, env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return process.returncode, said.decode()

    def edited(self, pattern: str, replacement: str) -> Path:
        """The script with one line changed."""
        path = self.script.with_name("edited.sh")
        text, count = re.subn(pattern, replacement, self.script.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1
        path.write_text(text)
        return path

    @property
    def installed(self) -> list[str]:
        return [name for name in (PROGRAM, "etc/vetting/reporter.json") if (self.host.root / name).exists()]


@asynccontextmanager
async def a_rack(folder: Path, zipapp: Path) -> AsyncIterator[Rack]:
    more = {"boot": {"http_port": 0}}
    program = (sys.executable, str(zipapp))
    async with serving(folder / "serve", program=program, more=more) as server, server.operator() as operator:
        await operator.call("/api/hosts", wire.HostEdit(name="pve-07"), wire.HostView)
        script = folder / "quick.sh"
        script.write_bytes(await operator.fetch("/register/quick.sh", limit_bytes=100_000))
        yield Rack(server, operator, InstalledHost.made(folder / "host"), script)


async def test_one_line_installs_registers_and_leaves_the_host_alone(tmp_path: Path, zipapp: Path) -> None:
    async with a_rack(tmp_path, zipapp) as rack:
        status, said = await rack.run(await rack.line("--dry-run"))
        assert (status, rack.installed) == (0, []), said
        assert f"{rack.server.fingerprint}\n" in said
        assert "This was a dry run: nothing was done." in said

        line = await rack.line("--yes")
        status, said = await rack.run(line)
        assert status == 0, said
        assert "registered as pve-07" in said
        assert (rack.host.root / PROGRAM).read_bytes() == zipapp.read_bytes()
        assert (rack.host.root / "etc/vetting/reporter.json").stat().st_mode & 0o777 == 0o600
        assert "reporter run" in (rack.host.root / "etc/systemd/system/vetting-reporter.service").read_text()
        assert not (rack.host.root / "etc/vetting/allow-reboot").exists()
        assert "touch" in said

        status, said = await rack.run(f"{rack.host.root / PROGRAM} reporter once --root {rack.host.root}")
        assert status == 0, said
        assert "took the heartbeat of pve-07" in said
        shown = await rack.operator.get("/api/hosts/pve-07", wire.HostView)
        assert (shown.reporter_allowed, shown.reporter_age_s is not None) == (False, True)

        status, said = await rack.run(line)
        assert (status != 0, "used already" in said) == (True, True), said

        status, said = await rack.run(await rack.line("--yes", "--allow-reboot"))
        assert status == 0, said
        assert (rack.host.root / "etc/vetting/allow-reboot").is_file()


async def test_it_does_nothing_that_it_was_not_told_to(tmp_path: Path, zipapp: Path) -> None:
    async with a_rack(tmp_path, zipapp) as rack:
        root = f"--root {rack.host.root}"
        for line, words in (
            (await rack.line(), "there is no terminal to ask on; say --yes"),
            (await rack.line("--now"), "the option --now is not known"),
            ((await rack.line("--yes")).replace("sha256//", "sha256//AAAA"), "does not match pinned public key"),
            (f"VETTING_CODE= sh {rack.script} --yes {root}", "there is no one-time code"),
            (
                f"VETTING_CODE=x sh {rack.edited('^FINGERPRINT=.*', 'FINGERPRINT=' + 'a' * 64)} --yes {root}",
                "not the one named",
            ),
        ):
            status, said = await rack.run(line)
            assert (status != 0, words in said) == (True, True), said
            assert rack.installed == []
        line = f"VETTING_CODE=x sh {rack.edited('^SHA256=.*', 'SHA256=' + 'a' * 64)} --yes {root}"
        status, said = await rack.run(line)
        assert (status != 0, "does not have the checksum" in said, rack.installed) == (True, True, []), said


async def test_it_asks_on_the_terminal_and_takes_no_for_an_answer(tmp_path: Path, zipapp: Path) -> None:
    if shutil.which("script") is None:
        pytest.skip("no script(1) here to give it a terminal")
    async with a_rack(tmp_path, zipapp) as rack:
        line = shlex.quote(await rack.line())
        _, said = await rack.run(f"(sleep 3; echo n) | script --quiet --return --command {line} /dev/null")
        assert ("Go on? [y/N]" in said, "nothing was done" in said, rack.installed) == (True, True, []), said
        _, said = await rack.run(f"(sleep 3; echo y; sleep 20) | script --quiet --return --command {line} /dev/null")
        assert "registered as pve-07" in said, said


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("setpriv --reuid=65534 --regid=65534 --clear-groups", "only root may install a service"),
        ("env PATH=PYTHONLESS", "there is no python3"),
        ("env PATH=OLD", "does not do; the reporter needs Python 3.11"),
    ],
)
async def test_it_says_what_is_missing(tmp_path: Path, zipapp: Path, before: str, words: str) -> None:
    async with a_rack(tmp_path, zipapp) as rack:
        for name in ("PYTHONLESS", "OLD"):
            folder = tmp_path / name
            folder.mkdir()
            for tool in ("uname", "id", "sh", "cat"):
                (folder / tool).symlink_to(shutil.which(tool) or "")
        (tmp_path / "OLD/python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\nexit 1\n')
        (tmp_path / "OLD/python3").chmod(0o755)
        before = before.replace("PYTHONLESS", str(tmp_path / "PYTHONLESS")).replace("=OLD", f"={tmp_path / 'OLD'}")
        status, said = await rack.run(
            f"cat {rack.script} | VETTING_CODE=x {before} sh -s -- --yes --root {rack.host.root}"
        )
        assert (status != 0, words in said, rack.installed) == (True, True, []), said
