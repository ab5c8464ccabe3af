"""The configuration as frozen values. What stands here is what ships: `vetting.yaml` says the same, with comments.

Field names are the keys of the file. `_s` are seconds (the file may say "2h"), `_bytes` bytes ("4GiB").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from vetting.domain.hostspec import ExpectedSpec, MeasuredLimit
from vetting.domain.limits import seeded
from vetting.domain.outcome import Severity
from vetting.domain.profiles import SHIPPED, Profile
from vetting.domain.roles import Role
from vetting.domain.thresholds import Op, Threshold

EVENTS = ("RunStarted", "SpecMismatch", "StageFailed", "Hold", "RunCompleted", "HostLost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where people and machines reach the orchestrator, and where it keeps what it knows."""

    listen: str = "0.0.0.0"
    port: int = 8443
    public_url: str = ""  # empty: https://, the listening address and the port
    data_dir: str = "/var/lib/vetting"
    allowed_hosts: tuple[str, ...] = ()  # names and addresses accepted in Host headers beside our own


class BootMode(StrEnum):
    PROXY = "proxy"  # beside the site's own DHCP, which stays untouched
    DHCP = "dhcp"  # the only DHCP server of a network of its own


class LocalBoot(StrEnum):
    AUTO = "auto"  # BIOS: the first disk; UEFI: the next entry of the boot order
    EXIT = "exit"  # hand back to the firmware
    DISK = "disk"  # BIOS: the first disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """Booting hosts over the network: DHCP and TFTP by dnsmasq on one interface, everything else by plain HTTP.

    Without `interface` there is no dnsmasq; boot scripts and image are served all the same, for a site whose own DHCP
    points at us.
    """

    interface: str = ""
    mode: BootMode = BootMode.PROXY
    address: str = ""  # ours, on that interface; empty: its first IPv4 address
    http_port: int = 8480
    dhcp_range: str = ""  # mode dhcp alone: 10.0.0.100-10.0.0.199
    gateway: str = ""  # mode dhcp alone
    dns: tuple[str, ...] = ()  # mode dhcp alone
    lease_s: float = 3600.0
    image_dir: str = ""  # empty: the folder `image` beside this program
    local_boot: LocalBoot = LocalBoot.AUTO  # what a host without an active run is told
    routed: bool = False  # hosts ask from behind a router: their addresses cannot be compared with their MACs
    kernel_args: str = ""  # more words for the image's kernel, such as console=ttyS1,115200


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """People at their browsers: how long a sign-in lasts, and whether a reverse proxy may say who somebody is."""

    session_idle_s: float = 12 * 3600.0  # nothing asked for so long: signed out
    session_limit_s: float = 7 * 86400.0  # signed out in any case
    proxy_header: str = ""  # the request header that names the person, such as Remote-User; empty: nobody tells us
    proxy_addresses: tuple[str, ...] = ()  # addresses and networks (CIDR) of the proxies that may send it
    proxy_role: Role = Role.VIEWER  # of everybody whom the proxy names
    proxy_operators: tuple[str, ...] = ()  # but these are operators


@dataclass(frozen=True, slots=True, kw_only=True)
class Netconsole:
    """Where the live image's kernel sends its last words, by UDP; 0 switches it off."""

    port: int = 6666


@dataclass(frozen=True, slots=True, kw_only=True)
class Iperf:
    """The pool of ports: one iperf3 server for each run that is on."""

    bind: str = "0.0.0.0"
    host: str = ""  # the address told to the agents; empty: that of server.public_url
    ports: range = range(5201, 5233)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How long a silent host is waited for stands in the profile (`lost_after_s`)."""

    interval_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may take and how many may be on."""

    max_destructive: int = 4  # runs that may write to disks at the same time
    max_reboots: int = 1  # installed hosts that are on their way down at the same time
    dispatch_s: float = 1800.0  # from the command to reboot until the image claims the run
    by_hand_s: float = 86400.0  # the same where a person boots the host
    repeat_times: int = 10  # after a repair: passes of the test that failed before it, at most
    repeat_s: float = 86400.0  # and what those beyond the first may take in all


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClass:
    """Floors and severities of all hosts whose pinned product matches the glob; the host's own spec goes first."""

    product: str
    max_temp_c: float = 0.0
    disk_iops_floor: int = 0
    disk_p99_ceiling_ms: float = 0.0
    floors: tuple[MeasuredLimit, ...] = ()
    ceilings: tuple[MeasuredLimit, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Whom to tell: an Apprise address and the events that it wants, all of them where none is named."""

    name: str
    url: str
    events: tuple[str, ...] = EVENTS


SHARED_THRESHOLDS: tuple[Threshold, ...] = (
    Threshold(series="temp.*", op=Op.AT_MOST, limit=95.0),
    # Drives give up early; the note is for a person, the limit of the host stands above.
    Threshold(series="temp.drivetemp.*", op=Op.AT_MOST, limit=65.0, severity=Severity.WARNING, required=False),
    Threshold(series="temp.nvme.*", op=Op.AT_MOST, limit=80.0, severity=Severity.WARNING, required=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    server: Server = field(default_factory=Server)
    boot: Boot = field(default_factory=Boot)
    console: Console = field(default_factory=Console)
    netconsole: Netconsole = field(default_factory=Netconsole)
    iperf: Iperf = field(default_factory=Iperf)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    limits: Limits = field(default_factory=Limits)
    thresholds: tuple[Threshold, ...] = SHARED_THRESHOLDS
    profiles: Mapping[str, Profile] = field(default_factory=lambda: dict(SHIPPED))
    classes: Mapping[str, HostClass] = field(default_factory=dict)
    notify: tuple[Channel, ...] = ()

    def thresholds_for(self, spec: ExpectedSpec) -> tuple[Threshold, ...]:
        """The thresholds that a run of this host is seeded with."""
        return seeded(self.thresholds, self.expected(spec))

    def expected(self, spec: ExpectedSpec) -> ExpectedSpec:
        """A host's spec with what its class says where the spec itself says nothing; the first matching class counts."""
        name = self.class_named(spec)
        return _merged(spec, self.classes[name]) if name else spec

    def class_named(self, spec: ExpectedSpec) -> str:
        """The name of the first class that matches the spec's product; empty where none does."""
        matches = (
            name for name, one in self.classes.items() if spec.product and fnmatchcase(spec.product, one.product)
        )
        return next(matches, "")

    def notify_channels(self, event: str) -> tuple[str, ...]:
        """Names of the channels that want to hear of an event."""
        return tuple(channel.name for channel in self.notify if event in channel.events)


def _merged(spec: ExpectedSpec, one: HostClass) -> ExpectedSpec:
    names = {item.name for item in fields(one)} - {"product", "severities", "floors", "ceilings"}
    unset = {name: getattr(one, name) for name in names if not getattr(spec, name)}
    return replace(
        spec,
        **unset,
        severities={**one.severities, **spec.severities},
        floors=_joined(spec.floors, one.floors),
        ceilings=_joined(spec.ceilings, one.ceilings),
    )


def _joined(own: tuple[MeasuredLimit, ...], shared: tuple[MeasuredLimit, ...]) -> tuple[MeasuredLimit, ...]:
    """The host's own, and those of its class that limit something else."""
    said = {limit.what for limit in own}
    return (*own, *(limit for limit in shared if limit.what not in said))
