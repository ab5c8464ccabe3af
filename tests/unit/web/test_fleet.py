"""The fleet's page, its live pieces, unknown machines, new hosts, the list of runs: what is shown, and to whom."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Seen, Visitor, visiting
from vetting import wire
from vetting.orchestrator.arrivals import Arrivals
from vetting.orchestrator.bus import News
from vetting.store import hosts
from vetting.web.console import Console
from vetting.web.fleetfeed import FleetFeed
from vetting.web.pages.adopting import Strangers
from vetting.web.shell import worst

pytestmark = pytest.mark.asyncio(loop_scope="module")
STRANGER = "52:54:00:aa:bb:01"
HOSTILE = "<script>alert(1)</script>\u202egnp\x1b[31m"


@dataclass
class Place:
    scene: Scene
    operator: Visitor
    viewer: Visitor
    console: Console

    async def knock(self, mac: str, what: str = "UEFI x86-64") -> None:
        arrivals = Arrivals(store=self.scene.server.store, bus=self.scene.server.bus, clock=self.scene.clock)
        await arrivals.stranger(mac, address="192.0.2.7", source="dhcp", what=what)

    async def host(self, name: str) -> wire.HostView:
        return await self.scene.server.desk.views.host(name)

    def news(self, kind: str, **about: Any) -> News:
        return News(id=1, at=self.scene.clock.now(), kind=kind, **about)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One for all: a vetted host, one that passed without more, one that is held, one at work, one nobody ever tested."""
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(tmp_path_factory.mktemp("fleet")))
        await scene.operator()
        await scene.vetted("vetted-1")
        await scene.completed("short-1", non_destructive=True)
        await scene.held("SMART", "held-1", reason="drive 7 is failing")
        agent = await scene.running("CPUStress", "works-1")
        await agent.beat()
        await agent.sample({"temp.cpu": 71.4, "temp.disk": 40.0, "power.psu1": 400.0})
        await scene.machine("new-1")
        guest = await scene.operator("nora")  # the clock was moved on: the first session has ended
        operator = await stack.enter_async_context(visiting(scene, guest))
        viewer = await stack.enter_async_context(visiting(scene, await scene.viewer()))
        yield Place(scene, operator, viewer, scene.server.console)


def tile(seen: Seen, name: str) -> str:
    """What a person reads in the tile of this host."""
    found = [part for part in seen.raw.split('<li id="host-')[1:] if f">{name}</a>" in part]
    assert len(found) == 1, name
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0].partition("</li>")[0])).split())


def names(seen: Seen) -> list[str]:
    return re.findall(r'<a (?:class="name" )?href="[^"]*">([a-z0-9-]+)</a>', seen.raw)


async def test_each_host_says_how_it_is_in_words(place: Place) -> None:
    seen = await place.viewer.see("/")
    assert names(seen)[0] == "held-1"
    held = tile(seen, "held-1")
    assert "Held" in held
    assert "SMART, 4 of 11" in held
    assert "drive 7 is failing" in held
    works = tile(seen, "works-1")
    assert "Running" in works
    assert "CPUStress, 5 of 11" in works
    assert "71 °C" in works
    assert "agent" in works
    assert "Never vetted" in tile(seen, "new-1")


async def test_a_green_looks_no_greener_than_it_is(place: Place) -> None:
    seen = await place.viewer.see("/")
    assert "✓ Vetted" in tile(seen, "vetted-1")
    short = tile(seen, "short-1")
    assert "Passed, not vetted" in short
    assert "non-destructive" in short
    assert "✓ Vetted" not in short
    row = (await place.viewer.see("/?view=table&q=short-1")).text
    assert "Passed, not vetted +" in row


async def test_a_tile_leads_to_the_run_that_has_the_host_and_else_to_the_host(place: Place) -> None:
    raw = (await place.viewer.see("/")).raw
    assert re.search(r'href="/runs/\d+">held-1<', raw)
    assert 'href="/hosts/vetted-1">vetted-1<' in raw


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("show=attention", {"held-1"}),
        ("show=running", {"works-1"}),
        ("show=never", {"held-1", "works-1", "new-1"}),
        ("q=SHORT", {"short-1"}),
        ("q=nothing+like+it", set()),
        ("q=vetted&show=running", set()),
        ("show=nonsense&sort=nonsense&view=nonsense", {"held-1", "works-1", "vetted-1", "short-1", "new-1"}),
    ],
)
@pytest.mark.parametrize("view", ["tiles", "table"])
async def test_the_address_says_which_hosts_are_shown(place: Place, query: str, found: set[str], view: str) -> None:
    seen = await place.viewer.see(f"/?{query}&view={view}")
    assert seen.status == 200
    shown = set(names(seen)) & {"held-1", "works-1", "vetted-1", "short-1", "new-1"}
    assert shown == found
    assert ("No host is like that" in seen.text) == (not found)


async def test_a_host_is_found_by_the_serial_of_its_disk(place: Place) -> None:
    machine = place.scene.machines["short-1"]
    assert names(await place.viewer.see(f"/?q={machine.serials[1].lower()}")) == ["short-1"]


async def test_what_is_looked_for_stands_in_the_form_again_and_is_inert(place: Place) -> None:
    seen = await place.viewer.see('/?q="><script>alert(1)</script>&sort=name&show=idle')
    assert "<script>alert" not in seen.raw
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)' in seen.raw
    assert '<option value="name" selected>' in seen.raw
    assert 'value="idle" checked' in seen.raw


async def test_numbers_stand_beside_the_filters(place: Place) -> None:
    raw = (await place.viewer.see("/?show=attention")).raw
    assert re.search(r'id="count-attention" class="count">1<', raw)
    assert re.search(r'id="count-running" class="count">1<', raw)


async def test_a_viewer_is_offered_nothing_to_change(place: Place) -> None:
    await place.knock(STRANGER)
    seen = await place.viewer.see("/")
    assert STRANGER in seen.text
    assert "Adopt" not in seen.text
    assert "Add a host" not in seen.text
    for path in (f"/strangers/{STRANGER}/adopt", "/hosts/new"):
        assert (await place.viewer.see(path)).status == 403
        assert (await place.viewer.send(path, name="sneaky")).status == 403
    assert "Adopt" in (await place.operator.see("/")).text


async def test_an_unknown_machine_becomes_a_host(place: Place) -> None:
    mac = "52:54:00:aa:bb:02"
    await place.knock(mac, HOSTILE)
    page = await place.operator.see(f"/strangers/{mac}/adopt")
    assert mac in page.text
    assert "<script>alert" not in page.raw
    refused = await place.operator.send(
        f"/strangers/{mac}/adopt", **{"as": "new", "name": "Not A Name", "note": "shelf 3"}
    )
    assert refused.status == 400
    assert "shelf 3" in refused.raw  # what was typed is still there
    done = await place.operator.send(f"/strangers/{mac}/adopt", **{"as": "new", "name": "adopted-1", "note": "shelf 3"})
    assert (done.status, done.headers["Location"]) == (303, "/hosts/adopted-1")
    host = await place.host("adopted-1")
    assert (host.macs, host.note) == ((mac,), "shelf 3")
    assert f"/strangers/{mac}" not in (await place.operator.see("/")).raw
    assert (await place.operator.send(f"/strangers/{mac}/adopt", **{"as": "new", "name": "again-1"})).status == 404


async def test_an_unknown_address_is_added_to_a_host_and_takes_nothing_from_it(place: Place) -> None:
    mac = "52:54:00:aa:bb:03"
    await place.knock(mac)
    before = await place.host("new-1")
    unsaid = await place.operator.send(f"/strangers/{mac}/adopt", **{"as": "known", "host": ""})
    assert unsaid.status == 400
    done = await place.operator.send(f"/strangers/{mac}/adopt", **{"as": "known", "host": "new-1"})
    assert done.headers["Location"] == "/hosts/new-1"
    after = await place.host("new-1")
    assert set(after.macs) == {*before.macs, mac}
    assert (after.spec, after.note, after.bmc) == (before.spec, before.note, before.bmc)


async def test_a_host_is_added_by_name_and_addresses(place: Place) -> None:
    assert (await place.operator.see("/hosts/new")).status == 200
    refused = await place.operator.send("/hosts/new", name="added-1", macs="not an address", note="n")
    assert refused.status == 400
    assert "not an address" in refused.raw
    macs = "52-54-00-00-09-01\r\n52:54:00:00:09:02"
    done = await place.operator.send("/hosts/new", name="Added-1", macs=macs, note="by hand")
    assert done.headers["Location"] == "/hosts/added-1"
    assert (await place.host("added-1")).macs == ("52:54:00:00:09:01", "52:54:00:00:09:02")
    assert (await place.operator.send("/hosts/new", name="new")).status == 400  # its page would be this one
    twin = await place.operator.send("/hosts/new", name="added-1")
    assert twin.status == 409


async def test_the_runs_are_listed_newest_first_with_what_stands_beside_their_verdicts(place: Place) -> None:
    seen = await place.viewer.see("/runs")
    numbers = [int(one) for one in re.findall(r'<a href="/runs/(\d+)">\d+</a>', seen.raw)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 4
    assert "Passed, not vetted" in seen.text
    assert "non-destructive" in seen.text
    one = await place.viewer.see("/runs?host=held-1")
    assert re.findall(r'href="/hosts/([^"]*)"', one.raw) == ["held-1"]
    older = await place.viewer.see(f"/runs?before={numbers[1]}")
    assert [int(one) for one in re.findall(r'<a href="/runs/(\d+)">\d+</a>', older.raw)] == numbers[2:]
    assert (await place.viewer.see("/runs?host=nobody")).status == 404
    assert (await place.viewer.see("/runs?before=" + "9" * 400)).status == 200


async def test_a_heartbeat_renews_the_age_alone_and_a_change_the_whole_tile(place: Place) -> None:
    feed = FleetFeed(place.console, "tiles")
    host = await place.host("works-1")
    beat = feed.touched(place.news("run.progress", run_id=host.last_run_id))
    first = await feed.render(beat)
    assert f'id="host-{host.id}"' in first  # nobody knows yet what the page shows
    again = await feed.render(beat)
    assert f'id="beat-{host.id}"' in again
    assert f'id="host-{host.id}"' not in again
    await place.scene.server.store.write(lambda: hosts.edit(host.id, name="works-2"))
    renamed = await feed.render(beat)
    assert f'id="host-{host.id}"' in renamed
    await place.scene.server.store.write(lambda: hosts.edit(host.id, name="works-1"))
    assert "count-" not in renamed
    moved = feed.touched(place.news("run.moved", run_id=host.last_run_id, data={"state": "Storage"}))
    whole = await feed.render(moved)
    assert f'id="host-{host.id}"' in whole
    assert 'id="count-all"' in whole
    assert len(re.findall("hx-swap-oob", whole)) == 1 + 6


async def test_every_piece_of_the_feed_is_an_element_of_the_page(place: Place) -> None:
    page = (await place.operator.see("/")).raw
    feed = FleetFeed(place.console, "tiles")
    every = [one.id for one in await place.scene.server.desk.views.hosts()]
    pieces = await feed.render(
        {*(f"host/{one}" for one in every), *(f"beat/host/{one}" for one in every), *feed.pieces}
    )
    ids = re.findall(r'id="([^"]+)"[^>]*hx-swap-oob', pieces)
    assert len(ids) == len(every) + 6
    assert all(f'id="{one}"' in page for one in ids)
    strangers = await Strangers(place.console, operator=True).render(("strangers",))
    assert 'id="strangers"' in page
    assert strangers.lstrip().startswith("<section hx-swap-oob")


async def test_the_list_is_asked_for_again_when_it_may_be_another_one(place: Place) -> None:
    feed = FleetFeed(place.console, "tiles")

    def told(kind: str, **data: Any) -> bool:
        return bool(list(feed.events(place.news(kind, run_id=1, data=data))))

    assert told("run.moved", state="FailedHolding")
    assert told("run.moved", state="Queued")
    assert told("run.moved", state="InventoryCheck")
    assert told("run.moved", state="Completed")
    assert told("host.changed")
    assert not told("run.moved", state="Storage")
    assert not told("run.progress")


async def test_news_of_what_is_gone_renders_nothing(place: Place) -> None:
    feed = FleetFeed(place.console, "table")
    assert await feed.render({"host/4711", "beat/run/4711"}) == ""


async def test_a_page_that_was_asked_for_by_a_script_is_the_list_and_the_numbers_alone(place: Place) -> None:
    async with place.operator.session.get(
        place.scene.url + "/?show=running",
        headers={"HX-Request": "true"},
        cookies=place.operator.guest.cookies,  # type: ignore[union-attr]
    ) as response:
        text = await response.text()
    assert 'id="hosts"' in text
    assert 'id="filter"' not in text
    assert 'id="count-running" class="count" hx-swap-oob' in text


async def test_the_worst_state_is_that_of_the_runs(place: Place) -> None:
    assert await worst(place.console) == "held"


async def test_an_empty_fleet_says_what_to_do_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with staged(tmp_path_factory.mktemp("empty")) as scene:
        async with visiting(scene, await scene.operator()) as operator, visiting(scene, await scene.viewer()) as viewer:
            seen = await operator.see("/")
            assert "No hosts yet" in seen.text
            assert f"{scene.config.server.public_url or scene.url}/register/quick.sh" in seen.text
            assert "vetting host add NAME" in seen.text
            assert 'href="/hosts/new"' in seen.raw
            assert 'href="/hosts/new"' not in (await viewer.see("/")).raw
            assert "No runs yet" in (await viewer.see("/runs")).text
        assert await worst(scene.server.console) == "calm"
        await scene.running("SMART")
        assert await worst(scene.server.console) == "busy"
