"""ipmitool as we call it against OpenIPMI's simulator: a controller that nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.ipmi_bmc import PASSWORD, IpmiBmc, free_udp_port, ipmi_bmc
from vetting.power import ipmi
from vetting.power.controller import BmcTrouble, Deed, HostIsOn, start_from_network
from vetting.power.ipmi import Ipmi

pytestmark = pytest.mark.machine


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[IpmiBmc]:
    async with ipmi_bmc(tmp_path / "bmc") as one:
        yield one


async def wanted(deed: Deed) -> bool:
    return True


async def test_a_host_that_is_off_is_told_to_boot_from_the_network_and_switched_on(bench: IpmiBmc) -> None:
    done = await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=False, before=wanted)
    assert (bench.on, bench.boots_from, done.deed) == (True, "pxe", Deed.ON)
    order = [line for line in bench.asked if " set " in line]
    assert [line.split()[2] for line in order] == ["boot", "power"]  # never the power first
    assert "asked for a network boot by EFI and keeps legacy BIOS" in " ".join(
        done.notes
    )  # the simulator keeps no such bit


async def test_a_host_that_is_on_is_left_alone_altogether_unless_its_power_may_be_cut(bench: IpmiBmc) -> None:
    bench.switch(on=True)
    with pytest.raises(HostIsOn):
        await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=False, before=wanted)
    assert not [line for line in bench.asked if " set " in line]
    done = await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=True, before=wanted)
    assert (done.deed, bench.on, bench.powered, bench.boots_from) == (Deed.CUT, True, ["0", "1"], "pxe")


async def test_what_nobody_wants_any_more_does_not_touch_the_power(bench: IpmiBmc) -> None:
    async def cancelled(deed: Deed) -> bool:
        return False

    bench.switch(on=True)
    done = await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=True, before=cancelled)
    assert (done.deed, bench.powered) == (None, [])


@pytest.mark.parametrize(
    ("changes", "password", "says"),
    [
        ({}, "wrong-one", "does not take this password"),
        ({"user": "nobody"}, PASSWORD, "no user of this name"),
        ({"address": "no-such-bmc.invalid"}, PASSWORD, "its name is not known here"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence_without_the_password(
    bench: IpmiBmc, changes: dict[str, str], password: str, says: str
) -> None:
    with pytest.raises(BmcTrouble, match=says) as trouble:
        await Ipmi(replace(bench.bmc, **changes), password).is_on()  # type: ignore[arg-type]
    assert password not in str(trouble.value)


async def test_a_controller_that_is_not_there_is_said_to_be_silent(
    bench: IpmiBmc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "TRIES", ("-N", "1", "-R", "1"))
    with pytest.raises(BmcTrouble, match="nobody answers there by IPMI"):
        await Ipmi(replace(bench.bmc, address=f"127.0.0.1:{free_udp_port()}"), PASSWORD).is_on()


async def test_a_controller_that_only_says_yes_is_found_out(bench: IpmiBmc) -> None:
    bench.ignores("boot")
    with pytest.raises(BmcTrouble, match="says 'No override' when asked"):
        await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=False, before=wanted)
    assert not bench.powered


async def test_a_host_that_does_not_come_on_is_found_out(bench: IpmiBmc) -> None:
    async def no_time(seconds: float) -> None:
        return

    bench.ignores("power")
    with pytest.raises(BmcTrouble, match="60 s later it is off"):
        await start_from_network(Ipmi(bench.bmc, PASSWORD), may_cut=False, before=wanted, sleep=no_time)


async def test_the_password_is_in_no_argument(bench: IpmiBmc) -> None:
    seen: list[str] = []

    async def watched(argv: object, env: object) -> object:
        seen.extend(argv)  # type: ignore[arg-type]
        return await ipmi.run_ipmitool(argv, env)  # type: ignore[arg-type]

    assert not await Ipmi(bench.bmc, PASSWORD, run=watched).is_on()  # type: ignore[arg-type]
    assert "ipmitool" in seen
    assert PASSWORD not in " ".join(seen)
