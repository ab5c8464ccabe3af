"""vetting.yaml: what ships, and every mistake told at once with its key path and line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting import config
from vetting.config import Config, ConfigErrors, HostClass, Mistake
from vetting.config.document import LARGEST_BYTES
from vetting.config.rules import RULES
from vetting.domain.errors import BadInput
from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.profiles import DEEP, QUICK, SOAK, SelfTest, shortfalls
from vetting.domain.roles import Role
from vetting.domain.thresholds import Op


def mistakes(text: str | bytes) -> dict[str, tuple[int, str]]:
    """Key path -> (line, text) of every mistake; there is at least one."""
    with pytest.raises(ConfigErrors) as caught:
        config.loads(text)
    assert caught.value.exit_code == 2
    return {one.path: (one.line, one.text) for one in caught.value.mistakes}


def only(text: str | bytes) -> tuple[str, int, str]:
    """The path, line and words of the one mistake that there is."""
    ((path, (line, words)),) = mistakes(text).items()
    return path, line, words


def test_the_example_file_says_exactly_what_ships(repository: Path) -> None:
    assert config.load(repository / "vetting.yaml") == Config()


def test_the_example_file_names_every_key_that_there_is(repository: Path) -> None:
    text = (repository / "vetting.yaml").read_text(encoding="utf-8")

    def keys(kind: type) -> set[str]:
        found = set()
        for item in fields(kind):
            found.add(item.name)
            default = getattr(kind(), item.name, None) if item.name != "name" else None
            if is_dataclass(default) and not isinstance(default, type):
                found |= keys(type(default))
        return found

    names = keys(Config) | {item.name for item in fields(HostClass)}
    names |= {
        item.name for section in (QUICK.smart, QUICK.cpu_stress, QUICK.storage, QUICK.burn) for item in fields(section)
    }
    assert not sorted(name for name in names if f"{name}:" not in text)


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "{}", "profiles:\nnotify:\nthresholds: \nclasses:"])
def test_what_a_file_leaves_out_is_as_shipped(text: str) -> None:
    got = config.loads(text)
    assert replace(got, thresholds=Config().thresholds) == Config()


def test_the_values_alone_are_cheap_to_import() -> None:
    code = "import sys, vetting.config; print({'yaml', 'msgspec', 'asyncio'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


# --- everything at once -------------------------------------------------------------------------------------------

WRONG = """\
server: {port: 99999, lisen: 1.2.3.4, data_dir: var, listen: everywhere}
iperf: {ports: 8400-8500}
heartbeat:
  interval_s: yes
thresholds:
  - {series: "Temp.*", op: "<=", limit: 95}
  - {series: "temp.*", op: "=<", limit: .nan, stages: [CpuStress]}
profiles:
  mine:
    base: dep
    cpu_stress: {cpu_s: 2 hours, cpu: 1}
    drop: [Bur, Inventory]
  a: {base: b}
  b: {base: a}
classes:
  x: {severities: {disc: critical}}
notify: [{name: a, url: foo, events: [Holding]}]
nonsense: 1
"""


PROXY = "console: {{proxy_addresses: [127.0.0.1, 'FD00::/64'], {}}}"
DHCP = "boot: {{mode: dhcp, interface: br0, {}}}"


def test_every_mistake_is_told_at_once_with_its_key_path_and_line() -> None:
    found = mistakes(WRONG)
    lines = {path: line for path, (line, _) in found.items()}
    assert lines == {
        "server.port": 1,
        "server.lisen": 1,
        "server.data_dir": 1,
        "server.listen": 1,
        "iperf.ports": 2,
        "boot.http_port": 2,
        "heartbeat.interval_s": 4,
        "thresholds[0].series": 6,
        "thresholds[1].op": 7,
        "thresholds[1].limit": 7,
        "thresholds[1].stages": 7,
        "profiles.mine.base": 10,
        "profiles.mine.cpu_stress.cpu_s": 11,
        "profiles.mine.cpu_stress.cpu": 11,
        "profiles.mine.drop": 12,
        "profiles.b.base": 14,
        "classes.x.product": 16,
        "classes.x.severities": 16,
        "notify[0].url": 17,
        "notify[0].events": 17,
        "nonsense": 18,
    }


def test_the_error_lists_a_line_for_each_and_says_that_nothing_was_started() -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.loads(WRONG, "/etc/vetting/vetting.yaml")
    head, *rest = str(caught.value).splitlines()
    assert head == f"/etc/vetting/vetting.yaml has {len(rest)} mistakes; nothing was started"
    assert rest[0].startswith("  /etc/vetting/vetting.yaml:1: server.")
    assert [one.line for one in caught.value.mistakes] == sorted(one.line for one in caught.value.mistakes)


# --- one by one ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "line", "words"),
    [
        ("servr: {}", "servr", 1, "did you mean server?"),
        ("server:\n  prt: 1", "server.prt", 2, "did you mean port?"),
        ("server: [1]", "server", 1, "must be a section"),
        ("server: 8443", "server", 1, "must be a section"),
        ("server: {port: '8443'}", "server.port", 1, "must be a whole number"),
        ("server: {port: 84.43}", "server.port", 1, "must be a whole number"),
        ("server: {port: true}", "server.port", 1, "must be a whole number"),
        ("server: {port: 0}", "server.port", 1, "between 1 and 65535"),
        ("server: {listen: localhost}", "server.listen", 1, "must be an IP address"),
        ("server: {public_url: 'http://x'}", "server.public_url", 1, "https://"),
        ("server: {public_url: 'https://a:99999'}", "server.public_url", 1, "https://"),
        ("server: {public_url: 'https://a/b?c'}", "server.public_url", 1, "https://"),
        ("server: {data_dir: no}", "server.data_dir", 1, "must be text"),
        ("server: {data_dir: 'a\\nb'}", "server.data_dir", 1, "absolute path"),
        ('server: {data_dir: "/a\\nb"}', "server.data_dir", 1, "control characters"),
        ("server: {allowed_hosts: vetting}", "server.allowed_hosts", 1, "must be a list"),
        ("server: {allowed_hosts: ['a/b']}", "server.allowed_hosts", 1, "host name or address"),
        ("iperf: {ports: 5300-5201}", "iperf.ports", 1, "lower to a higher"),
        ("iperf: {ports: some}", "iperf.ports", 1, "5201-5232"),
        ("iperf: {ports: 8443}", "iperf.ports", 1, "overlap"),
        ("server: {port: 5201}", "iperf.ports", 1, "overlap"),
        ("iperf: {host: 'a b'}", "iperf.host", 1, "host name"),
        ("heartbeat: {interval_s: 0.1}", "heartbeat.interval_s", 1, "between 1 and 60"),
        ("heartbeat: {interval_s: .inf}", "heartbeat.interval_s", 1, "finite"),
        ("boot: {interface: 'eth0,eth1'}", "boot.interface", 1, "name of a network interface"),
        ("boot: {interface: br0 eth1}", "boot.interface", 1, "name of a network interface"),
        ("boot: {interface: an-interface-of-17}", "boot.interface", 1, "name of a network interface"),
        ("boot: {mode: relay}", "boot.mode", 1, "proxy, dhcp"),
        ("boot: {address: 10.0.0.1/24}", "boot.address", 1, "IPv4 address"),
        ("boot: {address: '::1'}", "boot.address", 1, "IPv4 address"),
        ("boot: {address: 0.0.0.0}", "boot.address", 1, "of one machine"),
        ("boot: {http_port: 8443}", "boot.http_port", 1, "taken by server.port"),
        ("iperf:\n  ports: 8470-8480", "boot.http_port", 2, "taken by iperf.ports"),
        ("boot: {image_dir: image}", "boot.image_dir", 1, "absolute"),
        ("boot: {local_boot: disc}", "boot.local_boot", 1, "auto, exit, disk"),
        ("boot: {lease_s: 60}", "boot.lease_s", 1, "between 120"),
        ("boot: {kernel_args: 'a=${mac}'}", "boot.kernel_args", 1, "a sign that cannot"),
        ("boot: {kernel_args: 'a || shell'}", "boot.kernel_args", 1, "a sign that cannot"),
        ("boot: {kernel_args: \"a='b'\"}", "boot.kernel_args", 1, "a sign that cannot"),
        ('boot: {kernel_args: "a\\nb"}', "boot.kernel_args", 1, "one line"),
        ("boot: {kernel_args: 'quiet vetting.ticket=x'}", "boot.kernel_args", 1, "set by vetting itself"),
        ("boot: {kernel_args: 'initrd=x'}", "boot.kernel_args", 1, "set by vetting itself"),
        ("boot: {gateway: 10.0.0.254}", "boot.gateway", 1, "mode dhcp alone"),
        ("boot: {dns: [10.0.0.254]}", "boot.dns", 1, "mode dhcp alone"),
        ("boot: {dhcp_range: 10.0.0.9-10.0.0.99}", "boot.dhcp_range", 1, "mode dhcp alone"),
        ("boot: {mode: dhcp, interface: br0}", "boot.dhcp_range", 1, "is needed in mode dhcp"),
        ("boot: {mode: dhcp, dhcp_range: 10.0.0.9-10.0.0.99}", "boot.interface", 1, "is needed in mode dhcp"),
        (DHCP.format("dhcp_range: 10.0.0.99-10.0.0.9"), "boot.dhcp_range", 1, "lower to a higher"),
        (DHCP.format("dhcp_range: 10.0.0.9/24"), "boot.dhcp_range", 1, "two IPv4 addresses"),
        (DHCP.format("dhcp_range: 10.0.0.0-10.9.0.0"), "boot.dhcp_range", 1, "65536 are the most"),
        (DHCP.format("dhcp_range: 10.0.0.9-10.0.0.99, gateway: 10.0.0.9"), "boot.gateway", 1, "would be given to a host"),
        (DHCP.format("dhcp_range: 10.0.0.9-10.0.0.99, address: 10.0.0.99"), "boot.address", 1, "would be given to a host"),
        (DHCP.format("dhcp_range: 10.0.0.9-10.0.0.99, gateway: gw"), "boot.gateway", 1, "IPv4 address"),
        (DHCP.format("dhcp_range: 10.0.0.9-10.0.0.99, dns: [8.8.8.8, '']"), "boot.dns", 1, "must not be empty"),
        (DHCP.format("dhcp_range: 10.0.0.9-10.0.0.99, http_port: 0"), "boot.http_port", 1, "no host could boot"),
        ("console: {session_idle_s: 10s}", "console.session_idle_s", 1, "between 300"),
        ("console: {session_limit_s: 2 weeks}", "console.session_limit_s", 1, "duration"),
        ("console: {proxy_header: Remote-User}", "console.proxy_header", 1, "needs console.proxy_addresses"),
        ("console:\n  proxy_header: Remote-User\n  proxy_addresses: []", "console.proxy_header", 2, "proxy_addresses"),
        ("console: {proxy_addresses: [127.0.0.1]}", "console.proxy_addresses", 1, "does nothing without proxy_header"),
        ("console: {proxy_operators: [ann]}", "console.proxy_operators", 1, "does nothing without proxy_header"),
        (PROXY.format("proxy_header: 'Remote User'"), "console.proxy_header", 1, "request header"),
        (PROXY.format("proxy_header: Cookie"), "console.proxy_header", 1, "the proxy alone sets"),
        (PROXY.format("proxy_header: X, proxy_operators: ['a b']"), "console.proxy_operators", 1, "is no name"),
        (PROXY.format("proxy_header: X, proxy_role: admin"), "console.proxy_role", 1, "viewer, operator"),
        ("console: {proxy_header: X, proxy_addresses: [proxy]}", "console.proxy_addresses", 1, "addresses or networks"),
        ("console: {proxy_header: X, proxy_addresses: [10.0.0.1/8]}", "console.proxy_addresses", 1, "10.0.0.0/8"),
        ("console: {proxy_header: X, proxy_addresses: ['::/0']}", "console.proxy_addresses", 1, "is everybody"),
        ("limits: {max_destructive: -1}", "limits.max_destructive", 1, "between 1"),
        ("limits: {dispatch_s: 1 fortnight}", "limits.dispatch_s", 1, "duration"),
        ("thresholds: {a: 1}", "thresholds", 1, "must be a list"),
        ("thresholds:\n- {series: 'temp.*', limit: 9}", "thresholds[0].op", 2, "is missing"),
        ("thresholds:\n- {series: 'temp.*', op: '<=', limit: .inf}", "thresholds[0].limit", 2, "finite"),
        ("thresholds:\n- {series: 'tmp.*', op: '<=', limit: 9}", "thresholds[0].series", 2, "can match no series"),
        ("thresholds:\n- {series: 'temp.*', op: '<=', limit: 9, stages: [Burm]}", "thresholds[0].stages", 2, "Burn"),
        ("thresholds:\n- {series: 'temp.*', op: '<=', limit: 9, hold_samples: 0}", "thresholds[0].hold_samples", 2, "1"),
        ("profiles: {mine: {base: deeep}}", "profiles.mine.base", 1, "did you mean deep?"),
        ("profiles: {mine: {drop: [Brn]}}", "profiles.mine.drop", 1, "did you mean Burn?"),
        ("profiles: {mine: {drop: [Burn, Burn]}}", "profiles.mine.drop", 1, "twice"),
        ("profiles: {mine: {drop: [Reporting]}}", "profiles.mine.drop", 1, "cannot be left out"),
        ("profiles: {mine: {name: other}}", "profiles.mine.name", 1, "its key"),
        ("profiles: {Mine: {}}", "profiles.Mine", 1, "a-z"),
        ("profiles: {mine: {base: mine}}", "profiles.mine.base", 1, "circle"),
        ("profiles: {mine: {smart: {self_test: brief}}}", "profiles.mine.smart.self_test", 1, "none, short, long"),
        ("profiles: {mine: {burn: {mem_pct: 99}}}", "profiles.mine.burn.mem_pct", 1, "between 1 and 90"),
        ("profiles: {mine: {storage: {sample_bytes: 4 gigs}}}", "profiles.mine.storage.sample_bytes", 1, "size"),
        ("profiles: {mine: {network: {seconds: -1}}}", "profiles.mine.network.seconds", 1, "between 0"),
        ("profiles: {mine: {burn: {fio_on_spare: 1}}}", "profiles.mine.burn.fio_on_spare", 1, "true or false"),
        ("profiles: {mine: {lost_after_s: 25}}", "profiles.mine.lost_after_s", 1, "3 heartbeats"),
        ("profiles: [deep]", "profiles", 1, "section"),
        ("profiles: {mine: 7}", "profiles.mine", 1, "section"),
        ("classes: {x: {product: ''}}", "classes.x.product", 1, "empty"),
        ("classes: {x: {product: R650, severities: {disc: info}}}", "classes.x.severities", 1, "no field"),
        ("classes: {x: {product: R650, severities: {psu_count: bad}}}", "classes.x.severities", 1, "critical"),
        ("notify: [{name: a, url: nobody}]", "notify[0].url", 1, "Apprise"),
        ("notify:\n- {name: a, url: 'ntfys://x'}\n- {name: a, url: 'ntfys://y'}", "notify[1].name", 3, "two channels"),
        ("server:\n  port: 1\n  port: 2", "server.port", 3, "first in line 2"),
        ("- 1", "", 1, "must be a section"),
        ("a: b: c", "", 1, "not YAML"),
        ("server: {port: 1", "", 2, "not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_to_do(text: str, path: str, line: int, words: str) -> None:
    got_path, got_line, got_words = only(text)
    assert (got_path, got_line) == (path, line)
    assert words in got_words


def test_a_network_of_our_own_needs_no_more_than_an_interface_and_a_range() -> None:
    boot = config.loads("boot: {mode: dhcp, interface: eth1, dhcp_range: 10.0.0.100 - 10.0.0.199}").boot
    assert (boot.interface, boot.dhcp_range, boot.gateway, boot.dns) == ("eth1", "10.0.0.100 - 10.0.0.199", "", ())


def test_a_proxy_that_signs_people_in_is_named_with_its_addresses() -> None:
    console = config.loads(PROXY.format("proxy_header: Remote-User, proxy_operators: [ann]")).console
    assert (console.proxy_addresses, console.proxy_operators) == (("127.0.0.1", "FD00::/64"), ("ann",))
    assert console.proxy_role is Role.VIEWER


@pytest.mark.parametrize("rule", sorted(RULES), ids=".".join)
def test_every_rule_watches_a_key_that_exists(rule: tuple[str, str]) -> None:
    from vetting.config import values
    from vetting.domain import hostspec, profiles, thresholds

    section, key = rule
    places = (values, profiles, thresholds, hostspec)
    (kind,) = {getattr(module, section) for module in places if hasattr(module, section)}
    assert key in {"", *(item.name for item in fields(kind))}


# --- profiles -----------------------------------------------------------------------------------------------------


def test_a_profile_stands_on_its_base_and_changes_what_it_names() -> None:
    mine = config.loads("profiles: {mine: {base: deep, cpu_stress: {cpu_s: 2h}}}").profiles["mine"]
    assert mine == replace(DEEP, name="mine", cpu_stress=replace(DEEP.cpu_stress, cpu_s=7200))
    assert shortfalls(mine) == ()


def test_a_profile_without_a_base_stands_on_quick_and_bases_may_come_later() -> None:
    got = config.loads("profiles: {a: {base: b}, b: {base: c, grace_s: 7}, c: {base: soak}}").profiles
    assert got["a"] == replace(SOAK, name="a", grace_s=7)
    assert config.loads("profiles: {mine: {}}").profiles["mine"] == replace(QUICK, name="mine")


def test_a_shipped_profile_may_be_changed_and_still_cannot_lower_what_vetted_means() -> None:
    quick = config.loads("profiles: {quick: {base: quick, burn: {seconds: 1}}}").profiles["quick"]
    assert quick.burn.seconds == 1
    assert shortfalls(quick) == ("burn 1 s instead of 120 s",)


def test_a_long_chain_of_bases_is_refused_and_does_not_break_us() -> None:
    chain = "".join(f"  p{n}: {{base: p{n + 1}}}\n" for n in range(5000))
    assert any("choose a nearer base" in words for _, words in mistakes(f"profiles:\n{chain}  p5000: {{}}").values())


# --- durations, sizes, texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("10min", 600),
        ("1d", 86400),
        ('"2 h"', None),
        ("1.5h", 5400),
    ],
)
def test_durations_are_seconds_however_they_are_written(written: str, seconds: int | None) -> None:
    text = f"profiles: {{mine: {{grace_s: {written}}}}}"
    if seconds is None:
        assert "duration" in only(text)[2]
    else:
        assert config.loads(text).profiles["mine"].grace_s == seconds


@pytest.mark.parametrize(
    ("written", "size"), [("4GiB", 4 * 2**30), ("512MB", 512 * 10**6), ("1.5 GiB", 3 * 2**29), ("1048576", 2**20)]
)
def test_sizes_are_bytes_however_they_are_written(written: str, size: int) -> None:
    assert (
        config.loads(f"profiles: {{m: {{storage: {{sample_bytes: {written}}}}}}}").profiles["m"].storage.sample_bytes
        == size
    )


def test_half_a_second_is_no_whole_number_of_seconds() -> None:
    assert "whole number" in only("profiles: {mine: {burn: {seconds: 1.5s}}}")[2]


def test_what_yaml_would_take_for_a_number_or_a_date_is_text_where_text_is_wanted() -> None:
    got = config.loads("classes: {x: {product: 2026-01-01}, y: {product: 0123}}")
    assert [one.product for one in got.classes.values()] == ["2026-01-01", "0123"]


def test_words_are_those_of_the_product() -> None:
    got = config.loads("profiles: {m: {smart: {self_test: long}}}\nthresholds: [{series: temp.*, op: '>=', limit: 1}]")
    assert got.profiles["m"].smart.self_test is SelfTest.LONG
    assert got.thresholds[0].op is Op.AT_LEAST


# --- hostile files ------------------------------------------------------------------------------------------------

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (LAUGHS, "aliases"),
        ("a: &x 1", "anchors"),
        ("!!python/object/apply:os.system [true]", "tags"),
        ("server: !!str x", "tags"),
        ("a: 1\n---\nb: 2", "second document"),
        ("[" * 100_000, "nested"),
        ("{a: " * 100_000, "nested"),
        ("a: " + "[" * 30 + "]" * 30, "nested"),
        (b"a: \xff\xfe", "UTF-8"),
        ("a: \x00", "not YAML"),
        ("? [a, b]\n: c", "plain word"),
        ("#" * (LARGEST_BYTES + 1), "the limit is"),
        ("%YAML 9", "not YAML"),
    ],
)
def test_a_hostile_file_is_refused_before_anything_is_built_from_it(raw: str | bytes, words: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.loads(raw)
    assert words in str(caught.value)


def test_a_file_of_nothing_but_aliases_does_not_fill_the_screen() -> None:
    with pytest.raises(ConfigErrors) as caught:
        config.loads("\n".join(f"k{n}: &a{n} 1" for n in range(5000)))
    assert len(caught.value.mistakes) == 20


def tried(text: str | bytes) -> tuple[Mistake, ...]:
    """The mistakes of a text: none where it is a configuration, at least one where it is refused."""
    try:
        got = config.loads(text)
    except ConfigErrors as errors:
        return errors.mistakes or (Mistake(0, "", ""),)
    assert isinstance(got, Config)
    return ()


@given(st.text(max_size=200))
def test_any_text_is_either_a_configuration_or_a_list_of_mistakes(text: str) -> None:
    assert all(one.line >= 1 and one.text for one in tried(text.encode("utf-8", "surrogatepass")))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["quick", "Burn", "<="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["base", "drop", "limit", "series", "op", "url", "name", "port", "burn", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([item.name for item in fields(Config)]), VALUES, max_size=4))
def test_any_values_at_any_key_are_either_taken_or_told(tree: dict[str, object]) -> None:
    import yaml

    assert all(one.line >= 1 and one.text for one in tried(yaml.safe_dump(tree, allow_unicode=True)))


# --- files --------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(BadInput, match="cannot read the configuration"):
            config.load(path)


def test_without_a_file_anywhere_it_is_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vetting.config import loading

    monkeypatch.setattr(loading, "PLACES", (tmp_path / "vetting.yaml",))
    assert config.load() == Config()
    (tmp_path / "vetting.yaml").write_text("server: {port: 9443}", encoding="utf-8")
    assert config.load().server.port == 9443


# --- what the values say ------------------------------------------------------------------------------------------


def test_floors_of_the_class_stand_beside_the_hosts_own_which_go_first() -> None:
    iops = MeasuredLimit(stage="Storage", series="disk.*.fio.iops", component="disk:*", value=100, unit="/s")
    written = """
classes:
  x:
    product: R650
    floors:
      - {stage: Storage, series: "disk.*.fio.iops", component: "disk:*", value: 40000, unit: /s}
      - {stage: Network, series: "net.*.to_server", value: 900, unit: Mb/s}
"""
    got = config.loads(written).expected(ExpectedSpec(product="R650", floors=(iops,)))
    assert [(limit.series, limit.value) for limit in got.floors] == [("disk.*.fio.iops", 100), ("net.*.to_server", 900)]
    with pytest.raises(ConfigErrors, match=r"classes\.x\.floors\[1\]: Network measures nothing"):
        config.loads(written.replace("net.*", "disk.*.fio"))


def test_a_class_fills_what_the_hosts_own_spec_leaves_open() -> None:
    got = config.loads(
        "classes:\n"
        "  r650: {product: PowerEdge R650*, max_temp_c: 80, disk_iops_floor: 100, severities: {disk.model: critical}}\n"
        "  all: {product: '*', max_temp_c: 70}\n"
    )
    spec = ExpectedSpec(product="PowerEdge R650xs", disk_iops_floor=500, severities={"disk.model": "info"})
    full = got.expected(spec)
    assert (full.max_temp_c, full.disk_iops_floor, full.severities) == (80, 500, {"disk.model": "info"})
    assert got.expected(ExpectedSpec(product="X1")).max_temp_c == 70
    assert got.expected(ExpectedSpec()) == ExpectedSpec()


def test_the_hosts_own_temperature_is_in_its_thresholds() -> None:
    (first, *_) = Config().thresholds_for(ExpectedSpec(max_temp_c=80.0))
    assert (first.series, first.limit) == ("temp.*", 80.0)


def test_a_channel_hears_what_it_asked_for() -> None:
    got = config.loads("notify: [{name: a, url: 'ntfys://x'}, {name: b, url: 'json://x', events: [Hold]}]")
    assert got.notify_channels("Hold") == ("a", "b")
    assert got.notify_channels("RunCompleted") == ("a",)
