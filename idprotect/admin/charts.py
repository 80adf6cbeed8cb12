"""Charts as plain geometry: bars and lines in a box, which a template draws as SVG. Nothing is known of sign-ins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 560.0, 150.0
LEFT, BOTTOM, TOP = 34.0, 18.0, 8.0


@dataclass(frozen=True)
class Bar:
    """One rectangle; the title is read out, and shown when one points at it."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Tick:
    """A word at the edge."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart ready to be drawn, with its numbers for whoever cannot see it.

    :param points: of a line, as SVG has them; empty for bars.
    :param rows: a day and its numbers, in words.
    """

    name: str
    title: str
    kinds: Sequence[str]
    bars: Sequence[Bar]
    points: str
    levels: Sequence[Tick]
    days: Sequence[Tick]
    rows: Sequence[tuple[str, Sequence[str]]]
    total: str

    width, height, left, base = WIDTH, HEIGHT, LEFT, HEIGHT - BOTTOM

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.bars and not self.points


def stacked(name: str, title: str, days: Sequence[date], series: Mapping[str, Sequence[int]]) -> Chart:
    """Return bars of days, each made of its kinds, the first at the bottom."""
    sums = [sum(values) for values in zip(*series.values(), strict=True)]
    top, step = _round_up(max(sums, default=0)), _step(days)
    bars = [bar for place, day in enumerate(days) for bar in _pile(day, place, step, top, series)]
    rows = [
        (f"{day:%d %b}", [str(values[place]) for values in series.values()]) for place, day in enumerate(days)
    ]
    total = f"{sum(sums):,}"
    return Chart(name, title, tuple(series), bars, "", _levels(top), _days(days, step), rows, total)


def _pile(
    day: date, place: int, step: float, top: float, series: Mapping[str, Sequence[int]]
) -> Iterator[Bar]:
    x, y = round(LEFT + (place + 0.12) * step, 2), HEIGHT - BOTTOM
    for kind, values in series.items():
        height = _scale(values[place], top)
        y -= height
        if values[place]:
            title = f"{day:%d %b}: {values[place]} {_words(kind)}"
            yield Bar(x, round(y, 2), round(step * 0.76, 2), round(height, 2), kind, title)


def line(name: str, title: str, days: Sequence[date], values: Sequence[float], total: str) -> Chart:
    """Return a line through the values of days."""
    top, step = _round_up(max(values, default=0)), _step(days)
    places = [
        (LEFT + place * step + step / 2, HEIGHT - BOTTOM - _scale(value, top))
        for place, value in enumerate(values)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places) if any(values) else ""
    rows = [(f"{day:%d %b}", [f"{value:g}"]) for day, value in zip(days, values, strict=True)]
    return Chart(name, title, (name,), (), points, _levels(top), _days(days, step), rows, total)


def _scale(value: float, top: float) -> float:
    return (HEIGHT - BOTTOM - TOP) * value / top if top else 0.0


def _round_up(value: float) -> float:
    """Return the next number that reads well: 1, 2, 4, 10, 20, 40, …"""
    size = 1.0
    while True:
        for factor in (1, 2, 4):
            if value <= factor * size:
                return factor * size
        size *= 10


def _step(days: Sequence[date]) -> float:
    return (WIDTH - LEFT) / max(len(days), 1)


def _levels(top: float) -> list[Tick]:
    parts = [part for part in (0.0, top / 2, top) if part == 0 or part >= 1]
    return [Tick(round(HEIGHT - BOTTOM - _scale(part, top), 2), f"{part:g}") for part in parts]


def _days(days: Sequence[date], step: float) -> list[Tick]:
    """Name the first day, the last, and some in between."""
    every = max(1, len(days) // 5)
    return [
        Tick(round(LEFT + place * step + step / 2, 2), f"{day:%d %b}")
        for place, day in enumerate(days)
        if place % every == every // 2
    ]


def _words(kind: str) -> str:
    return kind.replace("_", " ")
