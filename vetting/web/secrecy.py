"""Addresses of notification channels without what opens them: shown to everybody who may look."""

from __future__ import annotations

import re

DOTS = "•••"
NAME = re.compile(r"[a-z0-9+._-]{1,40}", re.IGNORECASE)
PLAIN_HOSTS = frozenset(  # schemes whose host is an address; elsewhere the place of the host is taken by a token
    {"http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "ntfy", "ntfys", "gotify",
     "gotifys", "mmost", "mmosts", "matrix", "matrixs", "rocket", "rockets", "rsyslog", "mqtt", "mqtts", "xmpp", "xmpps",
     "apprise", "apprises", "syslog", "signal", "signals", "ncloud", "nclouds", "bark", "barks"}
)  # fmt: skip


def masked(url: str) -> str:
    """ntfys://•••@ntfy.example/•••: which kind of channel it is and where it leads, and nothing that it could be used with."""
    scheme, there, rest = url.partition("://")
    if not there or not NAME.fullmatch(scheme):
        return DOTS
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    more = f"/{DOTS}" if len(rest) > len(place) + 1 else ""
    user, at, host = place.rpartition("@")
    if scheme.lower() not in PLAIN_HOSTS:
        return f"{scheme}://{DOTS}"
    return f"{scheme}://{f'{DOTS}@' if at and user else ''}{host}{more}"
