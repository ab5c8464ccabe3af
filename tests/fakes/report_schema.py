"""Writes the published schema of report.json again after the model has changed: `python -m tests.fakes.report_schema`."""

from __future__ import annotations

from pathlib import Path

from vetting.report import json

if __name__ == "__main__":
    (Path(json.__file__).parent / json.SCHEMA_FILE).write_bytes(json.schema_text())
