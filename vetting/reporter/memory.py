"""Which orders this host has acted on: each once, also after the reboot that it caused."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vetting.domain.errors import BadInput
from vetting.reporter.settings import STATE, write_private

KEPT = 100


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    run_id: int
    nonce: str
    boot_id: str  # in which the order was carried out
    at: float


class Memory:
    """A file below the root. It is written before anything is done: what is not remembered is not done."""

    def __init__(self, root: Path) -> None:
        self._path = root / STATE / "orders.json"

    def acted(self) -> tuple[Acted, ...]:
        """Oldest first. Raises BadInput where the file is there and cannot be read: then nobody knows what was done."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=tuple[Acted, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as error:
            raise BadInput(f"{self._path}, which remembers the orders carried out, cannot be read ({error})") from None

    def remember(self, deed: Acted) -> None:
        """Raises BadInput where it cannot be kept."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._path, msgspec.json.encode((*self.acted(), deed)[-KEPT:]))
        except OSError as error:
            raise BadInput(
                f"{self._path}, which remembers the orders carried out, cannot be written: {error}"
            ) from None
