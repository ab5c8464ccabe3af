"""Recipes, one file a part of a machine; each has a tuple FAULTS of `tests.campaign.fault.Fault`."""

from __future__ import annotations

import importlib
import pkgutil

from tests.campaign.fault import Fault


def collected() -> tuple[Fault, ...]:
    """Of every file in this folder, in the order of their names."""
    found: list[Fault] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
        found += importlib.import_module(f"{__name__}.{module.name}").FAULTS
    return tuple(found)
