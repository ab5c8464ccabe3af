"""What the browser gets to draw: the shape of `series.json`. Times are milliseconds since 1970; None is what nobody measured."""

from __future__ import annotations

import msgspec

Column = list[float | None]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One series; `id` is what live samples call it. Values stand at the chart's times; None: nothing was measured."""

    id: int
    name: str
    low: Column
    high: Column
    mean: Column
    least: float | None
    most: float | None
    last: float | None
    last_ms: int


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """All further series of a chart as one band."""

    count: int
    ids: list[int]
    low: Column
    high: Column


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    value: float
    label: str
    severity: str
    stages: tuple[str, ...]  # empty: every stage


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    series: str
    stage: str
    severity: str
    open: bool
    first_ms: int
    last_ms: int
    worst: float | None  # None: it was not a number
    text: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    title: str
    unit: str
    from_zero: bool
    at: list[int]  # stretches in which anything was measured: the times of all columns
    lines: list[Line]
    rest: Rest | None
    limits: list[Limit]
    breaches: list[Breach]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    attempt: int
    begin_ms: int
    end_ms: int | None  # None: it runs


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A series in words, for the table."""

    name: str
    title: str
    unit: str
    low: float | None
    mean: float | None
    high: float | None
    last: float | None
    samples: int
    not_numbers: int
    breaches: tuple[str, ...]


class ChartData(msgspec.Struct, frozen=True, kw_only=True):
    run: int
    ended: bool
    begin_ms: int
    end_ms: int
    stretch_ms: int
    stages: list[Stage]
    charts: list[Chart]
    series: int
    samples: int
    left_out: int  # series that no chart shows
