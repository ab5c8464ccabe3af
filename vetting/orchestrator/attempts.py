"""How often somebody may guess: by where they come from, and by whose name they try.

Five tries are free; after each further one that failed the next has to wait twice as long, up to a quarter of an hour
from one address, up to half a minute for one name, so that nobody far away keeps a person out. Somebody who has signed in from an
address before is counted there alone: strangers who try the name do not slow that person at all.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

from vetting.clock import Clock
from vetting.domain.errors import TooMany
from vetting.domain.roles import key_of

FREE = 5
FIRST_WAIT_S = 1.0
OF_PEER_S = 900.0
OF_NAME_S = 30.0
OF_BOTH_S = 60.0
FORGOTTEN_S = 3600.0
REMEMBERED = 4096

Key = tuple[str, ...]


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float


class Attempts:
    """Failures since this process began; the longest forgotten go first where there are too many to remember."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()
        self._known: OrderedDict[Key, None] = OrderedDict()

    def begin(self, peer: str, name: str = "") -> None:
        """Counts a try as failed until `succeeded` says otherwise, so that many at once are no way around. Raises TooMany."""
        keys = self._keys(peer, name)
        wait_s = max(self._wait_s(key, most_s) for key, most_s in keys)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise TooMany(f"too many attempts failed; wait {seconds} s before the next one", retry_after_s=seconds)
        now = self._clock.monotonic()
        for key, _ in keys:
            found = self._failures.pop(key, None)
            count = found.count if found is not None and now - found.last_at < FORGOTTEN_S else 0
            self._failures[key] = _Failures(count + 1, now)
        _bound(self._failures)

    def knows(self, peer: str, name: str) -> bool:
        """Whether somebody signed in by this name from there before."""
        return (place_of(peer), key_of(name)[:64]) in self._known

    def withdrawn(self, peer: str, name: str = "") -> None:
        """The try that began was never judged."""
        for key, _ in self._keys(peer, name):
            found = self._failures.get(key)
            if found is not None and found.count > 1:
                found.count -= 1
            else:
                self._failures.pop(key, None)

    def succeeded(self, peer: str, name: str = "") -> None:
        """The try that began was right. An address's other failures stay, for it may be guessing other names."""
        self.withdrawn(peer, name)
        if name:
            place, key = place_of(peer), key_of(name)[:64]
            self._failures.pop(("name", key), None)
            self._failures.pop(("both", place, key), None)
            self._known.pop((place, key), None)
            self._known[place, key] = None
            _bound(self._known)

    def _keys(self, peer: str, name: str) -> tuple[tuple[Key, float], ...]:
        place, name = place_of(peer), key_of(name)[:64]
        if (place, name) in self._known:
            return ((("both", place, name), OF_BOTH_S),)
        of_peer = (("peer", place), OF_PEER_S)
        return (of_peer, (("name", name), OF_NAME_S)) if name else (of_peer,)

    def _wait_s(self, key: Key, most_s: float) -> float:
        found = self._failures.get(key)
        passed = self._clock.monotonic() - found.last_at if found is not None else FORGOTTEN_S
        if found is None or passed >= FORGOTTEN_S or found.count < FREE:
            return 0.0
        return min(FIRST_WAIT_S * 2.0 ** min(found.count - FREE, 30), most_s) - passed


def place_of(peer: str) -> str:
    """Where somebody comes from, as far as it costs something to come from elsewhere: an IPv4 address, an IPv6 /64."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


def _bound(known: OrderedDict[Key, _Failures] | OrderedDict[Key, None]) -> None:
    while len(known) > REMEMBERED:
        known.popitem(last=False)
