"""iperf3 as recorded in 3.12 and 3.18: directions, and the errors that come with exit status 0."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, iperf3

Recorded = Callable[[str], str]


def test_forward_is_to_the_server(joined: Recorded) -> None:
    run = iperf3.parse(joined("iperf3/forward"))
    assert run.error is None and run.from_server is None
    assert run.to_server is not None
    assert run.to_server.sent_bits_s > 1e8 and run.to_server.retransmits is not None
    assert run.to_server.seconds == pytest.approx(2, abs=0.2)
    assert run.planned_s == 2 and run.protocol == "TCP" and run.streams == 1
    assert len(run.intervals) == 2 and run.intervals[0].bits_s > 1e8
    assert run.local_host == "127.0.0.1"
    assert run.segment_bytes == 32768


def test_reverse_is_from_the_server(joined: Recorded) -> None:
    run = iperf3.parse(joined("iperf3/reverse"))
    assert run.to_server is None and run.from_server is not None
    assert run.from_server.received_bits_s is not None and run.from_server.received_bits_s > 1e8


def test_both_directions_at_once(joined: Recorded) -> None:
    run = iperf3.parse(joined("iperf3/bidir"))
    assert run.to_server is not None and run.from_server is not None
    assert run.to_server.sent_bytes != run.from_server.sent_bytes
    assert all(each.back_bits_s for each in run.intervals)


def test_parallel_streams_are_summed(joined: Recorded) -> None:
    run = iperf3.parse(joined("iperf3/parallel"))
    assert run.streams == 2 and run.to_server is not None and run.to_server.sent_bits_s > 1e8


def test_udp_counts_lost_packets_and_no_retransmits(joined: Recorded) -> None:
    flow = iperf3.parse(joined("iperf3/udp")).to_server
    assert flow is not None
    assert flow.retransmits is None and flow.lost_packets == 0 and flow.packets is not None and flow.packets > 100


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", "unable to connect"),
        ("busy", "busy"),
        ("server-died", "control socket has closed"),
        ("closed-in-the-queue", "unable to receive control message"),
    ],
)
def test_trouble_of_the_server_is_told_and_nothing_was_measured(joined: Recorded, name: str, words: str) -> None:
    run = iperf3.parse(joined(f"iperf3/{name}"))
    assert run.error is not None and words in run.error
    assert run.to_server is None and run.from_server is None


@pytest.mark.parametrize("text", ["", "iperf3: error - unable to connect", "{}", '{"start": 1}'])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        iperf3.parse(text)


def test_a_sum_without_a_rate_is_an_error_and_no_nought(joined: Recorded) -> None:
    with pytest.raises(ParseError, match="bits_per_second is missing"):
        iperf3.parse(joined("iperf3/forward").replace('"bits_per_second"', '"bits"'))


def test_versions_are_read(recorded: Recorded, system: str) -> None:
    assert (
        iperf3.parse_version(recorded("iperf3/version"))
        == {"debian12": "3.12", "ubuntu2404": "3.16", "debian13": "3.18"}[system]
    )
