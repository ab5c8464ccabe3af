"""The OpenAPI description, made from the routes and the message types: it cannot disagree with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from vetting import __version__, wire
from vetting.api.route import Auth, Route

EVERYWHERE = (400, 403, 500)


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    kinds: list[Any] = [wire.ErrorReply]
    for route in routes:
        kinds += [kind for kind in (route.takes, route.gives) if kind is not None and kind not in kinds]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip((str(kind) for kind in kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        plain = re.sub(r"\{(\w+):[^}]+\}", r"{\1}", route.path)
        paths.setdefault(plain, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "vetting", "version": __version__, "description": f"protocol version {wire.PROTOCOL}"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "summary": route.does,
        "x-auth": str(route.auth),
        "security": [] if route.auth is Auth.ANYONE else [{"bearer": []}],
        "parameters": _parameters(route),
        "responses": _responses(route, schema_of),
    }
    if route.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[str(route.takes)]}},
            "x-max-bytes": route.max_bytes,
        }
    elif route.streams and route.method == "PUT":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": {}},
            "x-max-bytes": route.max_bytes,
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, pattern in re.findall(r"\{(\w+)(:[^}]+)?\}", route.path):
        kind = "integer" if pattern == r":\d+" else "string"
        found.append({"name": name, "in": "path", "required": True, "schema": {"type": kind}})
    for name, meaning in route.query.items():
        found.append({"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}})
    return found


def _responses(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    if route.gives is None:
        content: dict[str, Any] = {"application/octet-stream": {}}
    else:
        content = {"application/json": {"schema": schema_of[str(route.gives)]}}
    responses: dict[str, Any] = {"200": {"description": "done", "content": content}}
    refusals = {*EVERYWHERE, *route.refusals}
    if route.auth is not Auth.ANYONE:
        refusals.add(401)
    if route.takes is not None or route.streams:
        refusals.add(413)
    for status in sorted(refusals):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": schema_of[str(wire.ErrorReply)]}},
        }
    return responses
