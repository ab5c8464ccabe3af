"""Our Redfish client against sushy-tools' emulator: a service that nobody here wrote, over TLS with a pinned certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.redfish_bmc import PASSWORD, UUID, RedfishBmc, redfish_bmc, system
from vetting.power.controller import BmcTrouble, Deed, HostIsOn, start_from_network
from vetting.power.redfish import Redfish

pytestmark = pytest.mark.machine
OTHER = "aaaaaaaa-7f0d-4c7c-9f55-0a1b2c3d4e5f"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[RedfishBmc]:
    async with redfish_bmc(tmp_path / "bmc") as one:
        yield one


async def wanted(deed: Deed) -> bool:
    return True


async def test_a_host_that_is_off_is_told_to_boot_from_the_network_and_switched_on(bench: RedfishBmc) -> None:
    one = Redfish(bench.bmc, PASSWORD, smbios_uuid=UUID)
    try:
        assert not await one.is_on()
        done = await start_from_network(one, may_cut=False, before=wanted)
        assert await one.is_on()
    finally:
        await one.close()
    assert done.deed is Deed.ON
    # The emulator knows no "once", and we say so instead of believing it.
    assert done.notes == ("the controller starts the host from the network from now on, not once",)
    said = bench.log.read_text()
    assert said.index("PATCH /redfish/v1/Systems/") < said.index("ComputerSystem.Reset")


async def test_a_host_that_is_on_is_left_alone_unless_its_power_may_be_cut(tmp_path: Path) -> None:
    async with redfish_bmc(tmp_path / "bmc", system(on=True)) as bench:
        one = Redfish(bench.bmc, PASSWORD)
        try:
            with pytest.raises(HostIsOn):
                await start_from_network(one, may_cut=False, before=wanted)
            assert "PATCH" not in bench.log.read_text()
            done = await start_from_network(one, may_cut=True, before=wanted)
        finally:
            await one.close()
        assert done.deed is Deed.CUT
        assert 'power state set to "ForceRestart"' in bench.log.read_text()


async def test_among_several_systems_the_one_with_our_uuid_is_taken(tmp_path: Path) -> None:
    async with redfish_bmc(tmp_path / "bmc", system(OTHER), system(UUID, on=True)) as bench:
        swapped = "f2e11e6a-0d7f-7c4c-9f55-0a1b2c3d4e5f"  # the same, as a firmware before SMBIOS 2.6 tells it
        for told in (UUID, UUID.upper(), swapped):
            one = Redfish(bench.bmc, PASSWORD, smbios_uuid=told)
            assert await one.is_on()
            await one.close()
        nobody = Redfish(bench.bmc, PASSWORD)
        with pytest.raises(BmcTrouble, match="we do not know this host's UUID yet"):
            await nobody.is_on()
        await nobody.close()


async def test_a_controller_of_another_machine_is_not_used(bench: RedfishBmc) -> None:
    one = Redfish(bench.bmc, PASSWORD, smbios_uuid=OTHER)
    with pytest.raises(BmcTrouble, match="it switches another machine"):
        await start_from_network(one, may_cut=True, before=wanted)
    await one.close()
    assert "PATCH" not in bench.log.read_text()


@pytest.mark.parametrize(
    ("changes", "password", "says"),
    [
        ({}, "wrong-one", "does not take this user and password"),
        ({"user": "nobody"}, PASSWORD, "does not take this user and password"),
        ({"fingerprint": "ab" * 32}, PASSWORD, "does not show the certificate that is on record"),
        ({"fingerprint": ""}, PASSWORD, "no authority that this machine trusts signed its certificate"),
        ({"address": "127.0.0.1:1"}, PASSWORD, "cannot be reached"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence_without_the_password(
    bench: RedfishBmc, changes: dict[str, str], password: str, says: str
) -> None:
    one = Redfish(replace(bench.bmc, **changes), password)  # type: ignore[arg-type]
    with pytest.raises(BmcTrouble, match=says) as trouble:
        await one.is_on()
    await one.close()
    assert password not in str(trouble.value)
    if "fingerprint" in changes:
        assert "Systems" not in bench.log.read_text()  # nothing was asked, and no password sent
