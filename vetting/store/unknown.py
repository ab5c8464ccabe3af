"""Machines that asked to boot and are in no host's record. Bounded: whoever was silent longest is forgotten first."""

from __future__ import annotations

from vetting.store.models import UnknownHost
from vetting.store.rows import UnknownHostRow, row

MOST = 500
LONGEST = {"mac": 40, "address": 64, "source": 20, "what": 400}


def note(mac: str, *, address: str, source: str, what: str, now: float) -> None:
    """A machine asked, for the first time or again. What it told last counts, where it told anything."""
    said = {
        "address": address[: LONGEST["address"]],
        "source": source[: LONGEST["source"]],
        "what": what[: LONGEST["what"]],
    }
    mac = mac[: LONGEST["mac"]]
    changes = {
        **{name: text for name, text in said.items() if text},
        "last_seen_at": now,
        "times": UnknownHost.times + 1,
    }
    if UnknownHost.update(changes).where(UnknownHost.mac == mac).execute():
        return
    UnknownHost.create(mac=mac, first_seen_at=now, last_seen_at=now, **said)
    kept = (
        UnknownHost.select(UnknownHost.id).order_by(UnknownHost.last_seen_at.desc(), UnknownHost.id.desc()).limit(MOST)
    )
    UnknownHost.delete().where(UnknownHost.id.not_in(kept)).execute()


def listing() -> list[UnknownHostRow]:
    """All of them, whoever asked last first."""
    return [row(UnknownHostRow, record) for record in UnknownHost.select().order_by(UnknownHost.last_seen_at.desc())]
