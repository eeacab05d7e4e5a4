"""Figures, and text from strangers, as people read them: one wording for terminal and report."""

import re
from typing import Any

_SIZES = ("kB", "MB", "GB", "TB")

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


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
    """`.0614`, `-.0020`: a number between -1 and 1 as ranking papers print it, without the zero before the point."""
    text = f"{value:.{digits}f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def metric_value(name: str, value: float) -> str:
    """A metric in as many digits as it deserves: `.0614`, and `-5.943` for the log-likelihood."""
    return fraction(value, 3 if name == "log_likelihood" else 4)


def count(number: int, noun: str) -> str:
    """`1 seed`, `1,349 items`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def metric_title(name: str) -> str:
    """`NDCG@10` for `ndcg@10`, `log-likelihood` for `log_likelihood`."""
    return name.replace("_", "-") if name == "log_likelihood" else name.upper()


def optimiser_name(optimiser: str) -> str:
    """`SOAP` for `soap`."""
    return optimiser.upper() if optimiser == "soap" else optimiser.capitalize()


def schedule_line(learning_rate: float, steps: int, optimiser: str) -> str:
    """`400 steps of SOAP at rate 0.01`."""
    return f"{count(steps, 'step')} of {optimiser_name(optimiser)} at rate {learning_rate:g}"


def describe_protocol(protocol: dict[str, Any]) -> list[str]:
    """How figures were obtained, in a few words each."""
    return [
        f"{protocol['split']}, {protocol['part']} items of {count(protocol['users'], 'user')}",
        f"ranked among all {count(protocol['items'], 'item')}, "
        + ("seen ones left out" if protocol["mask_seen"] else "seen ones too"),
        f"histories of {protocol['length']}",
    ]


def printable(text: str) -> str:
    """Text of a log as it may be shown: what would steer a terminal or hide in a page is replaced by a mark.

    Control characters, those that turn the direction of writing, lone surrogates and code points that are no
    characters become U+FFFD; line ends and tabs become spaces.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", re.sub(r"[\t\r\n]", " ", text))
