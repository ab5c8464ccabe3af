"""The operator's verbs against a real orchestrator over TLS: what they print, what they refuse, and their exit statuses."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from tests.fakes import honest
from tests.unit.verbs.conftest import Console
from vetting import cli, wire
from vetting.asking import here, visible

SPEC = "disks:\n  - {serial: D1, size_bytes: 67108864}\ncpu_threads: 2\n"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return str(path)


def test_an_empty_fleet_says_what_to_do_first(console: Console) -> None:
    assert "vetting host add" in console.type("host", "list")[1]
    assert "vetting run start" in console.type("run", "list")[1]


def test_a_host_is_added_shown_edited_and_removed(console: Console, spec: str) -> None:
    assert console.type("host", "add", "pve-07", "--mac", honest.MAC, "--spec", spec)[0] == 0
    status, out, _ = console.type("host", "show", "pve-07")
    assert status == 0
    assert "serial: D1" in out
    assert console.type("host", "edit", "pve-07", "--note", "repaired PSU")[0] == 0
    shown = json.loads(console.type("host", "show", "pve-07", "--json")[1])
    assert (shown["note"], shown["macs"], shown["spec"]["disks"][0]["serial"]) == ("repaired PSU", [honest.MAC], "D1")
    status, out, _ = console.type("host", "list")
    assert "pve-07" in out
    assert "never" in out
    assert console.type("host", "remove", "pve-07", "--reason", "sold")[0] == 0
    status, _, err = console.type("host", "show", "pve-07")
    assert status == 2
    assert "there is no host named 'pve-07'" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("host", "add", "No Such Name"), "lower-case letters"),
        (("host", "add", "a", "--mac", "no-mac"), "not a MAC address"),
        (("host", "add", "a", "--spec", "/nonexistent.yaml"), "/nonexistent.yaml"),
        (("host", "show", "../../etc"), "there is no host named"),
        (("run", "start", "nobody"), "there is no host named 'nobody'"),
        (("run", "start", "pve-07", "--replaced", "ram:A1"), "there is no kind of part 'ram'"),
        (("run", "start", "pve-07", "--replaced", "dimm"), "say which DIMM was replaced"),
        (("run", "start", "pve-07", "--confidence", "95"), "name what was replaced with --replaced"),
        (("run", "start", "pve-07", "--replaced", "board", "--confidence", "100"), "from 50 % to 99.9 %"),
        (("run", "show", "4711"), "there is no run 4711"),
        (("run", "cancel", "4711"), "there is no run 4711"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_ends_with_2(console: Console, words: tuple[str, ...], says: str) -> None:
    status, _, err = console.type(*words)
    assert status == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["disks: 5", "[1, 2]", "surprise: 1", "a: &x [*x]", "\x00", "disks: [{size_bytes: -}]"]
)
def test_a_wrong_spec_file_is_refused_with_its_path(console: Console, tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    status, _, err = console.type("host", "add", "a", "--spec", str(path))
    assert status == 2
    assert str(path) in err
    assert "Traceback" not in err


def test_a_run_after_a_repair_tells_what_was_replaced(console: Console, spec: str) -> None:
    assert console.type("host", "add", "pve-07", "--mac", honest.MAC, "--spec", spec)[0] == 0
    words = ("--replaced", "dimm:A1:OLD:NEW", "--replaced", "nic:eno1::52:54:00:00:00:02", "--confidence", "90")
    status, _, err = console.type("run", "start", "pve-07", "--start-by", "manual", "--non-destructive", *words)
    assert (status, err) == (0, "")
    out = console.type("run", "show", "1")[1]
    assert "not looked at yet: SpecValidate compares the host with what it was" in out
    assert "cpu_stress.ram_s: 2 min → 6 min" in out
    assert "network.seconds: 60 s → 2 min" in out
    assert "No run before this one looked into the host" in out


def test_a_run_is_started_only_with_what_it_erases_confirmed_and_then_cancelled(console: Console, spec: str) -> None:
    console.type("host", "add", "pve-07", "--mac", honest.MAC, "--spec", spec)
    start = ("run", "start", "pve-07", "--profile", "sprint", "--start-by", "manual")
    status, _, err = console.type(*start)
    assert status == 2
    assert "erases the disks D1" in err
    status, out, _ = console.type(*start, "--erase", "D1")
    assert status == 0
    assert "one-time boot ticket" in out
    status, _, err = console.type("run", "start", "pve-07", "--profile", "sprint")
    assert status == 2
    assert "/register/quick.sh" in err
    assert "Booting" in console.type("run", "list", "--host", "pve-07")[1]
    assert console.type("run", "override", "1", "--reason", "go on")[0] == 2
    assert console.type("run", "cancel", "1", "--reason", "wrong host")[0] == 0
    status, out, _ = console.type("run", "show", "1")
    assert "Cancelled" in out
    status, out, _ = console.type("run", "watch", "1")
    assert status == 1


def test_a_wrong_token_and_a_wrong_server_are_told_apart(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VETTING_TOKEN", "x")
    status, _, err = console.type("host", "list")
    assert (status, "token" in err) == (2, True)
    status = cli.main(["host", "list", "--url", console.server.url, "--fingerprint", "0" * 64])
    assert status == 1
    assert "certificate" in console.capsys.readouterr().err
    status = cli.main(["host", "list", "--url", "https://127.0.0.1:1", "--fingerprint", "0" * 64])
    assert status == 1
    assert "vetting serve" in console.capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("268\u00a0MB", "268 MB"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb", "a\\nb"),
        ("ok ✓", "ok ✓"),
    ],
)
def test_what_could_move_the_terminal_is_shown_and_not_done(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_management_controller_is_noted_kept_through_an_edit_and_cleared(console: Console, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of-the-bmc\n")
    console.type("host", "add", "pve-07", "--mac", honest.MAC)
    words = ("host", "bmc", "pve-07", "--kind", "ipmi", "--address", "10.0.0.7", "--user", "vetting", "--bios")
    status, out, err = console.type(*words, "--password-file", str(secret))
    assert status == 0, err
    assert "of-the-bmc" not in out
    assert console.type("host", "edit", "pve-07", "--note", "moved")[0] == 0
    shown = json.loads(console.type("host", "show", "pve-07", "--json")[1])
    assert shown["bmc"] == {"kind": "ipmi", "address": "10.0.0.7", "user": "vetting", "fingerprint": "", "efi": False}
    assert "of-the-bmc" not in json.dumps(shown)
    assert console.type("host", "bmc", "pve-07", "--clear")[0] == 0
    assert json.loads(console.type("host", "show", "pve-07", "--json")[1])["bmc"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("host", "bmc", "pve-07"), "say --kind, --address, --user of the controller, or --clear"),
        (("host", "power", "pve-07"), "has no management controller on record"),
        (("run", "ssh", "4711"), "there is no run 4711"),
    ],
)
def test_what_power_and_ssh_lack_is_said(console: Console, words: tuple[str, ...], says: str) -> None:
    console.type("host", "add", "pve-07", "--mac", honest.MAC)
    status, _, err = console.type(*words)
    assert status == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_a_password_is_not_asked_for_where_nobody_sits(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.type("host", "add", "pve-07")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    words = ("host", "bmc", "pve-07", "--kind", "ipmi", "--address", "10.0.0.7", "--user", "vetting")
    assert "--password-file" in console.type(*words)[2]


def test_a_run_that_is_not_held_cannot_be_entered(console: Console) -> None:
    console.type("host", "add", "pve-07")
    console.type("run", "start", "pve-07", "--start-by", "manual", "--non-destructive")
    for more in ((), ("--print",), ("--", "uptime")):
        status, _, err = console.type_before(("run", "ssh", "1"), more)
        assert status == 2
        assert "Booting" in err


def test_the_line_that_installs_a_reporter_is_shown_and_the_list_tells_what_it_says(console: Console) -> None:
    console.type("host", "add", "pve-07", "--mac", honest.MAC)
    status, out, _ = console.type("host", "code", "pve-07")
    assert status == 0
    assert "once" in out
    assert "/register/quick.sh | VETTING_CODE=" in out
    assert console.type("host", "code", "nobody")[0] == 2
    host_id = json.loads(console.type("host", "show", "pve-07", "--json")[1])["id"]
    for beat, words in (
        (wire.ReporterBeat(boot_id="os", version="1"), "reboot not allowed on the host"),
        (wire.ReporterBeat(boot_id="os", version="1", allowed=True, ways=("efi",)), "ready, boots by efi"),
        (
            wire.ReporterBeat(boot_id="os", version="1", allowed=True, obstacles=("VM 1", "apt")),
            "not now: VM 1 (and 1 more)",
        ),
    ):
        asyncio.run(console.server.desk.progress.reporter_beat(host_id, beat))
        assert words in console.type("host", "list")[1]


@pytest.mark.parametrize(
    ("listen", "asked"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")],
)
def test_the_command_line_asks_where_its_own_orchestrator_listens(listen: str, asked: str) -> None:
    assert here(listen) == asked
