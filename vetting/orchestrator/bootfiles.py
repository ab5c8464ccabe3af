"""The files that dnsmasq reads, laid where it can: it is not root, and the data directory is closed to all but us."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path

from vetting.orchestrator.dnsmasq import LOADERS, Places

KEPT = "dnsmasq.leases"  # in the data directory: a restart of this machine must not cost a host under test its address


class BootFiles:
    """`loader` tells where the image's loader of a name lies; `user` is whom dnsmasq runs as, None for ourselves."""

    def __init__(self, data: Path, *, user: pwd.struct_passwd | None, loader: Callable[[str], Path]) -> None:
        self.places = Places(runtime_folder(data))
        self._kept = data / KEPT
        self._user = user
        self._loader = loader
        self.known = ""  # the text of the hosts file

    def lay_out(self, configuration: str, known: str) -> None:
        """Everything afresh. Raises OSError."""
        places = self.places
        places.tftp.mkdir(parents=True, exist_ok=True)
        if self._kept.exists() and not places.leases.exists():
            shutil.copyfile(self._kept, places.leases)
        places.configuration.write_text(configuration)
        self.know(known)
        self.follow_image()
        if self._user is not None:
            ours = (places.folder, places.tftp, *places.folder.iterdir(), *places.tftp.iterdir())
            for path in ours:
                os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def know(self, known: str) -> None:
        """The hosts file, whole at any moment."""
        self.known = known
        replace_text(self.places.hosts, known)

    def follow_image(self) -> None:
        """The TFTP folder holds the two loaders and nothing else."""
        for name in LOADERS:
            source, place = self._loader(name), self.places.tftp / name
            with contextlib.suppress(FileNotFoundError):
                if not place.exists() or place.stat().st_mtime_ns != source.stat().st_mtime_ns:
                    beside = place.with_name(f".{name}.new")
                    shutil.copy2(source, beside)
                    beside.chmod(0o444)
                    beside.replace(place)

    def keep_leases(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            text = self.places.leases.read_text()
            if text and (not self._kept.exists() or self._kept.read_text() != text):
                replace_text(self._kept, text)

    def clear(self) -> None:
        shutil.rmtree(self.places.folder, ignore_errors=True)


def runtime_folder(data: Path) -> Path:
    """One for each data directory, below /run; in the data directory where we are not root and dnsmasq is no other than we."""
    if os.geteuid() != 0:
        return data / "dnsmasq"
    mark = hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:12]
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run/vetting").split(":")[0]) / f"dnsmasq-{mark}"


def replace_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.chmod(0o644)
    beside.replace(path)
