"""Tables as Markdown."""

from collections.abc import Sequence


def table(header: Sequence[str], lines: Sequence[Sequence[str]], *, numeric: bool = True) -> str:
    """A table; all columns but the first are aligned to the right where they hold numbers."""
    rule = ["---", *["---:" if numeric else "---"] * (len(header) - 1)]
    return "".join(f"{_line(cells)}\n" for cells in (header, rule, *lines))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
