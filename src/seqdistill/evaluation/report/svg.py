"""Drawing with text: SVG elements that escape what they hold, and scales with round ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from seqdistill.readable import printable

Attribute = str | float | int | None

SHAPES = ("circle", "square", "triangle", "diamond", "down", "cross")


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """An element; children that are not `Markup` and all values are escaped, attributes that are None left out.

    Python's names stand for SVG's: `class_` for `class`, `stroke_width` for `stroke-width`.
    """
    # Only names that this package writes are not escaped: those of tags and attributes.
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(child if isinstance(child, Markup) else escape(printable(child)) for child in children)
    return Markup(f"<{tag}{written}>{inner}</{tag}>" if inner else f"<{tag}{written}/>")


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """A line of text on its baseline."""
    return element("text", content, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """Straight lines through points."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def marker(x: float, y: float, shape: str, class_: str, *, radius: float = 4, title: str = "") -> Markup:
    """A mark centred at a point; the title shows under the pointer."""
    r = radius
    outlines = {
        "square": f"M{x - r:.1f},{y - r:.1f}h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z",
        "triangle": f"M{x:.1f},{y - 1.2 * r:.1f}l{1.2 * r:.1f},{2.1 * r:.1f}h{-2.4 * r:.1f}z",
        "down": f"M{x:.1f},{y + 1.2 * r:.1f}l{1.2 * r:.1f},{-2.1 * r:.1f}h{-2.4 * r:.1f}z",
        "diamond": f"M{x:.1f},{y - 1.3 * r:.1f}l{1.3 * r:.1f},{1.3 * r:.1f}l{-1.3 * r:.1f},{1.3 * r:.1f}"
        f"l{-1.3 * r:.1f},{-1.3 * r:.1f}z",
        "cross": f"M{x - r:.1f},{y - r:.1f}l{2 * r:.1f},{2 * r:.1f}m0,{-2 * r:.1f}l{-2 * r:.1f},{2 * r:.1f}",
    }
    children = (element("title", title),) if title else ()
    if shape == "circle":
        return element("circle", *children, cx=x, cy=y, r=r, class_=f"mark {class_}")
    return element("path", *children, d=outlines[shape], class_=f"mark {class_}")


@dataclass(frozen=True)
class Scale:
    """Values to pixels.

    Attributes:
        low: value at `start`.
        high: value at `end`, above `low`.
        start: pixel.
        end: pixel.
        log: even ratios are even distances; then values are above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside end at the edge."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        at = math.log10(max(value, self.low)) if self.log else value
        share = min(max((at - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round values inside the scale, some of them but not more than `most`."""
        return _log_ticks(self.low, self.high, most) if self.log else _even_ticks(self.low, self.high, most)


def scale_over(
    values: Sequence[float], start: float, end: float, *, log: bool = False, room: float = 0.06
) -> Scale | None:
    """A scale that holds the values with some room at either end; None where there is nothing to hold."""
    held = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not held:
        return None
    low, high = min(held), max(held)
    if log:
        if high / low < 1.5:
            low, high = low / 1.5, high * 1.5
        factor = (high / low) ** room
        return Scale(low / factor, high * factor, start, end, log=True)
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-300):
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    gap = (high - low) * room
    return Scale(low - gap, high + gap, start, end)


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if (high - low) / (factor * power) <= most)
    first = math.ceil(low / step)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
        if len(found) <= most:
            return found or [low, high][: max(most, 1)]
    every = max(1, -(-len(found) // most))
    return found[::every]


def _value(value: Attribute) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else printable(str(value))
