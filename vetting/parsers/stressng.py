"""What stress-ng said: its log lines (0.15 on stderr, 0.17 and later on stdout) and its --yaml file.

Its exit status and its own "passed" prove nothing (a killed worker, an early TERM, 0 bogo-ops and an unsupported stressor all
end with 0): a caller compares `dispatched`, the bogo-ops and real time of each metric, and its own clock.
"""

from __future__ import annotations

import re
from collections import Counter as Tally
from dataclasses import dataclass

from vetting.parsers.errors import ParseError
from vetting.parsers.reading import real, whole

TOOL = "stress-ng"
LINE = re.compile(r"stress-ng:\s+(info|metrc|fail|error|warn|debug):?\s+(?:\d\d:\d\d:\d\d\.\d+ )?\[\d+\] (.*)")
NUMBER = r"\d+(?:\.\d+)?"
METRIC = re.compile(rf"(\S+)\s+(\d+)((?:\s+{NUMBER}){{5,8}})\s*$")
TALLY = re.compile(r"(skipped|passed|failed|metrics untrustworthy): (\d+)(?:: (.*))?$")
COUNTED = re.compile(r"(\S+) \((\d+)\)")
HOG = re.compile(r"(\d+) (\S+)$")
ENDED = re.compile(r"(un)?successful run completed in (.*)$")
UNITS_S = {"sec": 1.0, "min": 60.0, "hour": 3600.0, "day": 86400.0, "year": 365.2425 * 86400.0}
NOT_RUN = re.compile(r"(?:will be |)skipped|disabled '|not implemented|not supported|unsupported|skipping stressor")


# What --verbose says of each worker's end; the words differ from version to version.
EXITED = re.compile(r"debug:\s+\[\d+\] ([\w-]+): (?:exited \[(\d+)\]|\[(\d+)\] exited) \(instance ")
DIED = re.compile(
    r"(?:debug|info):\s+\[\d+\] (?:process \[\d+\] \(([\w-]+)\) terminated on signal:?"
    r"|([\w-]+): \[\d+\] terminated on signal:?|([\w-]+): child died: signal"
    r"|stressor terminated with unexpected signal) (\d{1,3})"
)
PLACED = re.compile(r"debug:\s+\[\d+\] ([\w-]+): \[(\d+)\] (?:started|exited) \(instance \d+ on CPU (\d+)\)")
CRASH = r"(?:4|6|7|8|11)\b"
FAULTY = re.compile(
    rf"fail:\s+\[(?P<a>\d+)\] |info:\s+\[(?P<b>\d+)\] stressor terminated with unexpected signal {CRASH}"
    rf"|: \[(?P<c>\d+)\] terminated on signal:? {CRASH}|process \[(?P<d>\d+)\] \([\w-]+\) terminated on signal:? {CRASH}"
)
VERIFIABLE = re.compile(r"^(Verif[^\n]*):[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StressorMetric:
    """One row of the metrics table: all instances of one stressor together."""

    name: str
    bogo_ops: int
    real_time_s: float  # mean over the instances
    usr_time_s: float
    sys_time_s: float
    bogo_ops_per_s: float  # by real time
    rss_max_kib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StressNgRun:
    """One run as stress-ng tells it. Counts are None where this version prints none (0.15 prints no tallies)."""

    dispatched: dict[str, int]  # stressor -> instances started
    metrics: tuple[StressorMetric, ...]
    passed: int | None = None
    failed: int | None = None
    skipped: int | None = None
    untrustworthy: int | None = None
    passed_by: dict[str, int]
    failed_by: dict[str, int]
    skipped_by: dict[str, int]
    failures: tuple[str, ...] = ()  # "fail:" lines: wrong results, corrupted counters
    errors: tuple[str, ...] = ()  # "error:" lines
    warnings: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()  # lines that say that a stressor is skipped, disabled or unsupported
    success: bool | None = None  # its own closing line; None: it never wrote one, so it was killed
    run_time_s: float | None = None  # as it claims; 0.19 says 0 for anything under a second

    @property
    def instances(self) -> int:
        return sum(self.dispatched.values())

    def metric(self, name: str) -> StressorMetric | None:
        return next((each for each in self.metrics if each.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How the workers ended, by what --verbose says."""

    exited: dict[str, int]  # stressor -> workers that ended by themselves
    deaths: tuple[tuple[str, int], ...]  # (stressor, signal) of workers and of the children that vm works in


def parse(text: str) -> StressNgRun:
    """Both streams of one run, joined. Raises ParseError where no line is stress-ng's."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            found.setdefault(match[1], []).append(match[2].strip())
    if not found:
        raise ParseError(TOOL, "no line of it is a log line of stress-ng", text)
    info = [*found.get("info", ()), *found.get("metrc", ())]
    said = [match for line in info if (match := TALLY.match(line))]
    counts = {match[1]: whole(TOOL, match[2], match[1]) for match in said}
    by = {match[1]: {name: whole(TOOL, n, name) for name, n in COUNTED.findall(match[3] or "")} for match in said}
    success, run_time_s = _ending(info)
    return StressNgRun(
        dispatched=_dispatched(info),
        metrics=tuple(metric for line in info if (metric := _metric(line))),
        passed=counts.get("passed"),
        failed=counts.get("failed"),
        skipped=counts.get("skipped"),
        untrustworthy=counts.get("metrics untrustworthy"),
        passed_by=by.get("passed", {}),
        failed_by=by.get("failed", {}),
        skipped_by=by.get("skipped", {}),
        failures=tuple(found.get("fail", ())),
        errors=tuple(found.get("error", ())),
        warnings=tuple(found.get("warn", ())),
        not_run=tuple(line for line in info if NOT_RUN.search(line) and not TALLY.match(line)),
        success=success,
        run_time_s=run_time_s,
    )


def _dispatched(info: list[str]) -> dict[str, int]:
    hogs: dict[str, int] = {}
    for line in info:
        if line.startswith("dispatching hogs:"):
            for part in line.partition(":")[2].split(","):
                if match := HOG.match(part.strip()):
                    hogs[match[2]] = hogs.get(match[2], 0) + whole(TOOL, match[1], "instances")
    return hogs


def _metric(line: str) -> StressorMetric | None:
    match = METRIC.match(line)
    if not match:
        return None
    numbers = [real(TOOL, each, "a metric") for each in match[3].split()]
    return StressorMetric(
        name=match[1],
        bogo_ops=whole(TOOL, match[2], "bogo ops"),
        real_time_s=numbers[0],
        usr_time_s=numbers[1],
        sys_time_s=numbers[2],
        bogo_ops_per_s=numbers[3],
        rss_max_kib=int(numbers[6]) if len(numbers) > 6 else None,
    )


def _ending(info: list[str]) -> tuple[bool | None, float | None]:
    for line in reversed(info):
        if match := ENDED.match(line):
            return match[1] is None, _seconds(match[2])
    return None, None


def _seconds(text: str) -> float | None:
    """ "2.00s", "60.02s (1 min, 0.02 secs)", "15.02 secs" and "1 hour, 2 mins, 3.40 secs"."""
    if match := re.match(rf"({NUMBER})s\b", text):
        return real(TOOL, match[1], "run time")
    parts = re.findall(rf"({NUMBER}) (sec|min|hour|day|year)s?", text)
    return sum(real(TOOL, number, "run time") * UNITS_S[unit] for number, unit in parts) if parts else None


def parse_yaml(text: str) -> tuple[StressorMetric, ...]:
    """The metrics of a --yaml file. Raises ParseError where the file has no metrics section."""
    rows: list[dict[str, str]] = []
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if line and not line[0].isspace():
            inside = stripped == "metrics:"
            if inside:
                rows = []
            continue
        key, colon, value = stripped.partition(":")
        if not inside or not colon:
            continue
        if key == "- stressor":
            rows.append({"stressor": value.strip().strip("'\"")})
        elif rows:
            rows[-1][key] = value.strip().strip("'\"")
    if not re.search(r"^metrics:", text, re.MULTILINE):
        raise ParseError(TOOL, "its YAML file has no metrics section", text)
    return tuple(_yaml_metric(row) for row in rows)


def _yaml_metric(row: dict[str, str]) -> StressorMetric:
    def number(key: str) -> float:
        if key not in row:
            raise ParseError(TOOL, f"{key} is missing from the metrics of {row['stressor']}")
        return real(TOOL, row[key], key)

    return StressorMetric(
        name=row["stressor"],
        bogo_ops=whole(TOOL, row.get("bogo-ops", ""), "bogo-ops"),
        real_time_s=number("wall-clock-time"),
        usr_time_s=number("user-time"),
        sys_time_s=number("system-time"),
        bogo_ops_per_s=number("bogo-ops-per-second-real-time"),
        rss_max_kib=whole(TOOL, row["max-rss"], "max-rss") if "max-rss" in row else None,
    )


def parse_version(text: str) -> str:
    """ "0.15.06" of `stress-ng --version`. Raises ParseError."""
    match = re.search(r"(?:stress-ng, version |^)(\d+\.\d+\.\d+)", text.strip())
    if not match:
        raise ParseError(TOOL, "no version in it", text)
    return match[1]


def parse_workers(text: str) -> Workers:
    """How the workers ended, from the output with --verbose; nothing where it has no such lines."""
    exited = {(match[1], match[2] or match[3]) for match in EXITED.finditer(text)}
    deaths = tuple((match[1] or match[2] or match[3] or "a stressor", int(match[4])) for match in DIED.finditer(text))
    return Workers(exited=dict(Tally(name for name, _ in exited)), deaths=deaths)


def died(line: str) -> bool:
    """Whether a line tells of a worker that was killed or crashed."""
    return DIED.search(line) is not None


def worker_places(text: str) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Process id of each worker -> its stressor and the CPUs that it was seen on, at its start and at its end; 0.17 and later
    with --verbose."""
    places: dict[int, tuple[str, tuple[int, ...]]] = {}
    for match in PLACED.finditer(text):
        name, cpus = places.get(int(match[2]), (match[1], ()))
        places[int(match[2])] = name, (*cpus, int(match[3]))
    return places


def failed_workers(text: str) -> tuple[int, ...]:
    """Process ids of the workers that told of a wrong result or that crashed, in order, each once."""
    return tuple(dict.fromkeys(int(match[match.lastgroup or "a"]) for match in FAULTY.finditer(text)))


def parse_verifiable(text: str) -> frozenset[str]:
    """Stressors that compare what they computed, from `stress-ng --verifiable`; none where it makes no sense."""
    sections = VERIFIABLE.split(text)
    bodies = (body for title, body in zip(sections[1::2], sections[2::2], strict=True) if "enabled" in title)
    return frozenset(name for body in bodies for name in body.split())
