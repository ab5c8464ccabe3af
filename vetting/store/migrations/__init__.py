"""The versions of the database, oldest first. A migration is never edited once it has shipped; a new one is added."""

from __future__ import annotations

NAMES: tuple[str, ...] = (
    "m0001_first",
    "m0002_network",
    "m0003_console",
    "m0004_baselines",
    "m0005_repairs",
    "m0006_checkpoints",
)
