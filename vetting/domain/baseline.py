"""How far a measurement lies from what others, or the same host before, have shown; and the words for it.

A word is said only where a value is off by more than sound hardware ever is (`Yardstick.least`) *and* by far more than those it is
compared with differ among themselves: the distance from their median in robust standard deviations (1.4826 times the median
absolute deviation, never taken for less than the yardstick's noise). It is a warning, never an accusation: only a pin makes a FAIL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import median

from vetting.domain.outcome import Finding, Severity
from vetting.domain.yardsticks import Against, Measured, Worse, Yardstick

SOURCE = "baseline"
FAR = 5.0  # robust standard deviations: a fleet of 500 with 300 figures each stays silent also where its noise is not normal
FEWEST_HOSTS = 3
SIGMA = 1.4826  # of a normal distribution, by its median absolute deviation
LONE_TWIN = 1.5  # times `least`, where there is one peer alone: nobody tells which of two is the odd one
TOLD_OF_A_PART = 3  # figures
PARTS_TOLD = 3  # of one kind; where more are off it is not the part, and one sentence tells of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a value is held against. `values`: one or more of each of `of` parts or hosts."""

    against: Against
    centre: float
    spread: float  # median absolute deviation
    of: int  # parts or hosts that it is made of
    run_id: int = 0  # of the host's own last good run


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A value that is worth a word, against one baseline."""

    measured: Measured
    baseline: Baseline

    @property
    def off(self) -> float:
        """How far on the wrong side: a share, or units where the yardstick is absolute."""
        return worse_by(self.measured.yardstick, self.measured.value, self.baseline.centre)

    @property
    def weight(self) -> float:
        """To tell the worst first: in what is worth a word."""
        return self.off / self.measured.yardstick.least


@dataclass(frozen=True, slots=True)
class Past:
    """The last good run of one host: its figures by key, of each part by its name."""

    host_id: int
    run_id: int
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def keep(rows: Iterable[Measured]) -> dict[str, dict[str, float]]:
    """Measurements as `Past` has them."""
    kept: dict[str, dict[str, float]] = {}
    for row in rows:
        kept.setdefault(row.key, {})[row.component] = row.value
    return kept


def baseline_of(against: Against, values: Sequence[float], *, of: int = 0, run_id: int = 0) -> Baseline | None:
    """Median and median absolute deviation of what is finite; None where nothing is."""
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return None
    centre = median(finite)
    spread = median(abs(value - centre) for value in finite)
    return Baseline(against=against, centre=centre, spread=spread, of=of or len(finite), run_id=run_id)


def worse_by(yardstick: Yardstick, value: float, centre: float) -> float:
    """Positive on the wrong side. A share of the centre unless the yardstick is absolute; 0 where that means nothing."""
    off = centre - value if yardstick.worse is Worse.LESS else value - centre
    if yardstick.absolute:
        return off if isfinite(off) else 0.0
    return off / centre if centre > 0 and isfinite(off) and isfinite(off / centre) else 0.0


def is_far(yardstick: Yardstick, value: float, baseline: Baseline, *, virtual: bool = False) -> bool:
    """Whether a value is worth a word."""
    least = yardstick.virtual if virtual else yardstick.least
    if least is None or not isfinite(value):
        return False
    if virtual and yardstick.noise and baseline.against is not Against.PEERS:
        return False  # other minutes, other neighbours
    if baseline.against is Against.PEERS and baseline.of < 2:
        least = (
            min(least * LONE_TWIN, 0.95)
            if yardstick.worse is Worse.LESS and not yardstick.absolute
            else least * LONE_TWIN
        )
    if not worse_by(yardstick, value, baseline.centre) >= least:
        return False
    noise = yardstick.noise if yardstick.absolute else yardstick.noise * baseline.centre
    scale = max(SIGMA * baseline.spread, noise)
    return baseline.of < 2 or not scale > 0 or abs(value - baseline.centre) >= FAR * scale


def deviations(rows: Sequence[Measured], *, virtual: bool, past: Iterable[Past], host_id: int) -> tuple[Deviation, ...]:
    """All of a stage's measurements against all that they can be held against. `past`: of every host of the class, this one's
    own included; rows of other profiles must not be in it."""
    known = tuple(past)
    own = next((one for one in known if one.host_id == host_id), None)
    by_key: dict[str, list[Measured]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    found: list[Deviation] = []
    for key, alike in by_key.items():
        fleet = _fleet(key, known)
        for row in alike:
            against = (_peers(row, alike), fleet, _itself(row, own))
            found += [
                Deviation(measured=row, baseline=one)
                for one in against
                if one is not None
                and one.against in row.yardstick.against
                and is_far(row.yardstick, row.value, one, virtual=virtual)
            ]
    return tuple(found)


def _peers(row: Measured, alike: Sequence[Measured]) -> Baseline | None:
    return baseline_of(Against.PEERS, [other.value for other in alike if other is not row])


def _fleet(key: str, known: Iterable[Past]) -> Baseline | None:
    """One value a host, so that a host with many disks has no more to say; the spread is that of the parts where they differ more."""
    hosts: list[tuple[float, tuple[float, ...]]] = []
    for one in known:
        if parts := one.figures.get(key):
            values = tuple(parts.values())
            middle = values[0] if len(values) == 1 else median(values)
            if isfinite(middle):
                hosts.append((middle, values))
    if len(hosts) < FEWEST_HOSTS:
        return None
    centre = median(middle for middle, _ in hosts)
    between = median(abs(middle - centre) for middle, _ in hosts)
    if all(len(values) == 1 for _, values in hosts):
        return Baseline(against=Against.CLASS, centre=centre, spread=between, of=len(hosts))
    among = median(median(abs(value - centre) for value in values) for _, values in hosts)
    return Baseline(against=Against.CLASS, centre=centre, spread=max(between, among), of=len(hosts))


def _itself(row: Measured, own: Past | None) -> Baseline | None:
    if own is None or row.component not in (before := own.figures.get(row.key, {})):
        return None
    return baseline_of(Against.ITSELF, [before[row.component]], run_id=own.run_id)


def findings(far: Iterable[Deviation]) -> tuple[Finding, ...]:
    """One warning a part, the worst figure first. Where many parts of a kind are off, one warning for all: it is not the part."""
    by_part: dict[str, list[Deviation]] = {}
    for one in sorted(far, key=lambda one: -one.weight):
        by_part.setdefault(one.measured.component, []).append(one)
    kinds: dict[str, list[str]] = {}
    for part in by_part:
        kinds.setdefault(part.partition(":")[0].partition(".")[0], []).append(part)
    told: list[Finding] = []
    for kind, parts in kinds.items():
        if len(parts) > PARTS_TOLD:
            worst = by_part[parts[0]]
            text = f"{len(parts)} parts are far from what is usual, the worst of them {parts[0]}: {_of_part(worst)}"
            told.append(_warning(kind, text))
        else:
            told += [_warning(part, _of_part(by_part[part])) for part in parts]
    return tuple(told)


def _warning(component: str, text: str) -> Finding:
    return Finding(severity=Severity.WARNING, component=component, text=text, source=SOURCE)


def _of_part(far: Sequence[Deviation]) -> str:
    by_series: dict[str, list[Deviation]] = {}
    for one in far:
        by_series.setdefault(one.measured.series, []).append(one)
    texts = [_of_series(ones) for ones in by_series.values()]
    more = len(texts) - TOLD_OF_A_PART
    return "; ".join(texts[:TOLD_OF_A_PART]) + (f"; and {more} more figures" if more > 0 else "")


def _of_series(ones: Sequence[Deviation]) -> str:
    """`fio IOPS 2100 /s: 58 % below 5010 /s, the median of 3 like it in this host; 57 % below …`"""
    row = ones[0].measured
    return f"{row.name} {figure(row.value, row.unit)}: {', and '.join(_against(one) for one in ones)}"


def _against(one: Deviation) -> str:
    row, base = one.measured, one.baseline
    far = figure(one.off, row.unit) if row.yardstick.absolute else f"{one.off:.0%}"
    whose = {
        Against.PEERS: f"the median of {base.of} like it in this host" if base.of > 1 else "its only like in this host",
        Against.CLASS: f"the median of the last good runs of {base.of} hosts of its class",
        Against.ITSELF: f"this host's last good run ({base.run_id})",
    }[base.against]
    return f"{far} {row.yardstick.worse} the {figure(base.centre, row.unit)} of {whose}"


def figure(value: float, unit: str) -> str:
    """Four figures are what anybody compares by."""
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{number} {'°C' if unit == 'C' else unit}".strip()
