"""report.json: the same data as report.html, under a published schema (`report.schema.json` beside this file)."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from typing import Any

import msgspec

from vetting.report.model import Report

SCHEMA_FILE = "report.schema.json"
SCHEMA_ID = "urn:vetting:report:1"


def render(report: Report) -> bytes:
    """JSON in UTF-8, indented but for the curves' numbers. It never holds NaN: the model has None in its place."""
    parts = [b'"%s": %s' % (part.name.encode(), _part(report, part.name)) for part in fields(report)]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def _part(report: Report, name: str) -> bytes:
    raw = msgspec.json.encode(getattr(report, name))
    return raw if name == "curves" else msgspec.json.format(raw, indent=1)


def parse(raw: bytes) -> Report:
    """The report in such a file. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(raw, type=Report)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no report: {error}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12), made from the model. Unknown fields are mistakes in it."""
    (root,), parts = msgspec.json.schema_components((Report,), ref_template="#/$defs/{name}")
    for part in parts.values():
        if part.get("type") == "object":
            part["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Report of a vetting run",
        **root,
        "$defs": parts,
    }


def schema_text() -> bytes:
    """What the published file holds."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2) + b"\n"


def published_schema() -> bytes:
    """The file as it ships."""
    return files(__package__).joinpath(SCHEMA_FILE).read_bytes()
