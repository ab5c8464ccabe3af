"""What a person or a program may do here."""

from __future__ import annotations

import re
from enum import StrEnum

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
NAME_RULE = "up to 64 letters, digits and . _ @ -, beginning with a letter or digit"


class Role(StrEnum):
    """A viewer looks, an operator changes things too."""

    VIEWER = "viewer"
    OPERATOR = "operator"


def key_of(name: str) -> str:
    """Under which a name is known: people do not tell Ann from ann, so that no two accounts may differ by that alone."""
    return name.lower()
