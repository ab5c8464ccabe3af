"""The editor of the expected spec: mistakes with their lines, nothing typed is lost, and no disk becomes erasable by the way."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from tests.browser.machines import Machine
from tests.browser.scene import Scene, staged
from tests.unit.web.visitor import Seen, Visitor, visiting
from vetting import wire
from vetting.config import hostfile
from vetting.domain.hostspec import ExpectedDisk, ExpectedSpec
from vetting.store import audit

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOSTILE = 'x" </textarea><script>alert(1)</script> \u202e'


@dataclass
class Place:
    scene: Scene
    operator: Visitor
    count: int = 0

    async def host(self, spec: ExpectedSpec | None = None) -> Machine:
        self.count += 1
        machine = Machine(self.count, f"spec-{self.count}")
        edit = wire.HostEdit(name=machine.host, macs=machine.macs, spec=machine.spec if spec is None else spec)
        await self.scene.server.desk.people.add_host(edit, who="mira")
        self.scene.machines[machine.host] = machine
        return machine

    async def spec(self, machine: Machine) -> ExpectedSpec:
        return (await self.scene.server.desk.views.host(machine.host)).spec

    async def opened(self, machine: Machine, fill: str = "") -> tuple[str, str]:
        """(what stands in the editor, the mark of the spec that it started from)."""
        seen = await self.operator.see(f"/hosts/{machine.host}/spec{f'?fill={fill}' if fill else ''}")
        assert seen.status == 200
        return editor(seen), mark(seen)

    async def save(self, machine: Machine, text: str, mark: str, *erase: str, step: str = "save") -> Seen:
        fields = [("spec", text), ("mark", mark), ("step", step), *(("erase", one) for one in erase)]
        return await self.operator.send_all(f"/hosts/{machine.host}/spec", fields)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(staged(tmp_path_factory.mktemp("spec")))
        yield Place(scene, await stack.enter_async_context(visiting(scene, await scene.operator())))


def editor(seen: Seen) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", seen.raw, re.DOTALL)
    assert found
    return html.unescape(found[1])


def mark(seen: Seen) -> str:
    found = re.search(r'name="mark" value="([^"]+)"', seen.raw)
    assert found
    return found[1]


async def test_what_the_editor_shows_is_the_spec_and_saving_it_changes_nothing(place: Place) -> None:
    machine = await place.host()
    text, started_from = await place.opened(machine)
    assert hostfile.read(text) == machine.spec
    sent = await place.save(machine, text, started_from)
    assert (sent.status, sent.headers["Location"]) == (303, f"/hosts/{machine.host}")
    assert "nothing was changed" in (await place.operator.see(f"/hosts/{machine.host}")).text


async def test_every_mistake_is_told_with_its_line_and_everything_typed_is_still_there(place: Place) -> None:
    machine = await place.host()
    _, started_from = await place.opened(machine)
    typed = f"# {HOSTILE}\nproduct: a\nproduct: b\ndisks:\n  - serial: A\n    wrte: false\ncpu_threads: many\n"
    sent = await place.save(machine, typed, started_from)
    assert sent.status == 400
    assert "3 mistakes" in sent.text
    for told in (
        "line 3 product : given twice",
        "line 6 disks[0].wrte : there is no such key; did you mean write?",
        "line 7 cpu_threads",
    ):
        assert told in sent.text, told
    assert editor(sent) == typed
    assert "<script>" not in sent.raw
    assert mark(sent) == started_from
    assert await place.spec(machine) == machine.spec


async def test_a_change_is_saved_told_in_words_and_kept_in_the_audit_log(place: Place) -> None:
    machine = await place.host()
    text, started_from = await place.opened(machine)
    changed = text.replace("max_temp_c: 90", "max_temp_c: 80")
    looked = await place.save(machine, changed, started_from, step="look")
    assert looked.status == 200
    assert "highest temperature (°C): 90.0 → 80.0" in looked.text
    assert await place.spec(machine) == machine.spec
    sent = await place.save(machine, changed, started_from)
    assert sent.status == 303
    assert (await place.spec(machine)).max_temp_c == 80
    assert "The spec is saved: highest temperature" in (await place.operator.see(f"/hosts/{machine.host}")).text
    rows = await place.scene.server.store.read(lambda: audit.entries(limit=1))
    assert (rows[0].what, rows[0].who) == ("host.spec", "mira")
    assert rows[0].detail["changes"] == ["highest temperature (°C): 90.0 → 80.0"]


async def test_a_disk_becomes_erasable_only_when_it_was_ticked_by_its_serial(place: Place) -> None:
    machine = await place.host(ExpectedSpec(disks=(ExpectedDisk(serial="OLD", write=False),)))
    before, started_from = await place.spec(machine), (await place.opened(machine))[1]
    typed = "disks:\n  - serial: OLD\n    write: true\n  - serial: NEW\n"
    for ticked in ((), ("OLD",), ("NEW",), ("OLD", "new")):
        sent = await place.save(machine, typed, started_from, *ticked)
        assert sent.status == 409
        assert "2 disks could be ERASED" in sent.text
        assert editor(sent) == typed
        assert await place.spec(machine) == before
        assert ('name="erase" value="OLD" checked' in sent.raw) is ("OLD" in ticked)
        assert ('name="erase" value="NEW" checked' in sent.raw) is ("NEW" in ticked)
    assert (await place.save(machine, typed, started_from, "OLD", "NEW")).status == 303
    assert [disk.write for disk in (await place.spec(machine)).disks] == [True, True]


async def test_a_spec_that_somebody_else_changed_meanwhile_is_not_written_over(place: Place) -> None:
    machine = await place.host()
    text, started_from = await place.opened(machine)
    theirs = replace(machine.spec, psu_count=2)
    await place.scene.server.desk.people.change_spec(machine.host, theirs, was=machine.spec, who="other")
    sent = await place.save(machine, text.replace("90", "70"), started_from)
    assert sent.status == 409
    assert "somebody else has changed this spec" in sent.text
    assert "max_temp_c: 70" in editor(sent)
    assert await place.spec(machine) == theirs


async def test_what_was_found_fills_the_editor_and_nothing_is_saved_or_becomes_erasable(place: Place) -> None:
    machine = await place.host(ExpectedSpec(disks=(), max_temp_c=85.0))
    text, _ = await place.opened(machine, "found")
    assert hostfile.read(text) == await place.spec(machine)
    hand = await place.scene.claimed(machine.host, non_destructive=True)
    await hand.reach("SMART")
    seen = await place.operator.see(f"/hosts/{machine.host}/spec?fill=found")
    adopted = hostfile.read(editor(seen))
    assert [(disk.serial, disk.write) for disk in adopted.disks] == [(one, False) for one in machine.serials]
    assert (adopted.product, adopted.max_temp_c, adopted.cpu_threads) == ("SYS-6019P-MTR", 85.0, 64)
    assert f"what run {hand.run_id} found" in seen.text
    assert "No disk becomes erasable by this" in seen.text
    assert "come as write: false" in seen.text
    assert (await place.spec(machine)).disks == ()
    assert (await place.save(machine, editor(seen), mark(seen))).status == 303
    assert await place.spec(machine) == adopted


async def test_what_a_host_calls_itself_cannot_leave_the_editor_or_the_spec(place: Place) -> None:
    machine = replace(await place.host(), model='</textarea><script>alert("x")</script>\nwrite: true')
    place.scene.machines[machine.host] = machine
    hand = await place.scene.claimed(machine.host, non_destructive=True)
    await hand.reach("Firmware")
    seen = await place.operator.see(f"/hosts/{machine.host}/spec?fill=found")
    assert "<script>alert" not in seen.raw
    adopted = hostfile.read(editor(seen))
    assert [disk.model for disk in adopted.disks] == ["", ""]


async def test_firmware_that_is_there_is_pinned_part_by_part(place: Place) -> None:
    machine = await place.host()
    await (await place.scene.claimed(machine.host, non_destructive=True)).reach("SMART")
    text, started_from = await place.opened(machine, "firmware")
    pinned = hostfile.read(text)
    assert replace(pinned, firmware=()) == replace(machine.spec, firmware=())
    assert {(pin.component, pin.identifier) for pin in pinned.firmware} >= {
        ("bios", "system"),
        ("bmc", "system"),
        ("bios", "*"),
    }
    assert (await place.save(machine, text, started_from)).status == 303
    page = await place.operator.see(f"/hosts/{machine.host}")
    assert "1.74.13 1.74.13 ✓ yes" in page.text
