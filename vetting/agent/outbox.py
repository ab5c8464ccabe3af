"""A queue of things to send that never grows past its bound: the oldest go first, and what went is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from vetting.clock import Clock

T = TypeVar("T")


def first_number(clock: Clock) -> int:
    """What an agent's batches are counted from: above every number of an agent before it in this boot.

    The orchestrator takes each number of a boot once. An agent that was killed and started again would speak to deaf ears
    if it began at one; milliseconds since the boot grow faster than any agent sends.
    """
    return int(clock.monotonic() * 1000)


class Outbox(Generic[T]):
    def __init__(self, bound: int) -> None:
        self._items: deque[T] = deque()
        self._bound = bound
        self.dropped = 0  # since the last `take_dropped`
        self.dropped_total = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        self._items.append(item)
        if len(self._items) > self._bound:
            self._items.popleft()
            self.drop(1)

    def drop(self, count: int) -> None:
        """Counts things that were not sent and never will be."""
        self.dropped += count
        self.dropped_total += count

    def take(self, at_most: int, together: Callable[[T, T], bool] = lambda first, item: True) -> list[T]:
        """The oldest items, as far as each goes `together` with the first of them."""
        return list(self._taking(at_most, together))

    def _taking(self, at_most: int, together: Callable[[T, T], bool]) -> Iterator[T]:
        first: T | None = None
        for _ in range(min(at_most, len(self._items))):
            if first is None:
                first = self._items[0]
            elif not together(first, self._items[0]):
                return
            yield self._items.popleft()

    def take_dropped(self) -> int:
        count, self.dropped = self.dropped, 0
        return count
