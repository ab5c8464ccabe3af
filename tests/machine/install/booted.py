"""A machine of our own with a real systemd: this one's files seen through an overlay, in namespaces, without its devices."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("booted.sh")
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")
BOOT_S = 60.0


def missing() -> str:
    """Why such a machine cannot be made here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "there is no systemd here: install the package systemd"
    if "cgroup2" not in Path("/proc/filesystems").read_text() or "overlay" not in Path("/proc/filesystems").read_text():
        return "this kernel has no cgroup2 or no overlay"
    return ""


@dataclass(frozen=True)
class Machine:
    """The running one; `pid` is that of its systemd, seen from here."""

    pid: int

    def run(self, *argv: str | Path, limit_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A program inside, as root there."""
        clean = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}
        told = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w", "--", *map(str, argv)],
            env=clean, capture_output=True, text=True, timeout=limit_s, start_new_session=True,
        )  # fmt: skip
        if check and told.returncode:
            raise AssertionError(f"{argv} ended with {told.returncode}: {told.stdout[-3000:]}{told.stderr[-3000:]}")
        return told

    def shell(self, script: str, *, check: bool = True) -> str:
        return self.run("bash", "-euc", script, check=check).stdout

    def until(self, script: str, limit_s: float = 60.0) -> str:
        """Asks again until the script succeeds; what it printed."""
        end_s = time.monotonic() + limit_s
        while (told := self.run("bash", "-euc", script, check=False)).returncode:
            if time.monotonic() > end_s:
                journal = self.run("journalctl", "--no-pager", "-n", "60", check=False).stdout
                raise AssertionError(f"never came true: {script}\n{told.stdout}{told.stderr}\n{journal}")
            time.sleep(0.2)
        return told.stdout

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", "vetting", check=False).stdout


def snapshot(repository: Path, folder: Path) -> Path:
    """A checkout that nobody edits meanwhile, with everything built from it that an installation needs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in {*listed.split("\0"), "dist/vetting", "build/zipapp-stamp"}:
        if name and (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    (folder / ".venv").symlink_to(repository / ".venv")
    if (image := repository / "dist" / "image").is_dir():
        (folder / "dist" / "image").symlink_to(image)
    told = subprocess.run([folder / "build.sh", "zipapp"], capture_output=True, text=True)
    if told.returncode:
        raise AssertionError(f"build.sh zipapp ended with {told.returncode}: {told.stderr[-3000:]}")
    return folder


@contextmanager
def booted(folder: Path, checkout: Path) -> Iterator[Machine]:
    folder.mkdir()
    console = folder.with_suffix(".console")
    with console.open("wb") as out:
        outer = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--"),  # a test run that is killed takes its machines with it
                *("unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private"),
                *("bash", SCRIPT, folder, checkout),
            ],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        machine = Machine(_systemd(outer, console))
        machine.until("systemctl is-active --quiet lab.target")
        yield machine
    finally:
        os.killpg(outer.pid, signal.SIGKILL)  # its PID 1 dies with it, and with that everything inside
        outer.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _systemd(outer: subprocess.Popen[bytes], console: Path) -> int:
    end_s = time.monotonic() + BOOT_S
    while time.monotonic() < end_s and outer.poll() is None:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
            return int(children[0])
        time.sleep(0.1)
    raise AssertionError(f"the machine did not come up: {console.read_text()[-3000:]}")
