"""Who did what to which thing, when and why: to look through, and to take along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from vetting.domain.errors import BadInput
from vetting.gate import HEADERS
from vetting.report.text import moment, visible
from vetting.store import audit
from vetting.store.rows import AuditRow
from vetting.web.console import Console
from vetting.web.deeds import KINDS, plain, sentence
from vetting.web.visit import Answer, Need, Page, View, Visit

ON_A_PAGE = 100
MOST_EXPORTED = 50_000
FILTERS = ("who", "what", "host", "run", "text")
LONGEST = 200
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet takes a cell that begins so for one
COLUMNS = ("number", "time", "who", "what", "to", "run", "why", "in words")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for, as typed."""

    who: str = ""
    what: str = ""
    host: str = ""
    run: str = ""
    text: str = ""

    @property
    def query(self) -> str:
        """As a URL has it; empty where everything is wanted."""
        return urlencode({name: getattr(self, name) for name in FILTERS if getattr(self, name)})

    def entries(self, *, limit: int, before_id: int | None = None) -> list[AuditRow]:
        """Inside `Store.read`."""
        run_id = int(self.run) if self.run else None
        return audit.entries(
            run_id=run_id, before_id=before_id, limit=limit, who=self.who, what=self.what, host=self.host, text=self.text
        )  # fmt: skip


def wanted(visit: Visit) -> Wanted:
    """Raises BadInput for a run that is no number."""
    typed = {name: visit.query.get(name, "").strip()[:LONGEST] for name in FILTERS}
    typed["run"] = typed["run"].lower().removeprefix("run").strip()
    if typed["run"] and not number(typed["run"]):
        raise BadInput(f"{typed['run'][:40]!r} is not the number of a run")
    return Wanted(**typed)


def number(said: str) -> bool:
    return said.isascii() and said.isdigit() and len(said) <= 15


async def shown(console: Console, visit: Visit) -> Answer:
    look_for, before = wanted(visit), visit.query.get("before", "")
    before_id = int(before) if number(before) else None

    def look() -> tuple[list[AuditRow], list[str]]:
        return look_for.entries(limit=ON_A_PAGE + 1, before_id=before_id), audit.people()

    found, people = await console.store.read(look)
    page = found[:ON_A_PAGE]
    values = {
        "deeds": [(one, sentence(one)) for one in page],
        "wanted": look_for,
        "kinds": KINDS,
        "people": people,
        "older": page[-1].id if len(found) > ON_A_PAGE else None,
        "paged": before_id is not None,
        "most": MOST_EXPORTED,
    }
    return View(template="audit.html.j2", title="Audit log", nav="audit", values=values)


async def as_csv(console: Console, visit: Visit) -> Answer:
    look_for = wanted(visit)
    text = await console.store.read(lambda: csv_of(look_for.entries(limit=MOST_EXPORTED)))
    return _file(text, "text/csv", "csv")


async def as_json(console: Console, visit: Visit) -> Answer:
    look_for = wanted(visit)
    text = await console.store.read(lambda: json_of(look_for.entries(limit=MOST_EXPORTED)))
    return _file(text, "application/json", "json")


def _file(text: str, media_type: str, ending: str) -> web.Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="vetting-audit.{ending}"'}
    return web.Response(text=text, content_type=media_type, charset="utf-8", headers=headers)


def csv_of(found: Sequence[AuditRow]) -> str:
    """RFC 4180. Nothing in it is a formula to a spreadsheet or hides in it, whoever wrote the reason or named the host."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in found:
        cells = (
            one.id,
            moment(one.at).replace("\u00a0", " "),
            one.who,
            one.what,
            one.target,
            one.run_id or "",
            one.why,
            plain(one),
        )
        writer.writerow(visible(harmless(cell)) for cell in cells)
    return out.getvalue()


def harmless(value: object) -> str:
    said = str(value)
    return f"'{said}" if said.startswith(FORMULA) else said


def json_of(found: Sequence[AuditRow]) -> str:
    told = [
        {"number": one.id, "at": one.at, "who": one.who, "what": one.what, "to": one.target, "run": one.run_id,
         "why": one.why, "detail": one.detail, "in_words": plain(one)}
        for one in found
    ]  # fmt: skip
    return json.dumps(told, indent=1)  # in ASCII: nothing in it turns a line round


PAGES = (
    Page(path="/audit", need=Need.VIEWER, show=shown),
    Page(path="/audit.csv", need=Need.VIEWER, show=as_csv),
    Page(path="/audit.json", need=Need.VIEWER, show=as_json),
)
