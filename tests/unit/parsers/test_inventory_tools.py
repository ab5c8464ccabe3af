"""lscpu, lshw and lspci as recorded; the state of a PCIe link is a constructed sample in lspci's format."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from vetting.parsers import ParseError, lscpu, lshw, lspci

Recorded = Callable[[str], str]


def test_processors(recorded: Recorded) -> None:
    cpus = lscpu.parse(recorded("lscpu/lscpu"))
    assert (cpus.architecture, cpus.logical, cpus.online_count) == ("x86_64", 2, 2)
    assert (cpus.sockets, cpus.cores_per_socket, cpus.threads_per_core) == (1, 2, 1)
    assert cpus.model and cpus.hypervisor == "KVM" and "sse2" in cpus.flags


def test_nested_fields_are_found_too() -> None:
    """Constructed: newer lscpu nests what belongs together."""
    inner = {
        "field": "Model name:",
        "data": "Xeon",
        "children": [{"field": "Socket(s):", "data": "2"}, {"field": "Flags:", "data": "avx"}],
    }
    cpus = lscpu.parse(json.dumps({"lscpu": [{"field": "Vendor ID:", "data": "Intel", "children": [inner]}]}))
    assert (cpus.vendor, cpus.model, cpus.sockets, cpus.flags) == ("Intel", "Xeon", 2, frozenset({"avx"}))
    assert cpus.cores_per_socket is None


@pytest.mark.parametrize(("text", "number"), [("0", 1), ("0-3", 4), ("0-3,8,10-11\n", 7)])
def test_lists_of_processors_are_counted(text: str, number: int) -> None:
    assert lscpu.count(text) == number


@pytest.mark.parametrize("text", ["", "3-1", "0-", "a", "0-99999999999"])
def test_a_list_that_makes_no_sense_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        lscpu.count(text)


def test_the_tree_of_hardware(recorded: Recorded) -> None:
    nodes = lshw.parse(recorded("lshw/lshw"))
    assert (nodes[0].kind, nodes[0].depth) == ("system", 0)
    assert any(node.kind == "processor" and node.product for node in nodes)
    assert any(node.kind == "memory" and node.size == 25769803776 and node.units == "bytes" for node in nodes)


def test_a_tree_in_a_list() -> None:
    (node,) = lshw.parse('[{"id": "host", "class": "system", "logicalname": ["a", "b"]}]')
    assert node.logical_names == ("a", "b")


def test_devices_and_their_drivers(recorded: Recorded) -> None:
    devices = {device.slot: device for device in lspci.parse(recorded("lspci/machine"))}
    card = devices["0000:00:03.0"]
    assert (card.kind, card.kind_code, card.driver) == ("Ethernet controller", "0200", "virtio-pci")
    assert (card.vendor_code, card.device_code) == ("1af4", "1041")
    assert devices["0000:00:00.0"].driver is None


def test_a_machine_without_pcie_links(recorded: Recorded) -> None:
    links = lspci.parse_links(recorded("lspci/verbose"))
    assert links and all(link.speed_gt_s is None and link.downgraded is None for link in links)


VERBOSE = """0000:3b:00.0 Non-Volatile memory controller: Micron Technology Inc Device 51c0 (rev 02)
\tSubsystem: Micron Technology Inc Device 1100
\tCapabilities: [70] Express (v2) Endpoint, MSI 00
\t\tLnkCap:\tPort #0, Speed 16GT/s, Width x4, ASPM L1, Exit Latency L1 <64us
\t\tLnkSta:\tSpeed {speed}GT/s{words}, Width x{width}
\tKernel driver in use: nvme

"""


@pytest.mark.parametrize(
    ("speed", "words", "width", "downgraded"),
    [
        ("16", " (ok)", "4 (ok)", False),
        ("8", " (downgraded)", "4 (ok)", True),
        ("16", "", "1 (downgraded)", True),
        ("2.5", "", "4", True),
    ],
)
def test_a_link_below_what_the_device_can(speed: str, words: str, width: str, downgraded: bool) -> None:
    """Constructed."""
    (link,) = lspci.parse_links(VERBOSE.format(speed=speed, words=words, width=width))
    assert (link.slot, link.driver, link.speed_max_gt_s, link.width_max) == ("0000:3b:00.0", "nvme", 16, 4)
    assert link.speed_gt_s == float(speed) and link.downgraded is downgraded


def test_a_link_that_is_down_or_hidden_is_unknown() -> None:
    """Constructed: width 0 is no link; without root lspci shows no capability."""
    (down,) = lspci.parse_links(VERBOSE.format(speed="2.5", words="", width="0"))
    (hidden,) = lspci.parse_links("3b:00.0 X: Y\n\tCapabilities: <access denied>\n")
    assert down.downgraded is None and hidden.downgraded is None


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (lscpu.parse, ""),
        (lscpu.parse, '{"lscpu": {}}'),
        (lshw.parse, "[]"),
        (lshw.parse, "{}"),
        (lspci.parse, "Class:\tX\n"),
        (lspci.parse, "pcilib: Cannot open /proc/bus/pci"),
        (lspci.parse_links, "lspci: Unable to load libkmod resources"),
    ],
)
def test_what_they_never_print_is_an_error(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)
