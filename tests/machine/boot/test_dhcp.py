"""Real dnsmasq, real packets: the known card gets what its firmware can boot, a stranger gets nothing, in both modes."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.network_card import ACK, BIOS, EFI64, EFI_BC, HTTP64, OFFER, Answer, NetworkCard
from tests.machine.boot.conftest import ADDRESS, BOOT_URL, HOST, HOST_ADDRESS, STRANGER, Yard
from tests.machine.boot.conftest import yard as yard
from vetting import wire
from vetting.store import Store, logs

pytestmark = pytest.mark.machine

ARCHES = (BIOS, EFI_BC, EFI64, HTTP64)
SILENCE_S = 4.0  # dnsmasq pings an address for three seconds before it offers it


async def asks(card: NetworkCard, arch: int | None, *, ipxe: bool = False, wait_s: float = 8.0) -> list[Answer]:
    return await asyncio.to_thread(card.asks, arch, ipxe=ipxe, wait_s=wait_s)


async def silence(card: NetworkCard) -> list[Answer]:
    """What a card gets that should get nothing: as every kind of firmware, as iPXE, and as an ordinary machine."""
    questions = [(arch, False) for arch in (*ARCHES, None)] + [(BIOS, True), (EFI_BC, True)]
    asked = [asks(card, arch, ipxe=ipxe, wait_s=SILENCE_S) for arch, ipxe in questions]
    return [answer for answers in await asyncio.gather(*asked) for answer in answers]


async def test_beside_the_sites_server_each_firmware_is_told_what_it_can_boot(yard: Yard) -> None:
    site = await yard.another_dhcp_server()
    await yard.serve(proxy=True)
    await yard.knows(HOST)

    async def ours(arch: int, *, ipxe: bool = False) -> Answer:
        found = await asyncio.to_thread(yard.card.asks, arch, ipxe=ipxe, wait_s=8.0, first=False)
        (mine,) = [one for one in found if one.server == ADDRESS]
        theirs = [one for one in found if one.server != ADDRESS]
        assert theirs
        assert not any(one.boot_file or one.vendor for one in theirs)  # the site's own answers stay what they were
        assert (mine.kind, mine.yours) == (OFFER, "0.0.0.0")
        assert not {1, 3, 6, 15, 51} & set(mine.options)  # no netmask, router, name server, domain, lease
        return mine

    bios, efi, http, ipxe, ipxe_efi = await asyncio.gather(
        ours(BIOS), ours(EFI_BC), ours(HTTP64), ours(BIOS, ipxe=True), ours(EFI_BC, ipxe=True)
    )
    assert (bios.vendor, b"vetting" in bios.options[43]) == ("PXEClient", True)
    assert (efi.vendor, efi.boot_file) == ("PXEClient", "")  # asks again, at port 4011
    assert (http.vendor, http.boot_file) == ("HTTPClient", f"{BOOT_URL}/boot/snponly.efi")
    assert {ipxe.boot_file, ipxe_efi.boot_file} == {f"{BOOT_URL}/boot.ipxe"}
    for arch, loader in ((BIOS, "undionly.kpxe"), (EFI_BC, "snponly.efi"), (EFI64, "snponly.efi")):
        (again,) = await asyncio.to_thread(yard.card.asks_boot_server, ADDRESS, HOST_ADDRESS, arch)
        assert again.boot_file == loader
    assert await asks(yard.card, None, wait_s=8.0)
    assert all(lease.mac == HOST for lease in site.leases())


async def test_as_the_only_server_a_known_card_gets_an_address_and_its_loader_and_no_router(yard: Yard) -> None:
    await yard.serve(proxy=False)
    await yard.knows(HOST)
    files = {}
    for arch in ARCHES:
        (offer,) = await asks(yard.card, arch)
        assert not {3, 6, 15} & set(offer.options)  # router, name server, domain: none is configured
        assert offer.yours.startswith("10.77.0.")
        files[arch] = offer.boot_file
    loader = f"{BOOT_URL}/boot/snponly.efi"
    assert files == {BIOS: "undionly.kpxe", EFI_BC: "snponly.efi", EFI64: "snponly.efi", HTTP64: loader}
    (ipxe,) = await asks(yard.card, BIOS, ipxe=True)
    assert ipxe.boot_file == f"{BOOT_URL}/boot.ipxe"
    (taken,) = await asyncio.to_thread(yard.card.takes, ipxe, BIOS)
    assert (taken.kind, taken.yours) == (ACK, ipxe.yours)


@pytest.mark.parametrize("proxy", [True, False], ids=["proxy", "dhcp"])
async def test_a_stranger_gets_no_offer_whatever_it_says_it_is_and_is_listed(yard: Yard, proxy: bool) -> None:
    await yard.serve(proxy=proxy)
    await yard.knows(HOST)
    assert await silence(yard.stranger) == []
    assert await asyncio.to_thread(yard.stranger.asks_boot_server, ADDRESS, "10.77.0.9", EFI_BC) == []
    (listed,) = await yard.orchestrator.unknown_hosts()
    assert (listed.mac, listed.source) == (STRANGER, "dhcp")
    assert "Client:Arch:" in listed.what
    told = await yard.orchestrator.cli("host", "unknown")
    assert STRANGER in told.stdout


async def test_a_card_that_becomes_known_is_answered_and_one_that_is_removed_no_longer(yard: Yard) -> None:
    await yard.serve(proxy=True)
    before = await yard.knows(HOST)
    assert await asks(yard.stranger, EFI_BC, wait_s=1.0) == []
    api = yard.orchestrator.api
    await api.call("/api/hosts", wire.HostEdit(name="newcomer", macs=(STRANGER,)), wire.HostView)
    await yard.knows(STRANGER)
    assert await asks(yard.stranger, EFI_BC)
    await api.change("DELETE", "/api/hosts/newcomer", wire.Because(reason="gone"), wire.Because)
    await yard.knows(STRANGER, known=False)
    assert await asks(yard.stranger, EFI_BC, wait_s=2.0) == []
    assert await yard.dnsmasq() == before  # told by a signal, not started again


async def test_by_tftp_there_are_the_two_loaders_and_nothing_else(yard: Yard) -> None:
    await yard.serve(proxy=True)
    await yard.knows(HOST)

    async def fetches(name: str) -> bytes | str:
        return await asyncio.to_thread(yard.card.fetches, ADDRESS, name)

    for name in ("undionly.kpxe", "snponly.efi"):
        assert await fetches(name) == (yard.image / name).read_bytes()
    for name in ("../dnsmasq.conf", "/etc/passwd", "hosts", "..", "initrd.img", "../../../../etc/hostname"):
        assert isinstance(await fetches(name), str), name


async def test_boot_events_stand_in_the_log_of_the_hosts_run_and_no_one_elses(yard: Yard) -> None:
    await yard.serve(proxy=False)
    await yard.knows(HOST)
    run_id = await yard.start_run()
    (offer,) = await asks(yard.card, BIOS)
    await asyncio.to_thread(yard.card.takes, offer, BIOS)
    assert (
        await asyncio.to_thread(yard.card.fetches, ADDRESS, "undionly.kpxe")
        == (yard.image / "undionly.kpxe").read_bytes()
    )
    await asks(yard.stranger, BIOS, wait_s=1.0)
    await asyncio.sleep(1)
    await yard.orchestrator.stop()
    store = await asyncio.to_thread(Store.open, yard.orchestrator.data / "vetting.db")
    told = [line.text for line in await store.read(lambda: logs.lines(run_id))]
    store.close()
    kinds = [line.split()[0] for line in told]
    assert kinds == ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "TFTP"]
    assert told[0] == f"DHCPDISCOVER {HOST} (PXEClient:Arch:00000:UNDI:003016)"
    assert told[-1] == f"TFTP sent undionly.kpxe to {HOST_ADDRESS}"
