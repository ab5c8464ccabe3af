"""Where each page is: an address of every page of the console, its path filled in from who is on the stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.browser.cast import Cast
from vetting.web.routes import PAGES

NOBODY, VIEWER, OPERATOR = "nobody", "viewer", "operator"
RACK, FRESH, CROWD = "rack", "fresh", "crowd"
"""Stages: hosts of every kind; an appliance that was never used; 500 hosts."""


@dataclass(frozen=True)
class Place:
    """One look at one page. `who`: whose eyes it is seen with; `press`: a link of it that opens a dialog; `stage`: where;
    `still`: a document that may run nothing, no script of a test either."""

    name: str
    path: str
    who: str = OPERATOR
    press: str = ""
    stage: str = RACK
    still: bool = False
    status: int = 200
    again: bool = False  # another look at a page that is tried elsewhere: for the album


Places = Callable[[Cast], tuple[Place, ...]]

NO_PAGES: Mapping[str, str] = {  # what is served to something other than a person's eyes -> to what
    "/live": "a page's own script",
    r"/runs/{run:\d+}/series.json": "the charts' script",
    r"/runs/{run:\d+}/report.json": "programs",
    "/audit.csv": "the disk",
    "/audit.json": "programs",
    r"/runs/{run:\d+}/artifacts/{artifact:\d+}": "the disk",
}
"""Every other page has a place below; a test says which has none."""

RUN, HOST, PERSON = r"/runs/{run:\d+}", "/hosts/{host}", r"/people/{name:[A-Za-z0-9._@-]{1,64}}"
DEEDS = ("role", "password", "disable", "sign-out", "remove")


def _runs(cast: Cast) -> tuple[Place, ...]:
    return (
        Place("run-working", f"/runs/{cast.working.run_id}"),
        Place("run-held", f"/runs/{cast.held.run_id}"),
        Place("run-held-viewer", f"/runs/{cast.held.run_id}", VIEWER),
        Place("run-differs", f"/runs/{cast.differs.run_id}"),
        Place("run-data", f"/runs/{cast.data.run_id}"),
        Place("run-queued", f"/runs/{cast.queued.run_id}"),
        Place("run-vetted", f"/runs/{cast.vetted.run_id}"),
        Place("run-dialog", f"/runs/{cast.held.run_id}", press="Override"),
    )


def _of_host(deed: str) -> Places:
    return lambda cast: (Place(f"host-{deed}", f"/hosts/{cast.host}/{deed}"),)


PLACES: Mapping[str, Places] = {
    "/setup": lambda cast: (Place("setup", "/setup", NOBODY, stage=FRESH),),
    "/sign-in": lambda cast: (Place("sign-in", "/sign-in", NOBODY),),
    "/": lambda cast: (
        Place("fleet", "/"),
        Place("fleet-table", "/?view=table"),
        Place("fleet-viewer", "/", VIEWER, again=True),
        Place("fleet-nothing", "/?q=nothing-is-called-so", again=True),
        Place("fleet-empty", "/", stage=FRESH),
        Place("fleet-crowd", "/", stage=CROWD),
    ),
    r"/strangers/{mac:[0-9a-f:]{1,40}}/adopt": lambda cast: (Place("adopt", f"/strangers/{cast.stranger}/adopt"),),
    "/hosts/new": lambda cast: (Place("host-new", "/hosts/new"),),
    HOST: lambda cast: (
        Place("host", f"/hosts/{cast.host}"),
        Place("host-viewer", f"/hosts/{cast.host}", VIEWER, again=True),
        Place("host-bare", f"/hosts/{cast.bare}"),
    ),
    **{f"{HOST}/{deed}": _of_host(deed) for deed in ("edit", "spec", "power", "reporter", "relearn", "remove")},
    f"{HOST}/pin": lambda cast: (
        Place("host-pin", f"/hosts/{cast.host}/pin"),
        Place("host-pin-nothing", f"/hosts/{cast.bare}/pin", status=409, again=True),
    ),
    f"{HOST}/start": lambda cast: (
        Place("start", f"/hosts/{cast.host}/start"),
        Place("start-offline", f"/hosts/{cast.bare}/start"),
        Place("start-busy", f"/hosts/{cast.working.machine.host}/start", again=True),
    ),
    "/runs": lambda cast: (
        Place("runs", "/runs"),
        Place("runs-of-host", f"/runs?host={cast.host}", again=True),
        Place("runs-empty", "/runs", stage=FRESH, again=True),
    ),
    RUN: _runs,
    f"{RUN}/report": lambda cast: (Place("report", f"/runs/{cast.vetted.run_id}/report"),),
    f"{RUN}/report.html": lambda cast: (Place("report-file", f"/runs/{cast.held.run_id}/report.html", still=True),),
    f"{RUN}/compare": lambda cast: (
        Place("compare", f"/runs/{cast.vetted.run_id}/compare"),
        Place("compare-nothing", f"/runs/{cast.held.run_id}/compare"),
    ),
    f"{RUN}/charts": lambda cast: (Place("charts", f"/runs/{cast.working.run_id}/charts"),),
    f"{RUN}/log": lambda cast: (Place("run-log", f"/runs/{cast.working.run_id}/log"),),
    f"{RUN}/key": lambda cast: (Place("run-key", f"/runs/{cast.held.run_id}/key"),),
    rf"{RUN}/stages/{{stage:\w+}}": lambda cast: (Place("run-stage", f"/runs/{cast.held.run_id}/stages/SMART"),),
    f"{RUN}/cancel": lambda cast: (
        Place("run-cancel", f"/runs/{cast.working.run_id}/cancel"),
        Place("run-cancel-late", f"/runs/{cast.vetted.run_id}/cancel", status=409),
    ),
    f"{RUN}/cancel-reboot": lambda cast: (Place("run-cancel-reboot", f"/runs/{cast.held.run_id}/cancel-reboot"),),
    f"{RUN}/retry": lambda cast: (Place("run-retry", f"/runs/{cast.held.run_id}/retry"),),
    f"{RUN}/override": lambda cast: (Place("run-override", f"/runs/{cast.held.run_id}/override"),),
    f"{RUN}/override-wipe-probe": lambda cast: (
        Place("run-override-wipe-probe", f"/runs/{cast.data.run_id}/override-wipe-probe"),
    ),
    f"{RUN}/accept-differences": lambda cast: (
        Place("run-accept-differences", f"/runs/{cast.differs.run_id}/accept-differences"),
    ),
    f"{RUN}/release": lambda cast: (Place("run-release", f"/runs/{cast.held.run_id}/release"),),
    "/settings": lambda cast: (
        Place("settings", "/settings"),
        Place("settings-viewer", "/settings", VIEWER, again=True),
    ),
    r"/settings/notify/{number:\d+}": lambda cast: (Place("notify-test", "/settings/notify/0"),),
    "/audit": lambda cast: (Place("audit", "/audit"), Place("audit-viewer", "/audit", VIEWER, again=True)),
    "/account": lambda cast: (Place("account", "/account"), Place("account-viewer", "/account", VIEWER, again=True)),
    "/account/sign-out": lambda cast: (Place("account-sign-out", "/account/sign-out"),),
    "/people": lambda cast: (Place("people", "/people"),),
    "/people-add": lambda cast: (Place("person-add", "/people-add"),),
    PERSON + "/{act:[a-z-]{1,20}}": lambda cast: (
        *(Place(f"person-{deed}", f"/people/{cast.person}/{deed}", again=deed != "password") for deed in DEEDS),
        Place("person-enable", "/people/sam/enable", again=True),
    ),
    "/tokens": lambda cast: (Place("tokens", "/tokens"),),
    "/tokens/issue": lambda cast: (Place("token-issue", "/tokens/issue"),),
    "/tokens/revoke": lambda cast: (Place("token-revoke", f"/tokens/revoke?name={cast.token}"),),
}
ELSEWHERE = (
    Place("nothing-there", "/nothing/of/ours", status=404),
    Place("nothing-there-nobody", "/nothing/of/ours", NOBODY, status=404),
)


def every_place(cast: Cast) -> Iterator[Place]:
    """All of them, in the order of the pages."""
    for page in PAGES:
        if page.show is not None and page.path in PLACES:
            yield from PLACES[page.path](cast)
    yield from ELSEWHERE


def homeless(places: Mapping[str, Places] = PLACES) -> set[str]:
    """Pages that nobody has said where to look at, and places of pages that are gone."""
    shown = {page.path for page in PAGES if page.show is not None} - NO_PAGES.keys()
    return shown ^ places.keys()
