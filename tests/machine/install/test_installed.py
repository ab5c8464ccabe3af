"""The installed orchestrator under a real systemd, shut in as it ships: it serves, boots hosts, survives, goes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.install.booted import Machine, booted, missing, snapshot

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=missing() or "can be made"),
]
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("install")
    checkout = snapshot(REPOSITORY, place / "checkout")
    with booted(place / "machine", checkout) as machine:
        yield machine


def test_install_makes_a_user_starts_the_service_and_waits_until_it_is_ready(machine: Machine) -> None:
    told = machine.run("/srv/checkout/build.sh", "install", "--start", limit_s=300)
    assert "serving at https://0.0.0.0:8443" in told.stderr
    shown = dict(
        line.split("=", 1)
        for line in machine.shell("systemctl show vetting -p ActiveState,SubState,User,NRestarts,UnitFileState").split()
    )
    assert shown == {
        "ActiveState": "active", "SubState": "running", "User": "vetting", "NRestarts": "0", "UnitFileState": "enabled"
    }  # fmt: skip
    assert machine.shell("stat -c %a:%U /var/lib/vetting /var/cache/vetting /etc/vetting/vetting.yaml").split() == [
        "700:vetting", "700:vetting", "640:root",
    ]  # fmt: skip


def test_its_process_has_three_capabilities_and_no_way_to_more(machine: Machine) -> None:
    status = machine.shell("cat /proc/$(systemctl show vetting -p MainPID --value)/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    wanted = (1 << 10) | (1 << 12) | (1 << 13)  # net_bind_service, net_admin, net_raw
    assert {int(found[name], 16) for name in ("CapEff", "CapBnd", "CapAmb")} == {wanted}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


def test_root_is_the_operator_and_runs_nothing_that_the_service_could_have_changed(machine: Machine) -> None:
    machine.run("vetting", "host", "add", "pve-07", "--mac", "52:54:00:12:34:56")
    hosts = json.loads(machine.run("vetting", "host", "list", "--json").stdout)
    assert [host["name"] for host in hosts] == ["pve-07"]
    machine.shell("python3 /usr/local/lib/vetting/vetting --version")  # without the launcher, too
    owners = machine.shell("stat -c %U /root/.cache/vetting/vetting_*").split()
    assert set(owners) == {"root"}
    assert set(machine.shell("stat -c %U /var/cache/vetting/*").split()) == {"vetting"}
    machine.shell("setpriv --reuid vetting --regid vetting --clear-groups vetting host show pve-07")


def test_somebody_else_is_told_how_to_become_the_operator(machine: Machine) -> None:
    told = machine.run(
        "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "env", "HOME=/tmp", "vetting", "host",
        "list", check=False,
    )  # fmt: skip
    assert told.returncode != 0
    assert "vetting.yaml" in told.stderr and "Traceback" not in told.stderr


# A DHCPDISCOVER and, for the address that is offered, a DHCPREQUEST (RFC 2131), from eth0 of the namespace.
DISCOVER = """
import socket, struct
mac = bytes.fromhex("525400770007")
def ask(kind, extra=b""):
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x7E57, 0, 0x8000) + bytes(16) + mac + bytes(10 + 64 + 128)
    link.sendto(head + bytes([99, 130, 83, 99, 53, 1, kind]) + extra + b"\\xff", ("255.255.255.255", 67))
    reply = link.recv(2048)
    return reply[16:20], reply
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
link.bind(("", 68))
link.settimeout(20)
address, reply = ask(1)
ask(3, bytes([50, 4]) + address + bytes([54, 4, 10, 77, 0, 1]))
print(socket.inet_ntoa(address))
"""


def in_the_sandbox(machine: Machine, name: str, command: str, kind: str = "exec") -> bool:
    """Starts another program with everything that vetting.service is shut in by; whether systemd calls it started.

    Of kind `oneshot`: whether it ended well.
    """
    unit = machine.shell("cat /etc/systemd/system/vetting.service")
    for key, value in (("ExecStartPre", None), ("WatchdogSec", None), ("Restart", "no"), ("Type", kind),
                       ("StateDirectory", name), ("CacheDirectory", name), ("ExecStart", command)):  # fmt: skip
        unit, changed = re.subn(rf"^{key}=.*\n", f"{key}={value}\n" if value else "", unit, flags=re.MULTILINE)
        assert changed == 1, key
    machine.run("bash", "-c", f'printf %s "$1" > /run/systemd/system/{name}.service', "write", unit)
    machine.run("systemctl", "daemon-reload")
    return machine.run("systemctl", "start", name, check=False).returncode == 0


def test_dnsmasq_leases_an_address_from_inside_the_sandbox(machine: Machine) -> None:
    machine.shell(
        "ip netns add host && ip link add boot0 type veth peer name eth0 netns host && ip link set boot0 up && "
        "ip addr add 10.77.0.1/24 dev boot0 && ip -n host link set eth0 up address 52:54:00:77:00:07"
    )
    command = (
        "/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=boot0 --bind-interfaces "
        "--pid-file= --log-facility=- --dhcp-leasefile=/var/lib/probe/leases --enable-tftp --tftp-root=/usr/share "
        "--dhcp-range=10.77.0.10,10.77.0.20 --user=vetting"
    )
    assert in_the_sandbox(machine, "probe", command)
    machine.until("systemctl is-active --quiet probe && ss -Hlun 'sport = :67' | grep -q .")
    machine.run("ip", "netns", "exec", "host", "python3", "-c", DISCOVER)
    machine.until("grep -q 52:54:00:77:00:07 /var/lib/probe/leases")
    machine.shell("systemctl stop probe")


def test_a_host_gets_its_address_and_its_boot_script_from_the_service_as_it_ships(machine: Machine) -> None:
    machine.shell("cp -p /etc/vetting/vetting.yaml /etc/vetting/kept")
    boot = "boot: {interface: nowhere0, mode: dhcp, dhcp_range: 10.77.0.10-10.77.0.20}"
    machine.shell(f"echo '{boot}' > /etc/vetting/vetting.yaml; systemctl restart vetting")
    machine.until("systemctl show vetting -p StatusText | grep -q 'dnsmasq waiting.*nowhere0'")
    machine.shell("sed -i s/nowhere0/boot0/ /etc/vetting/vetting.yaml; systemctl restart vetting")
    machine.run("vetting", "host", "add", "pve-08", "--mac", "52:54:00:77:00:07")
    machine.until("ss -Hlun 'sport = :67' | grep -q . && systemctl show vetting -p StatusText | grep -qv dnsmasq")
    machine.until("pgrep -u vetting dnsmasq")
    assert machine.run("ip", "netns", "exec", "host", "python3", "-c", DISCOVER).stdout.startswith("10.77.0.1")
    asked = (
        "import urllib.request as u; print(u.urlopen('http://10.77.0.1:8480/boot.ipxe', timeout=20).read().decode())"
    )
    assert machine.run("python3", "-c", asked).stdout.startswith("#!ipxe")
    machine.shell("mv /etc/vetting/kept /etc/vetting/vetting.yaml; systemctl restart vetting")
    machine.until("! pgrep -u vetting dnsmasq")


def test_iperf3_measures_from_inside_the_sandbox(machine: Machine) -> None:
    assert in_the_sandbox(machine, "load", "/usr/bin/iperf3 --server --port 5299")
    machine.until("ss -Hltn 'sport = :5299' | grep -q .")
    told = json.loads(machine.shell("iperf3 --client 127.0.0.1 --port 5299 --time 1 --json"))
    assert told["end"]["sum_received"]["bytes"] > 1_000_000
    machine.shell("systemctl stop load")


@pytest.mark.parametrize(
    ("does", "may"),
    [
        ("touch /var/lib/try/x /var/cache/try/x /tmp/x", True),
        ("setpriv --pdeathsig KILL -- true", True),
        ("touch /etc/x", False),
        ("touch /var/lib/x", False),
        ("touch /usr/local/lib/vetting/x", False),
        ("ls /root", False),
        ("test -e /dev/kmsg", False),
        ("unshare --user true", False),
        ("mount -t tmpfs x /tmp", False),
        ("setpriv --reuid 0 true", False),
        ("chrt --fifo 1 true", False),
        ("kill -0 1", False),
    ],
)
def test_the_sandbox_lets_do_what_is_needed_and_refuses_the_rest(machine: Machine, does: str, may: bool) -> None:
    assert in_the_sandbox(machine, "try", f'/bin/sh -c "{does}"', "oneshot") is may, machine.shell(
        "journalctl -n 20 -u try"
    )
    machine.shell("systemctl stop try; systemctl reset-failed try || true")


def test_an_orchestrator_that_hangs_is_ended_told_on_and_started_again(machine: Machine) -> None:
    machine.shell(
        "mkdir -p /run/systemd/system/vetting.service.d && "
        "printf '[Service]\\nWatchdogSec=3s\\nRestartSec=100ms\\n' > /run/systemd/system/vetting.service.d/brisk.conf && "
        "systemctl daemon-reload && systemctl restart vetting"
    )
    machine.shell("sleep 5; systemctl show vetting -p NRestarts --value | grep -qx 0")  # fed, it does not bite
    machine.shell("systemctl kill --kill-whom=main --signal=STOP vetting")
    machine.until("systemctl show vetting -p NRestarts --value | grep -qx 1 && systemctl is-active --quiet vetting")
    assert "Fatal Python error: Aborted" in machine.journal()
    machine.shell("rm -r /run/systemd/system/vetting.service.d; systemctl daemon-reload; systemctl restart vetting")


def test_a_killed_orchestrator_comes_back_with_its_hosts(machine: Machine) -> None:
    machine.shell("systemctl kill --kill-whom=main --signal=KILL vetting")
    machine.until("systemctl show vetting -p NRestarts --value | grep -qx 1 && systemctl is-active --quiet vetting")
    assert "pve-07" in machine.run("vetting", "host", "list").stdout


def test_a_mistake_in_the_configuration_is_told_and_not_tried_again_and_again(machine: Machine) -> None:
    machine.shell("cp -p /etc/vetting/vetting.yaml /etc/vetting/kept; echo 'serwer: {}' >> /etc/vetting/vetting.yaml")
    assert machine.run("systemctl", "restart", "vetting", check=False).returncode != 0
    shown = machine.shell("systemctl show vetting -p ActiveState -p NRestarts -p StatusText")
    assert "ActiveState=failed" in shown and "NRestarts=0" in shown
    assert "serwer" in shown
    assert machine.run("/srv/checkout/build.sh", "install", check=False).returncode == 2  # an upgrade says so as well
    machine.shell(
        "mv /etc/vetting/kept /etc/vetting/vetting.yaml; systemctl reset-failed vetting; systemctl start vetting"
    )


def test_installing_again_restarts_the_service_when_asked_and_keeps_what_it_knows(machine: Machine) -> None:
    before = machine.shell("systemctl show vetting -p MainPID --value")
    told = machine.run("/srv/checkout/build.sh", "install").stderr
    assert "systemctl restart vetting" in told
    assert machine.shell("systemctl show vetting -p MainPID --value") == before
    machine.run("/srv/checkout/build.sh", "install", "--start")
    assert machine.shell("systemctl show vetting -p MainPID --value") != before
    assert "pve-07" in machine.run("vetting", "host", "list").stdout


def test_stopping_is_clean_and_leaves_no_process_behind(machine: Machine) -> None:
    machine.run("systemctl", "stop", "vetting")
    assert machine.shell("systemctl show vetting -p Result --value").strip() == "success"
    assert not machine.run("pgrep", "-u", "vetting", check=False).stdout


def test_uninstall_leaves_the_data_and_purge_leaves_nothing(machine: Machine) -> None:
    machine.run("systemctl", "start", "vetting")
    machine.run("/srv/checkout/build.sh", "uninstall")
    machine.shell(
        "! systemctl is-active --quiet vetting; ! test -e /usr/local/lib/vetting; test -s /var/lib/vetting/vetting.db"
    )
    machine.run("/srv/checkout/build.sh", "install", "--start")
    assert "pve-07" in machine.run("vetting", "host", "list").stdout
    machine.run("/srv/checkout/build.sh", "uninstall", "--purge")
    machine.shell("! ls -d /var/lib/vetting /etc/vetting /var/cache/vetting; ! id vetting; ! command -v vetting")
