"""Orders: which are carried out, once; which are refused, with every reason; and what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.fakes.installed_host import BOOT, MAC, InstalledHost
from vetting.domain import order as orders
from vetting.domain import seal
from vetting.domain.errors import Forbidden
from vetting.domain.order import Order
from vetting.domain.permit import Permit
from vetting.reporter.machine import Machine
from vetting.reporter.memory import Memory
from vetting.reporter.obeying import Obeying, Refused, UnderWay
from vetting.reporter.settings import STATE, Settings

NOW = 1_800_000_000.0
GONE = ["efibootmgr --bootnext 0001", "systemctl reboot"]
PRIVATE, PUBLIC = seal.new_key()


@dataclass
class Ordered:
    """The reporter of a host that allows it, and orders as the orchestrator signs them."""

    host: InstalledHost
    machine: Machine
    now: float = NOW
    boot_id: str = BOOT

    def obeying(self) -> Obeying:
        settings = Settings(url="https://127.0.0.1:1", fingerprint="0" * 64, host="pve-07", token="t", order_key=PUBLIC)
        return Obeying(settings=settings, machine=self.machine, boot_id=self.boot_id, wall=lambda: self.now)

    async def obey(self, text: str = "", **changes: Any) -> Refused | UnderWay:
        """Sent for run 7, whatever the order itself says."""
        return await self.obeying().obey(text or self.order(**changes), 7)

    def order(self, *, key: str = PRIVATE, **changes: Any) -> str:
        plain = Order(
            host="pve-07", run_id=7, boot_id=BOOT, macs=(MAC,), issued_s=int(NOW), expires_s=int(NOW) + 300,
            nonce="0123456789abcdef",
        )  # fmt: skip
        return orders.sign(replace(plain, **changes), key)


@pytest.fixture
def ordered(host: InstalledHost, machine: Machine) -> Ordered:
    host.allow()
    return Ordered(host, machine)


def reasons(ended: Refused | UnderWay) -> str:
    assert isinstance(ended, Refused), ended
    return "\n".join(ended.reasons)


async def test_a_good_order_sets_one_boot_and_reboots(ordered: Ordered) -> None:
    assert await ordered.obey() == UnderWay()
    assert ordered.host.deeds == GONE
    assert Memory(ordered.host.root).acted()[0].run_id == 7


async def test_without_the_file_that_the_administrator_makes_nothing_happens(ordered: Ordered) -> None:
    (ordered.host.root / "etc/vetting/allow-reboot").unlink()
    assert "touch /etc/vetting/allow-reboot" in reasons(await ordered.obey())
    assert ordered.host.deeds == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: (path.unlink(), path.mkdir()), "is not a plain file"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), "is not a plain file"),
        (lambda path: path.chmod(0o666), "others may write to it"),
    ],
)
async def test_a_permission_that_somebody_else_could_have_made_is_none(
    ordered: Ordered, spoil: Callable[[object], object], words: str
) -> None:
    spoil(ordered.host.root / "etc/vetting/allow-reboot")
    assert words in reasons(await ordered.obey())
    assert ordered.host.deeds == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "pve-08"}, "it is for the host 'pve-08', this one is registered as 'pve-07'"),
        ({"boot_id": "another"}, "it is for another boot of this host"),
        ({"boot_id": ""}, "it is for another boot of this host"),
        ({"run_id": 8}, "it is for run 8, and was sent for run 7"),
        ({"kind": "power_off"}, "not an order to reboot"),
        ({"issued_s": int(NOW) - 400, "expires_s": int(NOW) - 100}, "it is too old"),
        ({"issued_s": int(NOW) + 3600, "expires_s": int(NOW) + 3900}, "one of the clocks is wrong"),
        ({"expires_s": int(NOW) + 86400}, "its validity of 86400 s"),
        ({"expires_s": int(NOW) - 1}, "its validity"),
        ({"nonce": "short"}, "nonce is too short"),
        ({"macs": ("52:54:00:99:99:99",)}, "no entry to boot from the network by 52:54:00:99:99:99"),
    ],
)
async def test_an_order_for_somebody_or_something_else_is_refused(
    ordered: Ordered, changes: dict[str, Any], words: str
) -> None:
    assert words in reasons(await ordered.obey(**changes))
    assert ordered.host.deeds == []
    assert Memory(ordered.host.root).acted() == ()


async def test_a_forged_order_is_refused(ordered: Ordered) -> None:
    foreign, _ = seal.new_key()
    good = ordered.order()
    permit = Permit(run_id=7, host_id="pve-07", disks=(), issued_s=int(NOW), expires_s=int(NOW) + 300, nonce="0" * 16)
    for text, words in (
        (ordered.order(key=foreign), "another key signed it"),
        (good.replace("pve-07", "pve-08"), "it was changed"),
        ("", "not readable"),
        ("{}", "not readable"),
        (good[:-20], "not readable"),
        (seal.sign(permit, PRIVATE), "the order is not readable"),
        (seal.sealed('{"kind":"reboot_for_vetting"}', PRIVATE), "the order is not readable"),
    ):
        ended = await ordered.obeying().obey(text, 7)
        assert words in reasons(ended), text
    assert ordered.host.deeds == []


async def test_the_same_order_again_in_the_same_boot_does_nothing_more(ordered: Ordered) -> None:
    text = ordered.order()
    assert await ordered.obey(text) == UnderWay()
    assert await ordered.obey(text) == UnderWay()
    assert await ordered.obey(nonce="fedcba9876543210") == UnderWay()
    assert ordered.host.deeds == GONE


async def test_a_host_that_came_back_from_its_own_disk_does_not_go_round_in_circles(ordered: Ordered) -> None:
    await ordered.obey()
    ordered.boot_id = "the boot after"
    ended = await ordered.obey(boot_id="the boot after", nonce="fedcba9876543210")
    assert "was rebooted for run 7 already and came back from its own disk" in reasons(ended)
    ended = await ordered.obey(boot_id="the boot after", run_id=8)
    assert "for run 8, and was sent for run 7" in reasons(ended)
    assert ordered.host.deeds == GONE


async def test_a_nonce_is_good_once_whatever_the_run(ordered: Ordered) -> None:
    await ordered.obey()
    ended = await ordered.obeying().obey(ordered.order(run_id=8), 8)
    assert "already" in reasons(ended)
    assert ordered.host.deeds == GONE


async def test_another_run_is_another_order(ordered: Ordered) -> None:
    await ordered.obey()
    ordered.boot_id = "the boot after"
    text = ordered.order(run_id=8, boot_id="the boot after", nonce="fedcba9876543210")
    assert await ordered.obeying().obey(text, 8) == UnderWay()
    assert ordered.host.deeds == GONE * 2


async def test_the_look_is_a_fresh_one(ordered: Ordered) -> None:
    ordered.host.process(2345, "/usr/bin/kvm", "-id", "101", "-name", "db")
    assert "VM 101 (db) running" in reasons(await ordered.obey())
    assert ordered.host.deeds == []
    (ordered.host.root / "proc/2345/cmdline").unlink()
    assert await ordered.obey() == UnderWay()


async def test_a_look_that_outlives_the_order_ends_it(ordered: Ordered) -> None:
    obeying = ordered.obeying()
    times = iter([NOW, NOW + 301])
    obeying.wall = lambda: next(times)
    assert "took so long" in reasons(await obeying.obey(ordered.order(), 7))
    assert ordered.host.deeds == []


async def test_what_cannot_be_remembered_is_not_done(ordered: Ordered) -> None:
    ordered.host.write(f"{STATE}/orders.json", "[[[")
    assert "cannot be read" in reasons(await ordered.obey())
    (ordered.host.root / STATE / "orders.json").unlink()
    (ordered.host.root / STATE / "orders.json").mkdir()
    assert "orders.json" in reasons(await ordered.obey())
    assert ordered.host.deeds == []


async def test_a_reboot_that_fails_takes_the_network_boot_back(ordered: Ordered) -> None:
    ordered.host.answers("systemctl reboot", "Failed to start reboot.target\n", status=1)
    assert "`systemctl reboot` exited 1" in reasons(await ordered.obey())
    assert ordered.host.deeds == [*GONE, "efibootmgr --delete-bootnext"]
    assert ordered.host.boot_next == ""


async def test_a_firmware_that_forgets_keeps_the_host_up(ordered: Ordered) -> None:
    ordered.host.forgetful()
    assert "did not keep BootNext" in reasons(await ordered.obey())
    assert "systemctl reboot" not in ordered.host.deeds


async def test_a_host_without_systemctl_is_told_as_such(ordered: Ordered) -> None:
    ordered.host.lacks("systemctl")
    assert "'systemctl' is not installed" in reasons(await ordered.obey())
    assert ordered.host.boot_next == ""


async def test_a_dry_run_shows_every_command_and_does_nothing(ordered: Ordered, said: list[str]) -> None:
    ordered.machine.dry_run = True
    text = reasons(await ordered.obey())
    assert "it would have run: efibootmgr --bootnext 0001; systemctl reboot" in text
    assert said == ["would run: efibootmgr --bootnext 0001", "would run: systemctl reboot"]
    assert (ordered.host.deeds, ordered.host.boot_next, Memory(ordered.host.root).acted()) == ([], "", ())


async def test_this_very_machine_is_never_changed_under_test() -> None:
    with pytest.raises(Forbidden, match="runs under test"):
        await Machine().act("systemctl", "reboot")


def test_an_order_reads_back_as_it_was_written_and_nothing_else_does() -> None:
    order = Order(host="a", run_id=1, boot_id="b", macs=("c",), issued_s=1, expires_s=2, nonce="d")
    assert orders.decode(orders.encode(order)) == order
    for old, new in (
        ('"run_id":1', '"run_id":true'), ('"run_id":1', '"run_id":1.0'), ('"run_id":1', '"run_id":"1"'),
        ('"macs":["c"]', '"macs":"c"'), ('"macs":["c"]', '"macs":[1]'), ('"host":"a"', '"host":null'),
        ('"nonce":"d"', '"nonce":"d","more":1'), ('"issued_s":1', '"issued_s":NaN'),
    ):  # fmt: skip
        with pytest.raises(Exception, match="not readable"):
            orders.decode(orders.encode(order).replace(old, new))
