"""What was just done, in a sentence, told once on the next page that the person sees."""

from __future__ import annotations

from collections import OrderedDict

KEPT = 1000  # sessions with an unread notice
LONGEST = 500


class Notices:
    """By session (its CSRF token stands for it); the oldest is forgotten when too many were never read."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, str] = OrderedDict()

    def put(self, session: str, text: str) -> None:
        self._waiting[session] = text[:LONGEST]
        self._waiting.move_to_end(session)
        while len(self._waiting) > KEPT:
            self._waiting.popitem(last=False)

    def take(self, session: str) -> str:
        """The notice, which is gone then; empty without one."""
        return self._waiting.pop(session, "")
