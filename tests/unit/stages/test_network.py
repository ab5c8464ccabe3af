"""Network: which cards are tested, what a link, a throughput and a counter are worth, and whose fault a silent server is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.scripted_deps import Says, ScriptedDeps, Text, job
from tests.fakes.stage_world import RELEASES, tool_text
from vetting.domain.crowd import BY_THE_WAY
from vetting.domain.errors import ToolMissing
from vetting.domain.hostspec import ExpectedNic, ExpectedSpec, Identity
from vetting.domain.inventory import FoundCpu, FoundNic, Inventory
from vetting.domain.outcome import Severity, Verdict
from vetting.domain.profiles import TASTE, NetworkKnobs
from vetting.parsers import ethtool
from vetting.stages.network import Network
from vetting.stages.nic_health import errors_grown, link_trouble

MAC = "02:00:00:00:00:07"
COMPONENT = f"nic:{MAC}"
KNOBS = NetworkKnobs(seconds=2, parallel=1)
STATISTICS = "/sys/class/net/eth7/statistics"
NIC = FoundNic(name="eth7", mac=MAC, driver="ixgbe", link=True, speed_mb_s=10000)
SERVER_S = 8e9  # bytes a second that the kernel counts: more than the recordings claim


def net_dev(now_s: float) -> str:
    count = round(now_s * SERVER_S)
    rows = "".join(f"{name:>6}: {count} 1 0 0 0 0 0 0 {count} 1 0 0 0 0 0 0\n" for name in ("lo", "eth7"))
    return "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n" + rows


def files(**more: Text) -> dict[str, Text]:
    calm = ("rx_errors", "tx_errors", "rx_crc_errors", "rx_frame_errors", "rx_missed_errors")
    return {
        "/proc/net/dev": net_dev,
        **{f"{STATISTICS}/{name}": "3\n" for name in calm},
        "/sys/class/net/eth7/carrier_changes": "2\n",
        **more,
    }


def inventory(*nics: FoundNic) -> Inventory:
    cpu = FoundCpu(model="x", sockets=1, cores=2, threads=2)
    return Inventory(identity=Identity(), cpu=cpu, memory_bytes=1, nics=nics)


def iperf(release: str, name: str, words: str = "iperf3", *, elapsed_s: float = 2.0, **how: Any) -> Says:
    return Says(words, stdout=tool_text(release, f"iperf3/{name}"), elapsed_s=elapsed_s, **how)


def paced(name: str, sent_again: int, *, mb_s: float = 200.0, **end: Any) -> str:
    """What the recorded flow would have said had it been paced for two seconds over full-sized segments."""
    row = json.loads(tool_text("debian12", f"iperf3/{name}"))
    row["start"]["tcp_mss_default"] = 1448
    sent = round(mb_s * 1e6 / 8 * 2)
    row["end"]["sum_sent"].update(bytes=sent, bits_per_second=mb_s * 1e6, seconds=2.0, retransmits=sent_again, **end)
    row["end"]["sum_received"].update(bytes=sent, bits_per_second=mb_s * 1e6, seconds=2.0)
    return json.dumps(row)


def gentle(words: str, name: str, sent_again: int = 1, *, times: int = 0, **how: Any) -> Says:
    return Says(words, stdout=paced(name, sent_again, **how), elapsed_s=2.0, times=times)


def world(
    release: str = "debian12",
    *,
    tools: tuple[Says, ...] = (),
    nics: tuple[FoundNic, ...] = (NIC,),
    pins: tuple[ExpectedNic, ...] = (),
    more: dict[str, Text] | None = None,
    link: str | None = None,
    **changes: Any,
) -> ScriptedDeps:
    script = [
        *tools,
        gentle("iperf3 --reverse -b", "reverse"),
        gentle("iperf3 -b", "forward"),
        iperf(release, "reverse", "iperf3 --reverse"),
        iperf(release, "forward"),
        Says("ip -j addr", stdout=tool_text(release, "ip/addr")),
        Says("ethtool -S", stdout=tool_text(release, "ethtool/veth-counters")),
        Says("ethtool eth7", stdout=link or tool_text(release, "ethtool/veth")),
    ]
    asked = job(
        profile=replace(TASTE, network=KNOBS),
        iperf_host="192.0.2.1",
        iperf_port=5201,
        inventory=inventory(*nics),
        expected=ExpectedSpec(nics=pins),
    )
    return ScriptedDeps(replace(asked, **changes), script, files(**(more or {})))


@pytest.mark.parametrize("release", RELEASES)
async def test_a_card_at_its_speed_passes_in_both_directions(release: str) -> None:
    deps = world(release)
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.PASS, outcome.reason
    (cell,) = outcome.cells
    assert cell.component == COMPONENT
    ways = ("to server", "from server", "to server, paced", "from server, paced")
    assert [(each.what, each.done, each.of) for each in cell.work] == [(way, 2, 2) for way in ways]
    assert {each.series for each in outcome.measurements} >= {"net.eth7.to_server", "net.eth7.from_server_lost"}
    assert all(" -B 192.0.2.7 --bind-dev eth7" in " ".join(argv) for argv in deps.argvs("iperf3"))
    assert {each.name for each in outcome.counters} >= {"rx_errors", "carrier_changes"}


async def test_on_loopback_no_card_is_claimed_to_be_tested() -> None:
    outcome = await Network().run(world(iperf_host="127.0.0.1"))
    assert outcome.verdict is Verdict.PASS
    (cell,) = outcome.cells
    assert cell.component == "nic:loopback"
    assert "no network card was tested" in cell.reason


async def test_throughput_under_the_fraction_of_the_link_fails_the_card() -> None:
    slow = tool_text("debian12", "ethtool/veth").replace("10000Mb/s", "100000Mb/s")
    outcome = await Network().run(world(link=slow, tools=reverse_and_forward_calm()))
    assert outcome.verdict is Verdict.FAIL
    assert "to server: 29064 Mb/s, floor 90000 Mb/s" in outcome.reason


def reverse_and_forward_calm() -> tuple[Says, ...]:
    """The recordings with CPU time left over, so that the card and not iperf3 is what is slow."""
    found = []
    for words, name in (("iperf3 --reverse", "reverse"), ("iperf3", "forward")):
        row = json.loads(tool_text("debian12", f"iperf3/{name}"))
        row["end"]["cpu_utilization_percent"] = {"host_total": 20.0, "remote_total": 20.0}
        found.append(Says(words, stdout=json.dumps(row), elapsed_s=2.0))
    return tuple(found)


async def test_throughput_that_only_the_cpu_limits_is_our_error() -> None:
    slow = tool_text("debian12", "ethtool/veth").replace("10000Mb/s", "100000Mb/s")
    busy = []
    for words, name in (("iperf3 --reverse", "reverse"), ("iperf3", "forward")):
        row = json.loads(tool_text("debian12", f"iperf3/{name}"))
        row["end"]["cpu_utilization_percent"] = {"host_total": 20.0, "remote_total": 99.0}
        busy.append(Says(words, stdout=json.dumps(row), elapsed_s=2.0))
    outcome = await Network().run(world(link=slow, tools=tuple(busy)))
    assert outcome.verdict is Verdict.ERROR
    assert "no CPU time left" in outcome.reason


async def test_a_pinned_floor_is_what_counts() -> None:
    assert (await Network().run(world(pins=(ExpectedNic(mac=MAC, floor_mb_s=20000),)))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("counter", "words"),
    [
        (f"{STATISTICS}/rx_crc_errors", "rx_crc_errors grew by 2"),
        (f"{STATISTICS}/rx_errors", "rx_errors grew by 2"),
        (f"{STATISTICS}/tx_errors", "tx_errors grew by 2"),
        ("/sys/class/net/eth7/carrier_changes", "carrier_changes grew by 2"),
    ],
)
async def test_errors_that_grew_fail_the_card_whatever_the_throughput(counter: str, words: str) -> None:
    outcome = await Network().run(world(more={counter: ["3\n", "5\n"]}))
    assert outcome.verdict is Verdict.FAIL
    assert words in outcome.reason


async def test_counters_that_cannot_be_read_are_our_error() -> None:
    deps = world()
    for path in [path for path in deps.files if path.startswith("/sys/class/net")]:
        deps.files[path] = OSError(5, "Input/output error")
    deps.tools = [each for each in deps.tools if each.words != "ethtool -S"]
    deps.tools.insert(0, Says("ethtool -S", stdout="no stats available\n", exit_code=94))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "counters cannot be read" in outcome.reason


async def test_a_counter_that_becomes_unreadable_is_our_error() -> None:
    def gone(now_s: float) -> str:
        if now_s > 1001:
            raise OSError(5, "Input/output error")
        return "3\n"

    outcome = await Network().run(world(more={f"{STATISTICS}/rx_errors": gone}))
    assert outcome.verdict is Verdict.ERROR
    assert "rx_errors can no longer be read" in outcome.reason


async def test_a_card_whose_link_sinks_under_load_fails() -> None:
    deps = world()
    text = tool_text("debian12", "ethtool/veth")
    deps.tools[:0] = [
        Says("ethtool eth7", stdout=text, times=1),
        Says("ethtool eth7", stdout=text.replace("10000Mb/s", "1000Mb/s")),
    ]
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.FAIL
    assert "from 10000 to 1000 Mb/s under load" in outcome.reason


@pytest.mark.parametrize(("kernel", "verdict"), [("10000\n", "PASS"), ("-1\n", "PASS"), ("1000\n", "ERROR")])
async def test_ethtool_is_held_against_the_kernel(kernel: str, verdict: str) -> None:
    """Its words of another day would be believed else."""
    outcome = await Network().run(world(more={"/sys/class/net/eth7/speed": kernel}))
    assert outcome.verdict == verdict
    assert verdict == "PASS" or "ethtool says 10000 Mb/s of its link, the kernel 1000 Mb/s" in outcome.reason


async def test_ethtool_that_speaks_of_another_card_is_not_believed() -> None:
    outcome = await Network().run(world(link=tool_text("debian12", "ethtool/veth").replace("eth7", "eth8")))
    assert outcome.verdict is Verdict.ERROR
    assert "speaks of eth8" in outcome.reason


async def test_a_pinned_speed_that_is_not_reached_fails() -> None:
    outcome = await Network().run(world(pins=(ExpectedNic(mac=MAC, speed_mb_s=25000),)))
    assert outcome.verdict is Verdict.FAIL
    assert "runs at 10000 Mb/s, expected 25000 Mb/s" in outcome.reason


async def test_an_unknown_speed_is_judged_only_on_a_card_that_is_virtual() -> None:
    unknown = tool_text("debian12", "ethtool/veth").replace("10000Mb/s", "Unknown!")
    metal = await Network().run(world(link=unknown))
    virtual = await Network().run(world(link=unknown, nics=(replace(NIC, driver="virtio_net"),)))
    assert (metal.verdict, virtual.verdict) == (Verdict.ERROR, Verdict.PASS)
    assert virtual.findings[0].severity is Severity.WARNING


async def test_a_card_without_an_address_has_no_path_and_is_our_error() -> None:
    other = FoundNic(name="eth8", mac="02:00:00:00:00:08", link=True)
    outcome = await Network().run(world(nics=(NIC, other)))
    assert {each.component: each.verdict for each in outcome.cells} == {
        COMPONENT: Verdict.PASS,
        "nic:02:00:00:00:00:08": Verdict.ERROR,
    }
    assert "no path" in outcome.reason and "untested under this card" in outcome.reason


async def test_a_card_without_a_link_is_expected_only_when_the_spec_names_it() -> None:
    dark = FoundNic(name="eth9", mac="02:00:00:00:00:09", link=False)
    assert (await Network().run(world(nics=(NIC, dark)))).verdict is Verdict.PASS
    pinned = await Network().run(world(nics=(NIC, dark), pins=(ExpectedNic(mac=dark.mac),)))
    assert pinned.verdict is Verdict.FAIL
    absent = await Network().run(world(pins=(ExpectedNic(mac="02:00:00:00:00:99"),)))
    assert absent.verdict is Verdict.FAIL


async def test_no_card_with_a_link_at_all_is_an_error_of_its_own_cell() -> None:
    outcome = await Network().run(world(nics=()))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.cells[0].component == "nic:any"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["busy", "refused", "closed-in-the-queue"])
async def test_a_server_that_is_busy_or_gone_is_asked_again_and_is_never_the_hosts_fault(
    release: str, name: str
) -> None:
    deps = world(release, tools=(iperf(release, name, elapsed_s=0.1),))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert len(deps.argvs("iperf3")) == 8  # four tries each way, and nothing is paced of what was never carried
    once = world(release, tools=(iperf(release, name, elapsed_s=0.1, times=2),))
    assert (await Network().run(once)).verdict is Verdict.PASS


@pytest.mark.parametrize("words", ["as recorded", "reset"])
async def test_a_server_that_dies_in_the_middle_is_tried_once_more_and_is_our_error(words: str) -> None:
    row = json.loads(tool_text("debian12", "iperf3/server-died"))
    if words == "reset":
        row["error"] = json.loads(tool_text("debian12", "iperf3/closed-in-the-queue"))["error"]
    deps = world(tools=(Says("iperf3 -c", stdout=json.dumps(row), exit_code=1),))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert len(deps.argvs("iperf3")) == 4
    once = world(tools=(Says("iperf3 -c", stdout=json.dumps(row), exit_code=1, times=1),))
    assert (await Network().run(once)).verdict is Verdict.PASS
    assert any("next try" in text for _, text in once.logs)


async def test_a_client_that_hangs_is_ended_from_outside() -> None:
    deps = world(tools=(Says("iperf3", elapsed_s=10_000),))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert all(call.limit_s == 32 for call in deps.calls if call.argv[0] == "iperf3")
    assert "deadline" in outcome.reason


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row["end"]["sum_received"].update(bytes=0), "carried nothing"),
        (lambda row: row["end"]["sum_sent"].update(seconds=0.5), "carried for 0.5 s of 2 s"),
        (lambda row: row["start"]["test_start"].update(num_streams=4), "used 4 streams"),
        (lambda row: row["end"].clear(), "carried nothing"),
        (lambda row: row["end"]["sum_received"].update(bytes=10**15), "the kernel counted"),
    ],
)
async def test_iperf3_is_believed_only_for_what_it_carried(change: Change, words: str) -> None:
    row = json.loads(tool_text("debian12", "iperf3/forward"))
    change(row)
    outcome = await Network().run(world(tools=(Says(lambda argv: argv[0] == "iperf3" and not {"--reverse", "-b"} & {*argv},
                                                    stdout=json.dumps(row), elapsed_s=2.0),)))  # fmt: skip
    assert outcome.verdict is Verdict.ERROR
    assert words in outcome.reason


async def test_good_words_at_once_are_refused_because_no_time_went_by() -> None:
    outcome = await Network().run(world(tools=(iperf("debian12", "forward", elapsed_s=0.1),)))
    assert outcome.verdict is Verdict.ERROR
    assert "ended after 0.1 s" in outcome.reason


@pytest.mark.parametrize(
    ("words", "name", "way"), [("iperf3 -b", "forward", "to server"), ("iperf3 --reverse -b", "reverse", "from server")]
)
async def test_loss_at_a_gentle_pace_fails_the_card_and_names_the_direction(words: str, name: str, way: str) -> None:
    def only_this(argv: tuple[str, ...]) -> bool:
        return argv[0] == "iperf3" and "-b" in argv and ("--reverse" in argv) == ("--reverse" in words)

    deps = world(tools=(Says(only_this, stdout=paced(name, 690), elapsed_s=2.0),))
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.FAIL
    assert f"{way}, paced: a flow of 200 Mb/s" in outcome.reason and "eth7" in outcome.reason
    assert "lost 2.00%, 2.00%, 2.00% of its segments, limit 0.5%" in outcome.reason
    assert len([argv for argv in deps.argvs("iperf3") if only_this(argv)]) == 3
    other = "from server, paced" if way == "to server" else "to server, paced"
    assert other not in outcome.reason


async def test_a_stage_tells_what_a_crowd_on_the_way_would_explain() -> None:
    lossy = Says(lambda argv: "-b" in argv and "--reverse" not in argv, stdout=paced("forward", 690), elapsed_s=2.0)
    assert (await Network().run(world(tools=(lossy,)))).data == {BY_THE_WAY: [COMPONENT]}
    grown: dict[str, Text] = {f"{STATISTICS}/rx_crc_errors": ["3\n", "5\n"]}
    assert (await Network().run(world(tools=(lossy,), more=grown))).data == {BY_THE_WAY: []}
    assert (await Network().run(world())).data == {BY_THE_WAY: []}


async def test_loss_that_is_over_in_a_later_try_is_told_and_accuses_nobody() -> None:
    lossy = Says(
        lambda argv: "-b" in argv and "--reverse" not in argv, stdout=paced("forward", 690), elapsed_s=2.0, times=2
    )
    outcome = await Network().run(world(tools=(lossy,)))
    assert outcome.verdict is Verdict.PASS
    assert any("2.00% of the segments were lost at first" in each.text for each in outcome.findings)


@pytest.mark.parametrize("sent_again", [0, 19, 172])
async def test_a_stray_segment_is_no_loss(sent_again: int) -> None:
    deps = world(tools=(Says(lambda argv: "-b" in argv, stdout=paced("forward", sent_again), elapsed_s=2.0),))
    deps.tools.insert(0, gentle("iperf3 --reverse -b", "reverse"))
    assert (await Network().run(deps)).verdict is Verdict.PASS
    assert len(deps.argvs("iperf3")) == 4


async def test_what_this_host_was_too_slow_to_take_in_is_no_loss_of_the_link() -> None:
    def missed(now_s: float) -> str:
        return f"{round(now_s * 400)}\n"

    lossy = Says("iperf3 --reverse -b", stdout=paced("reverse", 690), elapsed_s=2.0)
    outcome = await Network().run(world(tools=(lossy,), more={f"{STATISTICS}/rx_missed_errors": missed}))
    assert outcome.verdict is Verdict.ERROR
    assert "this host itself was too slow" in outcome.reason


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (paced("forward", 0, mb_s=0.5), "sent 86 segments, too few"),
        (paced("forward", 0, mb_s=900), "asked for 200 Mb/s and sent 900 Mb/s"),
        (paced("forward", 0).replace('"retransmits": 0', '"again": 0'), "does not tell how many segments"),
    ],
)
async def test_a_pace_that_proves_nothing_is_our_error(said: str, words: str) -> None:
    lossy = Says(lambda argv: "-b" in argv and "--reverse" not in argv, stdout=said, elapsed_s=2.0)
    outcome = await Network().run(world(tools=(lossy,)))
    assert outcome.verdict is Verdict.ERROR
    assert words in outcome.reason


async def test_the_pace_is_a_fraction_of_what_the_link_just_carried() -> None:
    deps = world()
    await Network().run(deps)
    assert {argv[argv.index("-b") + 1] for argv in deps.argvs("iperf3") if "-b" in argv} == {"200M"}
    slow = world(tools=(gentle("iperf3 --reverse -b", "reverse", mb_s=15), gentle("iperf3 -b", "forward", mb_s=15),
                        gentle("iperf3 --reverse", "reverse", mb_s=100), gentle("iperf3", "forward", mb_s=100)),
                 pins=(ExpectedNic(mac=MAC, floor_mb_s=90),))  # fmt: skip
    assert (await Network().run(slow)).verdict is Verdict.PASS
    assert {argv[argv.index("-b") + 1] for argv in slow.argvs("iperf3") if "-b" in argv} == {"15M"}


async def test_segments_with_a_wrong_checksum_fail_the_card() -> None:
    def snmp(bad: int) -> str:
        return f"Tcp: InSegs MaxConn InCsumErrors\nTcp: 9 -1 {bad}\n"

    spoiled = await Network().run(world(more={"/proc/net/snmp": [snmp(3), snmp(14)]}))
    assert (spoiled.verdict, "tcp_bad_checksums grew by 11" in spoiled.reason) == (Verdict.FAIL, True)
    stray = await Network().run(world(more={"/proc/net/snmp": [snmp(3), snmp(13)]}))
    assert stray.verdict is Verdict.PASS


async def test_a_card_that_the_spec_leaves_out_is_skipped_in_its_words() -> None:
    other = FoundNic(name="eth8", mac="02:00:00:00:00:08", link=True)
    pins = (ExpectedNic(mac="02-00-00-00-00-08", untested="carries tagged traffic alone"),)
    deps = world(nics=(NIC, other), pins=pins)
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.PASS
    assert {each.component: each.verdict for each in outcome.cells}["nic:02:00:00:00:00:08"] is Verdict.SKIP
    assert any("carries tagged traffic alone" in each.reason for each in outcome.cells)
    assert Network().planned_s(deps.job) == Network().planned_s(world().job)


async def test_a_spec_that_leaves_out_every_card_has_nothing_measured() -> None:
    outcome = await Network().run(world(pins=(ExpectedNic(mac=MAC, untested="why not"),)))
    assert outcome.verdict is Verdict.ERROR
    assert "nothing was measured" in outcome.reason and "why not" in outcome.reason


async def test_segments_sent_again_and_again_are_told_and_accuse_nobody() -> None:
    for retransmits, told in ((100, False), (7000, True), (70_000, True)):
        row = json.loads(tool_text("debian12", "iperf3/forward"))
        row["end"]["sum_sent"]["retransmits"] = retransmits
        said = Says(
            lambda argv: argv[0] == "iperf3" and not {"--reverse", "-b"} & {*argv},
            stdout=json.dumps(row),
            elapsed_s=2.0,
        )
        outcome = await Network().run(world(tools=(said,)))
        assert outcome.verdict is Verdict.PASS
        assert bool(outcome.findings) is told


@pytest.mark.parametrize("changes", [{"iperf_port": 0}, {"iperf_host": ""}])
async def test_without_a_server_nothing_is_tested(changes: dict[str, Any]) -> None:
    outcome = await Network().run(world(**changes))
    assert outcome.verdict is Verdict.ERROR
    assert "no iperf3 server" in outcome.reason


async def test_without_an_inventory_nothing_is_known_to_test() -> None:
    assert (await Network().run(world(inventory=None))).verdict is Verdict.ERROR


async def test_a_missing_iperf3_is_an_error_and_a_missing_ip_too() -> None:
    deps = world()
    deps.tools = [each for each in deps.tools if "iperf3" not in str(each.words)]
    outcome = await Network().run(deps)
    assert outcome.verdict is Verdict.ERROR
    assert "'iperf3' is not installed" in outcome.reason
    deps = world()
    deps.tools = [each for each in deps.tools if "ip -j" not in str(each.words)]
    with pytest.raises(ToolMissing):
        await Network().run(deps)


def test_the_plan_counts_every_card_twice() -> None:
    assert Network().planned_s(world().job) == 4
    assert Network().planned_s(world(nics=(NIC, replace(NIC, mac="02:00:00:00:00:08"))).job) == 8
    assert Network().planned_s(world(iperf_host="127.0.0.1").job) == 4
    assert Network().limit_s(world().job) > 60


LINK = ethtool.Link(
    name="eth0", speed_mb_s=10000, full_duplex=True, autonegotiation=True, detected=True, port="FIBRE",
    supported_mb_s=(1000, 10000), partner_mb_s=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "pinned", "trouble", "remark"),
    [
        ({}, 0, "", ""),
        ({"speed_mb_s": 1000}, 0, "capable of 10000", ""),
        ({"speed_mb_s": 1000, "partner_mb_s": (100, 1000)}, 0, "", "the other end offers no more than 1000"),
        ({"speed_mb_s": 100, "partner_mb_s": (100, 1000)}, 0, "capable of 10000", ""),
        ({"speed_mb_s": 1000}, 1000, "", ""),
        ({"speed_mb_s": None}, 1000, "unknown Mb/s, expected 1000", ""),
        ({"full_duplex": False}, 0, "half duplex", ""),
        ({"detected": False}, 0, "lost its link", ""),
    ],
)
def test_a_link_is_judged_by_what_card_and_partner_can(
    changes: dict[str, Any], pinned: int, trouble: str, remark: str
) -> None:
    found = link_trouble(replace(LINK, **changes), pinned)
    assert all(
        words in said and bool(words) == bool(said) for words, said in zip((trouble, remark), found, strict=True)
    )


def test_frames_that_the_host_was_too_slow_for_accuse_no_card() -> None:
    before = {"rx_errors": 0, "rx_missed_errors": 0, "ethtool.rx_crc_errors_phy": 0}
    assert errors_grown(before, {**before, "rx_errors": 5, "rx_missed_errors": 5}) == []
    assert errors_grown(before, {**before, "rx_errors": 6, "rx_missed_errors": 5}) == ["rx_errors grew by 6"]
    assert errors_grown(before, {**before, "ethtool.rx_crc_errors_phy": 1}) == ["ethtool.rx_crc_errors_phy grew by 1"]
