"""A kernel's last words: by netconsole and from pstore, as Debian's kernel 6.1 really sent and kept them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.parsers import crash, netconsole, pstore

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "crash"
PANIC = "Kernel panic - not syncing: sysrq triggered crash"


def datagrams(name: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in (RECORDED / name).read_text().split()]


def test_extended_lines_tell_their_level_number_and_time() -> None:
    lines = list(netconsole.join(datagrams("netconsole-extended.hex")))
    by_text = {line.text: line for line in lines}
    assert by_text[PANIC].level == 0
    assert by_text["vetting: a userspace error"].level == 3  # 11 is facility user and level 3
    assert by_text[PANIC].seconds == pytest.approx(6.243244)
    assert by_text[PANIC].number == 391
    assert lines[-1].text == "Rebooting in 2 seconds.."


def test_a_line_that_begins_with_a_blank_is_no_key() -> None:
    assert " <TASK>" in [line.text for line in netconsole.join(datagrams("netconsole-extended.hex"))]


def test_a_long_message_that_came_in_two_parts_is_one_line() -> None:
    sent = datagrams("netconsole-extended.hex")
    parts = [one for one in sent if b"ncfrag=" in one]
    assert len(parts) == 2
    whole = list(netconsole.join(parts))
    assert len(whole) == 1
    assert whole[0].text.startswith("vetting: long  word0\\x0a") and len(whole[0].text) == netconsole.LINE_CHARS
    raw = b"".join(part.partition(b";")[2] for part in parts)
    assert b"word84" in raw and int(netconsole.PART.search(parts[0])[2]) in (len(raw), len(raw.rstrip(b"\n")))  # type: ignore[index]


def test_a_message_with_a_lost_part_is_told_as_far_as_it_came() -> None:
    first, second = (one for one in datagrams("netconsole-extended.hex") if b"ncfrag=" in one)
    assert [line.text[:20] for line in netconsole.join([first])] == ["vetting: long  word0"]
    assert len(list(netconsole.join([second]))) == 1
    assert len(list(netconsole.join([second, first]))) == 2


def test_plain_lines_tell_their_time_and_no_level() -> None:
    lines = list(netconsole.join(datagrams("netconsole-plain.hex")))
    found = next(line for line in lines if line.text == PANIC)
    assert found.level is None and found.seconds == pytest.approx(7.471286)
    assert crash.headlines(line.text for line in lines) == (PANIC,)


def test_bytes_that_do_not_print_are_written_as_their_numbers() -> None:
    (line,) = netconsole.parse(b"[    6.461011] vetting: bytes \x01\x1b[31m \xc3\xa9 \xff end\n")
    assert line.text == "vetting: bytes \\x01\\x1b[31m é \\xff end"


def test_a_release_before_the_level_is_no_level() -> None:
    (line,) = netconsole.parse(
        b"6.12.117+deb13-amd64,3,17,5222447,-,caller=T1;ata1: COMRESET failed\n SUBSYSTEM=scsi\n"
    )
    assert (line.level, line.number, line.text) == (3, 17, "ata1: COMRESET failed")


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_whatever_comes_is_bounded_printable_text(sent: list[bytes]) -> None:
    for line in [*netconsole.join(sent), *(line for one in sent for line in netconsole.parse(one))]:
        assert len(line.text) <= netconsole.LINE_CHARS
        assert all(letter.isprintable() or letter == "\t" for letter in line.text)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 4000), st.integers(0, 4000), st.binary(max_size=50)), max_size=40
    )
)
def test_parts_in_any_order_end(sent: list[tuple[int, int, int, bytes]]) -> None:
    made = [b"4,%d,1,-,ncfrag=%d/%d;%s" % one for one in sent]
    assert len(list(netconsole.join(made))) <= len(made)


def test_what_pstore_kept_of_a_panic_is_told_by_its_headline() -> None:
    records = pstore.crashes({path.name: path.read_bytes() for path in RECORDED.glob("dmesg-erst-*")})
    assert sorted((one.why, one.part) for one in records) == [("Panic", 1), ("Panic", 2)]
    assert pstore.said(records) == PANIC
    assert pstore.said(one for one in records if PANIC not in "\n".join(one.lines)).startswith("Panic, its last line: ")


def test_a_record_that_nobody_can_read_is_said_to_be_one() -> None:
    assert pstore.said([pstore.parse("dmesg-efi-1.enc.z", b"")]) == "it holds no text"
    assert "\\x00" in pstore.said([pstore.parse("dmesg-efi-1.enc.z", b"\x00\x01\x02" * 5000)])


@pytest.mark.parametrize(
    "line",
    [
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "BUG: unable to handle page fault for address: ffffb0c0c0c0",
        "Oops: 0002 [#1] PREEMPT SMP NOPTI",
        "watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [stress-ng-cpu:4711]",
        "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3",
        "mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 4: be00000000800400",
        "Kernel panic - not syncing: Fatal machine check",
        "general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
        "kernel BUG at mm/slub.c:435!",
        "Uhhuh. NMI received for unknown reason 21 on CPU 0.",
        "NMI: PCI system error (SERR) for reason b0 on CPU 0.",
    ],
)
def test_lines_that_name_a_crash_are_headlines(line: str) -> None:
    assert crash.headlines([f"[   12.345678] {line}"]) == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
        "ext4-BUG: not one",
        "DEBUG: nothing to see",
        "vetting: hello",
        "usb 1-1: new high-speed USB device number 2",
    ],
)
def test_others_are_not(line: str) -> None:
    assert crash.headlines([line]) == ()


def test_a_panic_is_among_the_headlines_whatever_came_before_it() -> None:
    before = [f"watchdog: BUG: soft lockup - CPU#{cpu} stuck for 26s!" for cpu in range(9)]
    found = crash.headlines([*before, "Kernel panic - not syncing: softlockup: hung tasks"])
    assert len(found) == 3 and found[-1].startswith("Kernel panic")
