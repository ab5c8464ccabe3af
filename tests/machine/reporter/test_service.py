"""The reporter as the service that it is: installed by its line under a real systemd, shut in, ordered, and obeyed by systemd.

The machine is one of namespaces without the power to reboot anything; what its systemd would do at the very end of a
reboot is a note in a file instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import boot_image
from tests.machine.install.booted import Machine, booted, missing, snapshot

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=missing() or "can be made"),
]
REPOSITORY = Path(__file__).resolve().parents[3]
VETTING = "python3 /srv/checkout/dist/vetting"
CONFIG = {
    "server": {"listen": "127.0.0.1", "port": 8443, "public_url": "https://127.0.0.1:8443", "data_dir": "/var/lib/v"},
    "boot": {"image_dir": "/srv/checkout/fake-image", "address": "127.0.0.1", "http_port": 8480},
    "netconsole": {"port": 0},
}
END_OF_REBOOT = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/touch /srv/checkout/rebooted
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = snapshot(REPOSITORY, tmp_path_factory.mktemp("service") / "checkout")
    boot_image.lay_out(folder / "fake-image")
    (folder / "vetting-test.yaml").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(scope="module")
def machine(checkout: Path) -> Iterator[Machine]:
    """With an orchestrator on loopback that knows the host it runs on, and this host's reporter installed by the line."""
    with booted(checkout.parent / "machine", checkout) as machine:
        machine.shell(
            f"printf %s '{END_OF_REBOOT}' > /etc/systemd/system/systemd-reboot.service; systemctl daemon-reload"
        )
        machine.shell(f"systemd-run --unit=orchestrator {VETTING} serve --config /srv/checkout/vetting-test.yaml")
        machine.until("curl --insecure --fail --silent https://127.0.0.1:8443/api/openapi.json > /dev/null")
        vetting(machine, "host add pve-07")
        command = json.loads(vetting(machine, "host code pve-07 --json"))["command"]
        machine.shell(f"{command} -s -- --yes")
        machine.until("systemctl is-active vetting-reporter")
        yield machine


def vetting(machine: Machine, words: str) -> str:
    return machine.shell(f"{VETTING} {words} --config /srv/checkout/vetting-test.yaml")


def said(machine: Machine) -> str:
    return machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "vetting-reporter", check=False).stdout


def heard(machine: Machine, wanted: str, limit_s: float = 60.0) -> dict[str, Any]:
    """The host as the orchestrator shows it, once this expression over it is true."""
    end_s = time.monotonic() + limit_s
    host: dict[str, Any] = {}
    while time.monotonic() < end_s:
        host = json.loads(vetting(machine, "host show pve-07 --json"))
        if eval(wanted, {}, dict(host)):
            return host
        time.sleep(0.5)
    raise AssertionError(f"never came true: {wanted}; {host}; {said(machine)[-3000:]}")


def test_it_is_heard_and_sees_what_it_has_to_see_from_inside(machine: Machine) -> None:
    host = heard(machine, "reporter_age_s is not None")
    assert host["reporter_allowed"] is False
    assert [str(one)[:40] for one in host["reporter_obstacles"]] == ["there is no way to boot once from the ne"]


def test_it_has_three_capabilities_and_writes_nowhere_else(machine: Machine) -> None:
    status = machine.shell("cat /proc/$(systemctl show vetting-reporter -p MainPID --value)/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(found["CapEff"], 16) == (1 << 1) | (1 << 2) | (1 << 9)  # dac_override, dac_read_search, linux_immutable
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    inside = "nsenter -t $(systemctl show vetting-reporter -p MainPID --value) -m -r"
    assert "read-only" in machine.shell(f"{inside} touch /etc/vetting/allow-reboot 2>&1 || true").lower()


def test_an_order_ends_in_a_reboot_that_systemd_takes_from_it(machine: Machine, checkout: Path) -> None:
    machine.shell('sed -i \'s/"network_first": false/"network_first": true/\' /etc/vetting/reporter.json')
    machine.shell("touch /etc/vetting/allow-reboot; systemctl restart vetting-reporter")
    heard(machine, "reporter_allowed and reporter_ways == ['first'] and not reporter_obstacles")
    vetting(machine, "run start pve-07 --profile quick --non-destructive --start-by reporter")
    end_s = time.monotonic() + 90
    while not (checkout / "rebooted").exists():
        assert time.monotonic() < end_s, said(machine)[-3000:]
        time.sleep(0.5)
    told = said(machine)
    assert "running: systemctl reboot" in told
    assert "run 1: this host is on its way down" in told
    kept = json.loads(machine.shell("cat /var/lib/vetting-reporter/orders.json"))
    assert [deed["run_id"] for deed in kept] == [1]
    assert machine.shell("stat -c %a /var/lib/vetting-reporter /etc/vetting/reporter.json").split() == ["700", "600"]
