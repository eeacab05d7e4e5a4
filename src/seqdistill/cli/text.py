"""Numbers as people read them, and texts as they may be printed."""

import re

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SIZES = ("kB", "MB", "GB", "TB")


def duration(seconds: float) -> str:
    """`0.42 s`, `7.3 s`, `42 s`, `4 min 12 s`, `1 h 05 min`."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(num_bytes: float) -> str:
    """`812 B`, `42.1 kB`, `1.37 MB`, in powers of 1000 and three digits."""
    if num_bytes < 1000:
        return f"{num_bytes:.0f} B"
    step, value = 0, num_bytes / 1000
    while value >= 999.5 and step < len(_SIZES) - 1:
        step, value = step + 1, value / 1000
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {_SIZES[step]}"


def fraction(value: float, digits: int = 4) -> str:
    """`.0614`: a number between 0 and 1 as ranking papers print it, without the zero before the point."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0.") else text


def count(number: int, noun: str) -> str:
    """`1 seed`, `1,349 items`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def visible(text: str) -> str:
    """A text from a file, such as an id, without anything that a terminal would obey instead of showing it."""
    return CONTROLS.sub("\ufffd", text)
