"""The page that makes measurements into floors: it shows all of it, pins what is ticked, and nothing typed is lost."""

from __future__ import annotations

import html
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.browser.scene import Scene, staged
from tests.fakes.siblings import Sibling, good_run
from tests.unit.web.visitor import Seen, Visitor, visiting
from vetting.config import Config, HostClass
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.store import hosts

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def vetted(scene: Scene, number: int) -> Sibling:
    twin = Sibling(number, random.Random(number))
    await scene.server.store.write(lambda: good_run(twin))
    return twin


async def spec_of(scene: Scene, twin: Sibling) -> ExpectedSpec:
    return (await scene.server.desk.views.host(twin.name)).spec


def boxes(seen: Seen) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'name="pin" value="([^"]+)"', seen.raw)]


def hidden(seen: Seen, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', seen.raw)
    assert found
    return html.unescape(found[1])


async def test_only_what_is_ticked_is_pinned_and_the_next_page_says_so(scene: Scene, operator: Visitor) -> None:
    twin = await vetted(scene, 1)
    page = f"/hosts/{twin.name}/pin"
    seen = await operator.see(page)
    assert "fio IOPS" in seen.text
    assert "the worst of 4" in seen.text
    assert "by stress-ng 1.0 alone" in seen.text
    keys = boxes(seen)
    assert len(keys) > 8
    ticked = [key for key in keys if "fio" in key]
    fields = [("mark", hidden(seen, "mark")), ("run", hidden(seen, "run")), ("margin", ""), ("class", ""),
              *(("pin", key) for key in ticked), ("reason", "as delivered")]  # fmt: skip
    sent = await operator.send_all(page, fields)
    assert (sent.status, sent.headers["Location"]) == (303, f"/hosts/{twin.name}")
    spec = await spec_of(scene, twin)
    assert [limit.series for limit in (*spec.floors, *spec.ceilings)] == ["disk.*.fio.iops", "disk.*.fio.p99"]
    host = await operator.see(f"/hosts/{twin.name}")
    assert "is pinned in the expected spec of twin-01" in host.text
    assert "2 measurements are pinned" in host.text
    assert "pinned what was measured in the expected spec of twin-01" in (await operator.see("/audit")).text


async def test_the_room_is_shown_before_it_is_pinned(scene: Scene, operator: Visitor) -> None:
    twin = await vetted(scene, 2)
    wide = await operator.see(f"/hosts/{twin.name}/pin?margin=50%25")
    assert hidden(wide, "margin") == "50%"
    wrong = await operator.see(f"/hosts/{twin.name}/pin?margin=lots")
    assert "must be a percentage such as 10" in wrong.text
    assert boxes(wrong)
    assert (await operator.see(f"/hosts/{twin.name}/pin?run=x")).status == 200


async def test_a_refused_form_keeps_what_was_ticked_and_typed(scene: Scene, operator: Visitor) -> None:
    twin = await vetted(scene, 3)
    page = f"/hosts/{twin.name}/pin"
    seen = await operator.see(page)
    first, *rest = boxes(seen)
    fields = [
        ("mark", "old"),
        ("run", hidden(seen, "run")),
        ("margin", ""),
        ("class", ""),
        ("pin", first),
        ("reason", "mine"),
    ]
    again = await operator.send_all(page, fields)
    assert again.status == 400
    assert "was changed since you opened this page" in again.text
    assert "mine</textarea>" in again.raw
    ticked = [html.unescape(one) for one in re.findall(r'name="pin" value="([^"]+)" checked', again.raw)]
    assert ticked == [first]
    assert rest
    fields[0] = ("mark", hidden(again, "mark"))
    assert (await operator.send_all(page, fields[:4])).status == 409  # nothing ticked, nothing changes


async def test_a_host_without_a_good_run_has_nothing_to_pin_and_no_button(
    scene: Scene, operator: Visitor, viewer: Visitor
) -> None:
    await scene.server.store.write(lambda: hosts.create("fresh-one", now=1.0))
    refused = await operator.see("/hosts/fresh-one/pin")
    assert refused.status == 409
    assert "has completed yet" in refused.text
    assert "/hosts/fresh-one/pin" not in (await operator.see("/hosts/fresh-one")).raw
    twin = await vetted(scene, 4)
    assert f"/hosts/{twin.name}/pin" in (await operator.see(f"/hosts/{twin.name}")).raw
    assert f"/hosts/{twin.name}/pin" not in (await viewer.see(f"/hosts/{twin.name}")).raw
    assert (await viewer.see(f"/hosts/{twin.name}/pin")).status in (303, 403)


async def test_the_report_of_a_completed_run_leads_to_pinning_that_run(
    scene: Scene, operator: Visitor, viewer: Visitor
) -> None:
    twin = Sibling(5, random.Random(5))
    run_id = await scene.server.store.write(lambda: good_run(twin))
    assert f"/hosts/{twin.name}/pin?run={run_id}" in (await operator.see(f"/runs/{run_id}/report")).raw
    assert f"/hosts/{twin.name}/pin" not in (await viewer.see(f"/runs/{run_id}/report")).raw


FLOOR = MeasuredLimit(stage="Storage", series="disk.*.fio.p99", component="disk:*", like="SAMSUNG*", value=8, unit="ms")


def classed(config: Config) -> Config:
    return replace(config, classes={"r650": HostClass(product="PowerEdge R650*", ceilings=(FLOOR,))})


async def test_a_class_is_pinned_for_all_its_hosts_at_once_and_its_own_limits_stand_in_the_settings(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, change=classed) as scene, visiting(scene, await scene.operator()) as operator:
        twins = [Sibling(number, random.Random(number)) for number in (1, 2)]
        for twin in twins:
            spec = replace(twin.spec, product="PowerEdge R650")
            await scene.server.store.write(lambda twin=twin, spec=spec: good_run(twin, spec=spec))  # type: ignore[misc]
        page = f"/hosts/{twins[0].name}/pin?class=r650"
        seen = await operator.see(page)
        assert "for 2 hosts: twin-01, twin-02" in seen.text
        fields = [("mark", hidden(seen, "mark")), ("run", hidden(seen, "run")), ("margin", "10"), ("class", "r650"),
                  *(("pin", key) for key in boxes(seen))]  # fmt: skip
        sent = await operator.send_all(page, fields)
        assert sent.status == 303
        first, second = [await spec_of(scene, twin) for twin in twins]
        assert first.floors == second.floors
        assert len(first.floors) > 5
        settings = (await operator.see("/settings")).text
        assert "disk.*.fio.p99 of SAMSUNG* at most 8" in settings
