"""The report's plots as SVG files that stand alone, in light and in dark."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from markupsafe import Markup

from seqdistill.evaluation.report.charts import quality_per_byte, time_to_quality
from seqdistill.evaluation.report.document import Comparison
from seqdistill.evaluation.report.figure import WIDE, Entry, Figure
from seqdistill.evaluation.report.svg import element, text

PLOTS = {"bytes": quality_per_byte, "seconds": time_to_quality}
"""Ending of a file's name -> what is drawn."""

MARGIN, TITLE, LINE = 12, 24, 20
CHARACTER = 6.6
"""Pixels of a character of the legend, about."""


def plots(comparison: Comparison) -> dict[str, Figure]:
    """The plots there is something to draw for, by the ending of their names."""
    drawn = {name: plot(comparison) for name, plot in PLOTS.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def standalone(figure: Figure) -> str:
    """A plot with title, legend, style and ground of its own."""
    wide = figure.drawings[0]
    height = float(re.findall(r'height="([\d.]+)"', wide)[0])
    legend, below = _legend(figure.legend, top=MARGIN + TITLE)
    whole = height + below + MARGIN
    return (
        str(
            element(
                "svg",
                element("title", figure.title),
                element("desc", figure.description),
                element("style", Markup(_style())),
                element("rect", width=WIDE, height=whole, rx=6, class_="ground"),
                text(MARGIN, MARGIN + 12, figure.title, class_="strong"),
                *legend,
                element("g", wide, transform=f"translate(0 {below:.0f})"),
                xmlns="http://www.w3.org/2000/svg",
                viewBox=f"0 0 {WIDE} {whole:.0f}",
                width=WIDE,
                height=f"{whole:.0f}",
                role="img",
            )
        )
        + "\n"
    )


def _legend(entries: Sequence[Entry], top: float) -> tuple[list[Markup], float]:
    """Marks and their words in lines, and where the last line ends."""
    parts: list[Markup] = []
    x, y = float(MARGIN), top
    for entry in entries:
        width = 20 + CHARACTER * len(entry.label) + 18
        if x + width > WIDE - MARGIN:
            x, y = float(MARGIN), y + LINE
        parts.append(element("g", entry.mark, transform=f"translate({x:.0f} {y:.0f})"))
        parts.append(text(x + 20, y + 11, entry.label, class_="tick"))
        x += width
    return parts, y + LINE + 4


@cache
def _style() -> str:
    """Of the report, what concerns drawings."""
    sheet = (resources.files("seqdistill.evaluation.report") / "report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{.*?\n\s*\}", sheet, re.DOTALL)[:2]
    rules = [line for line in sheet.split("\n") if re.match(r"svg |\.g-|\.s\d ", line)]
    return "\n".join(
        [
            "",
            light,
            f"@media (prefers-color-scheme: dark) {{ {dark} }}",
            ".ground { fill: var(--paper); }",
            *rules,
            "",
        ]
    )
