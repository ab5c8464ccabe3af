"""The campaign's profiles: as short as an honest run can be, and which stages a row's run goes through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.campaign.fault import BOOT, Control, Fault
from tests.lab.settings import LAB, laid_over
from vetting.domain.states import STAGE_ORDER

# What CI runs each time: a healthy host (the lab's walks are two more), a disk, somebody's data, the record, the event log, a cable.
EACH_TIME = ("healthy-nvme", "medium-error-sata", "holds-lvm", "dimm-missing", "sel-memory", "link-cut")
ALWAYS = ("Inventory", "Firmware", "SpecValidate", "Reporting")
# A guest on a machine that is busy may not get its turn for a while: that is no silence of a host.
SHORT = laid_over(LAB, {"lost_after_s": 90, "grace_s": 300})
PROFILES: dict[str, dict[str, Any]] = {
    "campaign": SHORT,
    "campaign-soak": laid_over(SHORT, {"storage": {"cycles": 2}}),
}
# More hosts than the lab's range has addresses; a freed address is not given away again for an hour.
CHANGES: dict[str, Any] = {"boot": {"dhcp_range": "10.77.0.20-10.77.0.250"}}


def profile_of(fault: Fault, profile: str) -> str:
    return f"{profile}-{fault.name}"


def run_through(fault: Fault) -> tuple[str, ...]:
    """The stages of a fault's run: those that always run, the one at whose start it gets in, those that should catch it."""
    wanted = {*ALWAYS, *fault.stages, fault.expect.stage, *fault.expect.or_stages} | ({fault.at} - {"", BOOT})
    return tuple(name for name in STAGE_ORDER if name in wanted)


def profiles(faults: Iterable[Fault], controls: Iterable[Control]) -> dict[str, dict[str, Any]]:
    """The section of vetting.yaml: one profile for each run, as each leaves out what it does not need."""
    said = dict(PROFILES)
    for fault in faults:
        drop = [name for name in STAGE_ORDER if name not in run_through(fault)]
        for base in fault.profiles:
            said[profile_of(fault, base)] = laid_over(PROFILES[base], {**fault.knobs, "drop": drop})
    for control in controls:
        said[f"campaign-{control.name}"] = laid_over(PROFILES["campaign"], control.knobs)
    return said


def changes(faults: Iterable[Fault], controls: Iterable[Control]) -> dict[str, Any]:
    """What the orchestrator's configuration says beside the lab's."""
    return laid_over(CHANGES, {"profiles": profiles(faults, controls)})
