"""What a simulated time comes to, as a picture: one SVG that needs nothing else, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from rotator.core.lead import HOUR
from rotator.core.simulate import Simulation
from rotator.report.simulation import WORKING_WEEK, lifetimes, lived, moment, per_day
from rotator.report.words import span

WIDTH = 880
_LEFT, _RIGHT = 56, 24
_PLOT = 220
_TOP = 84
_ROW = 44
_BAR_LEFT, _BAR_RIGHT = 330, 150

_STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 18px; font-weight: 600; }
.quiet { fill: #57606a; font-size: 12.5px; }
.right { text-anchor: end; }
.bar { fill: #2f6fde; }
.line { stroke: #8c959f; stroke-dasharray: 4 4; }
.axis { stroke: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .bar { fill: #5b93f5; }
  .axis { stroke: #3d444d; }
}"""


def chart(one: Simulation) -> str:
    """The rotations of each day, as columns."""
    peak = max(1, one.a_day.peak)
    bottom, width = _TOP + _PLOT, WIDTH - _LEFT - _RIGHT
    step = width / len(one.by_day)
    parts = [
        _text(_LEFT, 30, f"{lived(one)}: {one.rotations:,} rotations in {span(one.length)}", "title"),
        _text(_LEFT, 54, f"{per_day(one.a_day.mean)} a day; {_busiest(one)}", "quiet"),
        _line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis"),
        _text(_LEFT - 8, bottom + 4, "0", "quiet right"),
        _text(_LEFT - 8, _TOP + 4, f"{peak:,}", "quiet right"),
        *_columns(one.by_day, peak, step, bottom),
        *_days(len(one.by_day), step, bottom),
        _text(_LEFT, bottom + 46, _beneath(one), "quiet"),
    ]
    described = f"Rotations a day over {span(one.length)}: {per_day(one.a_day.mean)} on average, {_busiest(one)}."
    return _svg(bottom + 62, described, parts)


def comparison_chart(many: Sequence[Simulation]) -> str:
    """The hand work of each simulation as a bar, with its rotations beside it."""
    number, length = many[0].certificates, span(many[0].length)
    most = max(1.0, *(one.toil_a_week / HOUR for one in many))
    scale = (WIDTH - _BAR_LEFT - _BAR_RIGHT) / most
    bottom = _TOP + _ROW * len(many)
    parts = [
        _text(24, 30, f"What {number:,} certificates would cost by hand", "title"),
        _text(24, 66, "lifetime", "quiet"),
        _text(215, 66, f"rotations in {length}", "quiet right"),
        _text(_BAR_LEFT - 20, 66, "busiest day", "quiet right"),
        _text(_BAR_LEFT, 66, "hours by hand, each week", "quiet"),
    ]
    for row, one in enumerate(many):
        y, hours = _TOP + row * _ROW, one.toil_a_week / HOUR
        parts += [
            _text(24, y + 19, lifetimes(one)),
            _text(215, y + 19, f"{one.rotations:,}", "right"),
            _text(_BAR_LEFT - 20, y + 19, f"{one.a_day.peak:,}", "right"),
            f'<rect class="bar" x="{_BAR_LEFT}" y="{y}" width="{max(2.0, hours * scale):.1f}" height="28" rx="2"/>',
            _text(_BAR_LEFT + max(2.0, hours * scale) + 8, y + 19, f"{hours:,.1f} h"),
        ]
    if most > WORKING_WEEK:
        x = _BAR_LEFT + WORKING_WEEK * scale
        parts.append(_line(x, _TOP - 8, x, bottom, "line"))
        parts.append(_text(x + 6, bottom + 8, "one person's week", "quiet"))
    described = "; ".join(f"{lifetimes(one)}: {one.toil_a_week / HOUR:,.1f} hours a week" for one in many)
    return _svg(bottom + 28, f"Hand work by lifetime. {described}.", parts)


def _busiest(one: Simulation) -> str:
    return f"{one.a_day.peak:,} on the busiest day, {one.an_hour.peak:,} in the busiest hour"


def _beneath(one: Simulation) -> str:
    """The limits that were hit, or that none was."""
    if one.late.ended:
        return (
            f"{one.late.ended.times:,} certificates ended before their renewal, first on {moment(one.late.ended.first)}"
        )
    if not one.held:
        return "no limit was hit, no certificate ended"
    said = ", ".join(f"{limit} {hit.times:,} times" for limit, hit in one.held.items())
    return f"limits hit: {said}; no certificate ended"


def _columns(days: Sequence[int], peak: int, step: float, bottom: int) -> Iterator[str]:
    """A path of one column a day; so long a list of rectangles would be ten times the size."""
    path: list[str] = []
    thick = max(0.6, step * 0.8)
    for day, number in enumerate(days):
        if number:
            height = number / peak * _PLOT
            path.append(f"M{_LEFT + day * step:.1f} {bottom}v{-height:.1f}h{thick:.2f}v{height:.1f}z")
    if path:
        yield f'<path class="bar" d="{"".join(path)}"/>'


def _days(days: int, step: float, bottom: int) -> Iterator[str]:
    """Names of some days below the columns."""
    every = next((size for size in (1, 7, 30, 90, 365) if days / size <= 14), 365)
    for day in range(0, days, every):
        yield _text(_LEFT + day * step, bottom + 20, f"day {day + 1}" if day == 0 else f"{day + 1}", "quiet")


def _text(x: float, y: float, said: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}"{kind}>{escape(said)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _svg(height: float, described: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">\n'
        f"<title>{escape(described)}</title>\n<style>\n{_STYLE}\n</style>\n{body}\n</svg>\n"
    )
