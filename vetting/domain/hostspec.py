"""What a host is and what it should consist of: identity, expected disks, limits of its class.

The expected spec is written by people (YAML, per host or class); what was found is `vetting.domain.inventory`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a machine says it is. Unknown parts are empty. Compared at the claim with the record."""

    smbios_uuid: str = ""
    system_serial: str = ""
    board_serial: str = ""
    macs: tuple[str, ...] = ()  # lower case, sorted
    disk_serials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDisk:
    """A disk that the host should have. Only disks listed here, by serial, are ever tested destructively."""

    serial: str
    wwn: str = ""
    model: str = ""
    size_bytes: int = 0  # 0: not pinned
    kind: str = "disk"  # "disk", or "scratch": a loop device that `vetting try` made for itself
    path: str = ""  # scratch only: its backing file
    write: bool = (
        True  # False: health is checked, nothing is ever written (`vetting try` lists the machine's own disks so)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedNic:
    mac: str
    name: str = ""
    speed_mb_s: int = 0  # megabits per second; 0: not pinned
    floor_mb_s: int = 0  # megabits per second that iperf3 must reach; 0: by the profile's fraction of the link speed
    neighbour: str = ""  # LLDP "switch port"
    untested: str = (
        ""  # why no test shall run through this card, which is then skipped in these words; empty: it is tested
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwarePin:
    """A version that a component must have: `identifier` names one (`nvme:S4XYZ`), `*` fans out over the component kind."""

    component: str  # bios, bmc, nic, nvme, disk, hba, gpu, microcode
    identifier: str = "*"
    version: str
    at_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLimit:
    """A floor or ceiling of what a stage concludes with. All parts that `component` and `like` name must keep it; one that was
    not measured is an ERROR (`vetting.domain.pins`)."""

    stage: str
    series: str  # glob over the names of measurements, such as disk.*.fio.iops
    value: float
    unit: str = ""  # as the measurement has it; empty: whatever it is
    component: str = "*"  # glob, such as disk:* or nic:52:54:00:12:34:56
    like: str = "*"  # glob over what makes parts alike: the disk's model and size, the card's driver and speed
    profile: str = ""  # only in runs of this profile; empty: in all
    tool: str = ""  # program and version that it was measured with; another one measured something else

    @property
    def what(self) -> tuple[str, ...]:
        """What is limited: of two limits of the same only one counts."""
        return (self.stage, self.series, self.component, self.like, self.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSpec:
    """Everything pinned about a host; an empty value is not pinned and not compared."""

    manufacturer: str = ""
    product: str = ""
    system_serial: str = ""
    cpu_model: str = ""
    cpu_sockets: int = 0
    cpu_threads: int = 0
    memory_bytes: int = 0
    dimm_count: int = 0
    dimm_serials: tuple[str, ...] = ()
    disks: tuple[ExpectedDisk, ...] = ()
    nics: tuple[ExpectedNic, ...] = ()
    gpu_count: int | None = None
    gpu_models: tuple[str, ...] = ()
    psu_count: int | None = None
    firmware: tuple[FirmwarePin, ...] = ()
    max_temp_c: float = 0.0  # 0: the thresholds' default
    disk_iops_floor: int = 0
    disk_p99_ceiling_ms: float = 0.0
    floors: tuple[MeasuredLimit, ...] = ()
    ceilings: tuple[MeasuredLimit, ...] = ()
    severities: dict[str, str] = field(default_factory=dict)  # field name -> critical | warning | info
