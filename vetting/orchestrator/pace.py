"""How often one machine may ask: a few at once, then one every so many seconds."""

from __future__ import annotations

from vetting.clock import Clock

REMEMBERED = 2000  # machines


class Pace:
    def __init__(self, clock: Clock, *, at_once: int, every_s: float) -> None:
        self._clock = clock
        self._at_once = at_once
        self._every_s = every_s
        self._free_at: dict[str, float] = {}  # name -> when all that it used is given back

    def may(self, name: str) -> bool:
        """Whether `name` may ask now; counts where it may."""
        now = self._clock.monotonic()
        free_at = max(self._free_at.get(name, now), now)
        if free_at + self._every_s > now + self._at_once * self._every_s:
            return False
        if name not in self._free_at and len(self._free_at) >= REMEMBERED:
            self._free_at = {who: at for who, at in self._free_at.items() if at > now}
            if len(self._free_at) >= REMEMBERED:
                self._free_at.clear()
        self._free_at[name] = free_at + self._every_s
        return True
