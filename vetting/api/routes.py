"""Every route of the machines' API, in one list."""

from __future__ import annotations

from typing import Any

from vetting.api import agent, openapi, operator, outlets, people, pinning, registration, reporter
from vetting.api.route import Auth, Call, Route
from vetting.orchestrator.desk import Desk


async def description(desk: Desk, call: Call, message: None) -> dict[str, Any]:
    return openapi.describe(ROUTES)


ROUTES: tuple[Route, ...] = (
    *agent.ROUTES,
    *reporter.ROUTES,
    *registration.ROUTES,
    *operator.ROUTES,
    *outlets.ROUTES,
    *pinning.ROUTES,
    *people.ROUTES,
    Route(
        method="GET", path="/api/openapi.json", auth=Auth.ANYONE, does="This description.",
        handle=description, gives=dict[str, Any],
    ),
)  # fmt: skip
