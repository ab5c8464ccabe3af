"""One row of a comparison, how much each field weighs, and what rows together ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vetting.domain.naming import known, plain
from vetting.domain.outcome import Severity, Verdict

SEVERITIES: Mapping[str, Severity] = {
    "manufacturer": Severity.WARNING,
    "product": Severity.CRITICAL,
    "system_serial": Severity.CRITICAL,
    "cpu_model": Severity.CRITICAL,
    "cpu_sockets": Severity.CRITICAL,
    "cpu_threads": Severity.CRITICAL,
    "cpu_threads.more": Severity.WARNING,
    "memory_bytes": Severity.CRITICAL,
    "memory_bytes.more": Severity.WARNING,
    "memory_usable": Severity.CRITICAL,
    "dimm_count": Severity.CRITICAL,
    "dimm_count.more": Severity.WARNING,
    "dimm.missing": Severity.CRITICAL,
    "dimm.extra": Severity.WARNING,
    "disk.missing": Severity.CRITICAL,
    "disk.extra": Severity.WARNING,
    "disk.twice": Severity.WARNING,
    "disk.size": Severity.CRITICAL,
    "disk.model": Severity.WARNING,
    "disk.wwn": Severity.CRITICAL,
    "nic.missing": Severity.CRITICAL,
    "nic.extra": Severity.INFO,
    "nic.speed": Severity.CRITICAL,
    "nic.neighbour": Severity.CRITICAL,
    "gpu_count": Severity.CRITICAL,
    "gpu_count.more": Severity.WARNING,
    "gpu_models": Severity.CRITICAL,
    "psu_count": Severity.CRITICAL,
    "psu_count.more": Severity.WARNING,
    "firmware": Severity.CRITICAL,
    "pcie.width": Severity.CRITICAL,  # seen under load, not at the comparison: `vetting.domain.pcielinks`
    "pcie.speed": Severity.WARNING,
    "bmc.alarm": Severity.CRITICAL,  # a sensor of the BMC past its critical threshold: `vetting.stages.probes.bmcalarms`
}
"""What each field weighs unless the spec's `severities` says otherwise. `.more` is a surplus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row of the comparison. `unknown`: it could not be read, so nobody is accused but us."""

    field: str
    component: str  # disk:<serial>, nic:<mac>, host … as everywhere
    expected: str
    found: str
    severity: Severity
    text: str
    unknown: bool = False


def severity_mistake(name: str, word: str) -> str:
    """What is wrong with one row of a spec's `severities`, or empty."""
    if name not in SEVERITIES and not re.fullmatch(r"firmware\.[a-z]+", name):
        return f"severities names {name!r}, which is no field; fields are {', '.join(SEVERITIES)}"
    if word not in tuple(Severity):
        return f"the severity of {name} is {word!r}; it must be one of {', '.join(Severity)}"
    return ""


def weight_of(name: str, overrides: Mapping[str, str]) -> Severity:
    """What a field weighs with a spec's `severities`; a word there that is none counts for nothing, SpecValidate tells of it."""
    return SEVERITIES[name] if severity_mistake(name, overrides.get(name, "")) else Severity(overrides[name])


@dataclass(frozen=True, slots=True)
class Rows:
    """Collects differences with the severities of one spec."""

    overrides: Mapping[str, str]
    rows: list[Difference] = field(default_factory=list)

    def add(
        self, name: str, component: str, expected: object, found: object, text: str, *, unknown: bool = False
    ) -> None:
        severity = Severity.CRITICAL if unknown else SEVERITIES[name]
        if name in self.overrides:
            severity = Severity(self.overrides[name])
        self.rows.append(
            Difference(
                field=name,
                component=component,
                expected=str(expected),
                found="" if unknown else str(found),
                severity=severity,
                text=text,
                unknown=unknown,
            )
        )

    def unread(self, name: str, component: str, expected: object, why: str = "") -> None:
        because = f" ({why})" if why else ""
        self.add(
            name,
            component,
            expected,
            "",
            f"{name} is pinned to {expected} and could not be read{because}",
            unknown=True,
        )

    def same(self, name: str, expected: str, found: str) -> None:
        """A pinned text."""
        if not expected:
            return
        if not known(found):
            self.unread(name, "host", expected)
        elif plain(expected) != known(found):
            self.add(name, "host", expected, found, f"{name} is {found!r}, expected {expected!r}")

    def count(self, name: str, component: str, expected: int | None, found: int | None, why: str = "") -> None:
        """A pinned number; fewer weighs more than a surplus. `found` None: unreadable."""
        if expected is None:
            return
        if found is None:
            self.unread(name, component, expected, why)
        elif found != expected:
            row = f"{name}.more" if found > expected and f"{name}.more" in SEVERITIES else name
            self.add(row, component, expected, found, f"{name} is {found}, expected {expected}")


def verdict_of(differences: Iterable[Difference]) -> Verdict:
    """FAIL where a critical difference was measured, ERROR where one could not be read, else PASS."""
    critical = [row for row in differences if row.severity is Severity.CRITICAL]
    if any(not row.unknown for row in critical):
        return Verdict.FAIL
    return Verdict.ERROR if critical else Verdict.PASS
