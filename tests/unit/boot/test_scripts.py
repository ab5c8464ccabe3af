"""What iPXE is told: nothing from outside becomes more than a word of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting import carried
from vetting.boot import asked, scripts
from vetting.config.values import LocalBoot
from vetting.domain.errors import BadInput, NotFound

TICKET = scripts.Ticket(
    url="https://10.0.0.1:8443", fingerprint="ab" * 32, ticket="T-_" * 14, run_id=42, mac="52:54:00:12:34:56",
    netconsole="10.0.0.1:6666", more="console=ttyS1,115200 quiet",
)  # fmt: skip
VERBS = {
    "#!ipxe", "echo", "set", "chain", "iseq", "sleep", "goto", "inc", "kernel", "initrd", "boot", "imgfree", "sanboot", "exit",
}  # fmt: skip


def verbs(script: str) -> set[str]:
    lines = (line for line in script.splitlines() if line and not line.startswith(("#", ":")))
    return {line.split()[0] for line in lines}


def image(ticket: scripts.Ticket = TICKET, host: str = "pve-07", version: str = "1.2", build: str = "0123abcd") -> str:
    return scripts.image(ticket, host=host, version=version, build=build)


def test_the_way_into_the_image_carries_every_word_of_the_contract() -> None:
    (kernel,) = [line for line in image().splitlines() if line.startswith("kernel ")]
    words = kernel.removesuffix(" || goto failed").split()
    assert words[3] == "/boot/vmlinuz?build=0123abcd"
    assert words[4:] == [
        "initrd=initrd.img", "vetting.url=https://10.0.0.1:8443", f"vetting.fingerprint={'ab' * 32}",
        f"vetting.ticket={'T-_' * 14}", "vetting.run=42", "vetting.netconsole=10.0.0.1:6666", "BOOTIF=01-52-54-00-12-34-56",
        "console=ttyS1,115200", "quiet",
    ]  # fmt: skip
    assert "initrd --name initrd.img /boot/initrd.img?build=0123abcd" in image()


def test_without_netconsole_there_is_no_word_of_it() -> None:
    assert "netconsole" not in image(replace(TICKET, netconsole=""))


def test_the_agent_reads_from_the_command_line_what_the_script_puts_there() -> None:
    from vetting.agent.settings import kernel_words

    assert kernel_words(" ".join(TICKET.words)) == {
        "url": TICKET.url, "fingerprint": TICKET.fingerprint, "ticket": TICKET.ticket, "run": "42",
        "netconsole": TICKET.netconsole,
    }  # fmt: skip


@pytest.mark.parametrize("bad", ["a b", "a\nshell", "${mac}", "a||shell", 'a"b', "é"])
@pytest.mark.parametrize("field", ["url", "ticket", "fingerprint", "netconsole"])
def test_a_word_that_is_more_than_a_word_is_refused(field: str, bad: str) -> None:
    with pytest.raises(BadInput, match="command line"):
        image(replace(TICKET, **{field: bad}))  # type: ignore[arg-type]


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_name_of_a_host_and_no_reason_becomes_a_command(one: str, other: str) -> None:
    plain = len(image().splitlines())
    for script in (image(host=one, version=other), image(build=one)):
        assert len(script.splitlines()) == plain
        assert verbs(script) <= VERBS
    told = scripts.local(one, LocalBoot.AUTO)
    (reason,) = re.findall(r"^echo vetting: (.*)\necho vetting: going on to the local disk$", told, re.MULTILINE)
    assert not set(reason) & set("${}|&;#\\'\"`<>")
    assert len(reason) <= scripts.LONGEST_SENTENCE


@pytest.mark.parametrize("way", list(LocalBoot))
def test_a_bios_comes_to_its_first_disk_and_a_uefi_goes_on_in_its_boot_order(way: LocalBoot) -> None:
    told = scripts.local("nothing waits here", way)
    assert ("sanboot --no-describe --drive 0x80" in told) is (way is not LocalBoot.EXIT)
    assert told.rstrip().endswith("exit 1")  # after a success the firmware would stay in its menu
    assert told.startswith("#!ipxe\n")


def test_the_first_script_is_the_same_for_all_and_ends_at_the_local_disk() -> None:
    told = scripts.first(LocalBoot.AUTO)
    assert "/boot/script?mac=${netX/mac:hexhyp}&" in told
    assert told == scripts.first(LocalBoot.DISK)
    assert verbs(told) <= VERBS


def test_only_carried_files_can_be_named() -> None:
    for name in ("../vetting.yaml", "pxe/../vetting.yaml", "vetting/serve.py", "/etc/passwd", "pxe", "pxe/none.ipxe"):
        with pytest.raises(NotFound):
            carried.text(name)


@given(st.text(min_size=1))
def test_nothing_but_one_line_of_plain_ascii_is_filled_in(text: str) -> None:
    if text.isascii() and text.isprintable():
        assert text in carried.filled("pxe/local.ipxe", {"why": text})
    else:
        with pytest.raises(BadInput, match="not one line"):
            carried.filled("pxe/local.ipxe", {"why": text})


# --- what a machine tells of itself ----------------------------------------------------------------------------------


def test_a_question_is_read_and_its_hints_bounded() -> None:
    got = asked.read({"mac": "52-54-00-AB-CD-EF", "product": "R650\n" + "x" * 500, "platform": "efi", "other": "y"})
    assert got.mac == "52:54:00:ab:cd:ef"
    assert got.what.startswith("platform efi, product R650 xxx")
    assert len(got.what) < 120


@pytest.mark.parametrize(
    "mac", ["", "52:54:00", "52:54:00:12:34:56:78", "00:00:00:00:00:00", "${mac}", "52:54:00:12:34:5g"]
)
def test_a_question_without_a_mac_address_is_refused(mac: str) -> None:
    with pytest.raises(BadInput, match="MAC address"):
        asked.read({"mac": mac})


@given(st.dictionaries(st.sampled_from([*asked.HINTS, "mac"]), st.text(max_size=3000)))
def test_hints_are_printable_and_short_whatever_is_told(query: dict[str, str]) -> None:
    got = asked.read({**query, "mac": "52:54:00:12:34:56"})
    assert len(got.what) <= 400
    assert got.what.isprintable()
