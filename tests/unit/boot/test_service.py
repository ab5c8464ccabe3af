"""Who is sent into the image, who to the local disk, and what else can be had from the boot service: nothing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from functools import partial

import aiohttp
import pytest

from tests.fakes import honest
from tests.fakes.boot_image import lay_out
from tests.fakes.rig import until
from tests.unit.boot.conftest import SCRIPT, BootService, Make
from vetting import wire
from vetting.boot.service import SCRIPT_EVERY_S, SCRIPTS
from vetting.domain.errors import Conflict, NotAllowed
from vetting.domain.states import RunState
from vetting.orchestrator.starting import MOST_ALARMS
from vetting.store import tokens

STRANGER = "52:54:00:99:99:99"


def ticket_in(script: str) -> str:
    found = re.search(r"vetting\.ticket=(\S+)", script)
    return found[1] if found else ""


def to_local_disk(script: str) -> bool:
    return "going on to the local disk" in script and "vetting.ticket" not in script


async def test_an_active_run_gets_kernel_initrd_and_a_ticket_that_claims_it(boot: BootService) -> None:
    run_id = await boot.starts()
    script = await boot.asks(product="R650", platform="efi")
    assert "vetting.url=https://10.0.0.1:8443 " in script
    assert f"vetting.fingerprint={'ab' * 32} " in script
    assert f"vetting.run={run_id} " in script
    assert await boot.ticket_of(run_id) == tokens.hash_of(ticket_in(script))
    assert (await boot.world.claim(ticket_in(script))).run_id == run_id
    assert any("boot script for" in line and "product R650" in line for line in await boot.log(run_id))
    assert not any(ticket_in(script) in line for line in await boot.log(run_id))


async def test_every_boot_has_a_ticket_of_its_own_and_the_older_one_claims_nothing(boot: BootService) -> None:
    await boot.starts()
    first, second = ticket_in(await boot.asks()), ticket_in(await boot.asks())
    assert first != second
    with pytest.raises(NotAllowed):
        await boot.world.claim(first)
    await boot.world.claim(second)


async def test_a_known_host_without_a_run_goes_to_its_local_disk(boot: BootService) -> None:
    await boot.world.people.add_host(wire.HostEdit(name="honest", macs=(honest.MAC,), spec=honest.SPEC), who="tester")
    script = await boot.asks()
    assert to_local_disk(script)
    assert f"nothing waits here for the machine with the network card {honest.MAC}" in script
    assert await boot.unknown() == ()


async def test_a_stranger_goes_to_its_local_disk_and_is_listed_with_what_it_told(boot: BootService) -> None:
    script = await boot.asks(STRANGER, product="Power\nEdge", serial="S1")
    assert to_local_disk(script)
    (listed,) = await boot.unknown()
    assert (listed.mac, listed.address, listed.source) == (STRANGER, "127.0.0.1", "script")
    assert listed.what == "product Power Edge, serial S1"
    await boot.world.people.add_host(wire.HostEdit(name="newcomer", macs=(STRANGER,)), who="tester")
    assert await boot.unknown() == ()


async def test_a_stranger_that_asks_in_a_loop_is_written_down_once_in_ten_seconds(boot: BootService) -> None:
    for _ in range(5):
        await boot.asks(STRANGER)
    assert (await boot.unknown())[0].times == 1
    boot.world.clock.pass_s(11)
    await boot.asks(STRANGER)
    assert (await boot.unknown())[0].times == 2


async def test_a_finished_and_a_cancelled_run_leave_the_host_to_its_disk(boot: BootService) -> None:
    run_id = await boot.starts()
    await boot.world.progress.cancel(run_id, who="tester", because=wire.Because(reason="no"))
    assert to_local_disk(await boot.asks())


@pytest.mark.parametrize("has", ["", STRANGER])
async def test_who_only_names_the_hosts_address_gets_no_ticket_and_an_alarm_stands_beside_the_run(
    boot: BootService, has: str
) -> None:
    run_id = await boot.starts()
    before = await boot.ticket_of(run_id)
    boot.behind["127.0.0.1"] = has
    script = await boot.asks()
    assert to_local_disk(script)
    assert f"run {run_id}" not in script
    assert await boot.ticket_of(run_id) == before
    (alarm,) = await boot.alarms(run_id)
    assert alarm.startswith("somebody else asked for the boot script of honest: 127.0.0.1 has ")
    assert alarm in await boot.log(run_id)
    await boot.asks()
    assert len(await boot.alarms(run_id)) == 1
    assert (await boot.log(run_id)).count(alarm) == 1


async def test_a_crowd_of_thieves_cannot_fill_the_runs_record(boot: BootService) -> None:
    run_id = await boot.starts()
    for number in range(MOST_ALARMS + 5):
        boot.behind["127.0.0.1"] = f"52:54:00:aa:00:{number:02x}"
        boot.world.clock.pass_s(SCRIPT_EVERY_S)
        assert to_local_disk(await boot.asks())
    assert len(await boot.alarms(run_id)) == MOST_ALARMS


async def test_a_thief_of_the_address_cannot_fail_or_move_the_run(boot: BootService) -> None:
    run_id = await boot.world.begun()
    boot.behind.clear()
    await boot.asks()
    assert await boot.world.state(run_id) is RunState.INVENTORY
    reply = await boot.world.post(run_id, "Inventory")
    assert (reply.verdict, reply.objections) == ("PASS", ())


async def test_the_host_itself_that_asks_in_the_middle_of_a_stage_rebooted_unasked(boot: BootService) -> None:
    run_id = await boot.world.begun()
    assert ticket_in(await boot.asks())
    assert await boot.world.state(run_id) is RunState.FAILED_HOLDING
    assert (await boot.world.run(run_id)).reason == "rebooted unexpectedly during Inventory"


async def test_behind_a_router_addresses_are_not_compared_where_the_site_says_so(make: Make) -> None:
    boot = await make(routed=True)
    await boot.starts()
    boot.behind.clear()
    assert ticket_in(await boot.asks())


async def test_a_broken_image_is_told_on_the_console_and_in_the_log_and_the_run_waits_on(boot: BootService) -> None:
    run_id = await boot.starts()
    before = await boot.ticket_of(run_id)
    (boot.image / "initrd.img").write_bytes(b"half")
    script = await boot.asks()
    assert to_local_disk(script)
    assert f"run {run_id} waits, but" in script
    assert any("half written or damaged" in line for line in await boot.log(run_id))
    assert await boot.ticket_of(run_id) == before
    assert await boot.world.state(run_id) is RunState.BOOTING


async def test_no_host_is_sent_for_an_image_that_is_not_there_and_a_person_may_boot_it_all_the_same(
    boot: BootService,
) -> None:
    why = "there is no live image in /nowhere: build it with `./build.sh image`"
    boot.world.progress._means = replace(boot.world.means, no_image=lambda: why)
    with pytest.raises(Conflict, match=r"would find nothing to boot: .*build\.sh image.*--start-by manual"):
        await boot.world.started(start_by="wol")
    assert await boot.starts("manual")


async def test_downloads_of_the_host_stand_in_its_log_with_their_size(boot: BootService) -> None:
    run_id = await boot.starts()
    build = re.search(r"build=(\w+)", await boot.asks())
    assert build
    for name in ("vmlinuz", "initrd.img"):
        status, text = await boot.get(f"/boot/{name}?build={build[1]}")
        assert (status, text) == (200, (boot.image / name).read_text())
    for size, name in ((1000, "vmlinuz"), (30000, "initrd.img")):
        await until(partial(_told, boot, run_id, f"the host fetched {name}: {size} bytes in 0."), 10)


async def test_the_kernel_of_one_build_never_meets_the_initrd_of_another(boot: BootService) -> None:
    assert (await boot.get("/boot/initrd.img?build=0123456789abcdef"))[0] == 409


async def test_parts_heads_and_unchanged_files_are_answered_as_http_has_it(boot: BootService) -> None:
    got = await boot.client.get("/boot/initrd.img", headers={"Range": "bytes=6-11"})
    assert (got.status, await got.text(), got.headers["Content-Range"]) == (206, "initrd", "bytes 6-11/30000")
    head = await boot.client.head("/boot/snponly.efi")
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, "900", b"")
    again = await boot.client.get("/boot/snponly.efi", headers={"If-None-Match": head.headers["ETag"]})
    assert again.status == 304
    beyond = await boot.client.get("/boot/vmlinuz", headers={"Range": "bytes=5000-"})
    assert beyond.status == 416


async def test_an_image_that_is_not_whole_is_not_handed_out(boot: BootService) -> None:
    (boot.image / "manifest.json").unlink()
    assert (await boot.get("/boot/vmlinuz"))[0] == 503


@pytest.mark.parametrize(
    "path",
    ["/", "/boot", "/boot/", "/boot/manifest.json", "/boot/../vetting.yaml", "/boot/%2e%2e/%2e%2e/etc/passwd", "/api/hosts",
     "/boot/initrd.img/", "/boot/.hidden", "/script"],
)  # fmt: skip
async def test_nothing_but_the_known_paths_is_there(boot: BootService, path: str) -> None:
    (boot.image / ".hidden").write_text("x")
    status, text = await boot.get(path)
    assert (status, text) == (404, "Not Found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_sent_here(boot: BootService, method: str) -> None:
    async with boot.client.request(method, "/boot/vmlinuz", data=b"x") as response:
        assert response.status == 405


async def test_looking_with_head_issues_no_ticket(boot: BootService) -> None:
    run_id = await boot.starts()
    before = await boot.ticket_of(run_id)
    assert (await boot.client.head(SCRIPT, params={"mac": honest.MAC})).status == 200
    assert await boot.ticket_of(run_id) == before


async def test_a_foreign_name_in_the_host_header_reaches_nothing(boot: BootService) -> None:
    status, text = await boot.get("/boot.ipxe", headers={"Host": "evil.example"})
    assert status == 403
    assert "Host header" in text
    assert (await boot.get("/boot.ipxe", headers={"Host": "boot.example:8480"}))[0] == 200


async def test_a_question_without_a_mac_and_an_endless_one_are_refused(boot: BootService) -> None:
    status, text = await boot.get(SCRIPT)
    assert (status, "MAC address" in text) == (400, True)
    assert (await boot.get(SCRIPT + "?mac=" + "5" * 3000))[0] == 414


async def test_a_machine_that_asks_too_often_waits_and_others_do_not(boot: BootService) -> None:
    for _ in range(SCRIPTS):
        await boot.asks(STRANGER)
    assert (await boot.get(SCRIPT, params={"mac": STRANGER}))[0] == 429
    boot.world.clock.pass_s(SCRIPT_EVERY_S)
    assert (await boot.get(SCRIPT, params={"mac": STRANGER}))[0] == 200


async def test_a_host_that_breaks_off_is_told_in_the_log(boot: BootService) -> None:
    run_id = await boot.starts()
    await asyncio.to_thread(lay_out, boot.image, initrd=b"x" * 30_000_000)
    await boot.asks()
    reader, writer = await asyncio.open_connection("127.0.0.1", boot.client.port)
    writer.write(b"GET /boot/initrd.img HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert await reader.readexactly(1000)
    writer.transport.abort()
    await until(partial(_told, boot, run_id, "broke off fetching initrd.img"), 10)


async def _told(boot: BootService, run_id: int, words: str) -> bool:
    return any(words in line for line in await boot.log(run_id))


async def test_many_hosts_fetch_at_once_and_each_gets_all_of_it(boot: BootService) -> None:
    size = 8_000_000
    await asyncio.to_thread(lay_out, boot.image, initrd=b"i" * size)

    async def fetch(session: aiohttp.ClientSession) -> int:
        async with session.get(f"http://127.0.0.1:{boot.client.port}/boot/initrd.img") as response:
            return len(await response.read())

    async with aiohttp.ClientSession() as session:
        assert await asyncio.gather(*(fetch(session) for _ in range(20))) == [size] * 20
