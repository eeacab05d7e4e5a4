"""Progress, the time left, and the result table at several widths."""

import io
import math

import pytest
from rich.console import Console

from seqdistill.cli.console import LINE_SECONDS, Pace, RichProgress, Terminal
from seqdistill.cli.table import RESULT_COLUMNS, print_result
from seqdistill.readable import count, duration, fraction, size


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def row(name: str, regime: str | None, *, percent: bool = True) -> dict[str, object]:
    metrics = {"ndcg@10": 0.0614, "hr@10": 0.138, "ndcg@100": 0.1402, "mrr": 0.0598, "log_likelihood": -6.123}
    return {
        "name": name,
        "learner": "sasrec",
        "regime": regime,
        "seeds": 3,
        "metrics": {metric: {"mean": mean, "std": 0.0012} for metric, mean in metrics.items()},
        "percent_of_full": {"ndcg@10": 99.6, "hr@10": 100.2} if percent else None,
        "seconds_train": 12.3,
        "bytes": 212_345,
    }


RESULT: dict[str, object] = {
    "dataset": "ml-100k",
    "protocol": {
        "split": "leave-one-out",
        "part": "test",
        "mask_seen": False,
        "length": 50,
        "users": 943,
        "items": 1349,
    },
    "rows": [
        row("full data", None, percent=False),
        row("start, soft targets", "shared"),
        row("distilled", "fresh"),
        row("distilled, paper", "shared"),
    ],
}


def printed(width: int, result: dict[str, object] = RESULT, *, terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False)
    print_result(console, result)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 140, 1000])
def test_the_table_cuts_no_figure_and_no_line_at_any_width(width: int) -> None:
    lines = printed(width)
    assert max(len(line) for line in lines) <= width
    assert not any("…" in line for line in lines)
    rule = next(index for index, line in enumerate(lines) if "──" in line)
    names = [line[:19].strip() for line in lines[rule + 1 : rule + 5]]
    assert names == ["full data", "start, soft targets", "distilled", "distilled, paper"]


def test_a_narrow_table_keeps_the_main_figures_and_says_what_gave_way() -> None:
    text = "\n".join(printed(80))
    assert ".0614 ± .0012" in text
    assert "99.6" in text
    assert "-6.123" not in text
    assert "no room for log-likelihood" in " ".join(text.split())


def test_a_wide_table_has_every_column() -> None:
    lines = printed(140)
    header = "\n".join(lines[:2])
    assert all(column.header.split("\n")[-1] in header for column in RESULT_COLUMNS)
    assert not any("no room" in line for line in lines)


def test_metrics_that_were_not_asked_for_have_no_column() -> None:
    rows = [row("full data", None)]
    rows[0]["metrics"] = {"mrr": {"mean": 0.5, "std": 0.0}}
    rows[0]["percent_of_full"] = {}
    text = "\n".join(printed(140, {**RESULT, "rows": rows}))
    assert "MRR" in text
    assert "NDCG" not in text


def test_time_left_is_that_of_recent_units_and_forgets_the_first() -> None:
    clock = Clock()
    pace = Pace(1000, clock)
    clock.now = 60.0  # a slow start
    pace.advance()
    assert pace.left is None
    for _ in range(400):
        clock.now += 1.0
        pace.advance()
    assert pace.left == pytest.approx(599)
    for _ in range(300):
        clock.now += 0.1
        pace.advance()
    assert pace.left == pytest.approx(29.9, rel=0.1)


def test_units_done_together_weigh_as_many() -> None:
    clock = Clock()
    pace = Pace(1000, clock)
    clock.now = 5.0
    pace.advance(100)
    assert pace.left is None
    pace.advance(0)
    assert pace.left is None
    # A second a unit, whether in large pieces or in small ones.
    for units in (200, 1, 9, 40):
        clock.now += units
        pace.advance(units)
    assert pace.left == pytest.approx(650)
    # What is done together at another pace counts for as much as it is.
    clock.now += 500.0
    pace.advance(250)
    assert pace.left == pytest.approx(400 * 2, rel=0.05)


def test_waiting_longer_than_usual_does_not_use_up_the_units_to_come() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    for _ in range(5):
        clock.now += 2.0
        pace.advance()
    clock.now += 1.0
    assert pace.left == pytest.approx(9)
    clock.now += 100.0
    assert pace.left == pytest.approx(8)


def test_without_a_terminal_progress_is_sparse_lines() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = RichProgress(Console(file=stream, width=40), clock)
    with progress.task("training", 100) as task:
        for step in range(1, 41):
            clock.now += 1.0
            task.advance(f"a note that is longer than the width of the console, at {step}")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training: 0/100"
    assert len(lines) == 2 + 40 // LINE_SECONDS
    assert lines[1].startswith("training: 10/100 · 1 min 30 s left · a note")
    assert lines[-1].startswith("training: done in 40 s (40/100) · a note")


def test_bars_leave_one_line_each_and_may_lie_inside_each_other() -> None:
    clock, stream = Clock(), io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=80, force_interactive=True)
    progress = RichProgress(console, clock)
    with progress.task("outer [x]", 2) as outer:
        with progress.task("inner", 1) as inner:
            clock.now += 3.0
            inner.advance("fine")
        outer.advance()
    text = stream.getvalue()
    assert "inner: done in 3.0 s (1/1) · fine\n" in text
    assert "outer [x]: done in 3.0 s (1/2)\n" in text
    assert text.index("inner: done") < text.index("outer [x]: done")


def test_an_error_ends_the_bar_and_is_not_called_done() -> None:
    stream = io.StringIO()
    progress = RichProgress(Console(file=stream, width=80), Clock())

    def work() -> None:
        with progress.task("training", 3) as task:
            task.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert stream.getvalue().splitlines()[-1] == "training: stopped after 0.00 s (1/3)"


def test_json_has_null_where_a_figure_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=True, quiet=False).show({"a": [math.nan, 1.0], "b": -math.inf}, lambda _: None)
    assert capsys.readouterr().out.split() == ["{", '"a":', "[", "null,", "1.0", "],", '"b":', "null", "}"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.423, "0.42 s"),
        (0.999, "1.0 s"),
        (7.31, "7.3 s"),
        (9.99, "10 s"),
        (59.7, "1 min 00 s"),
        (3599.8, "1 h 00 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (42_149, "42.1 kB"), (999_499, "999 kB"), (999_500, "1.00 MB")],
)
def test_size(num_bytes: int, text: str) -> None:
    assert size(num_bytes) == text


def test_fraction_and_count() -> None:
    assert [fraction(x) for x in (0.0614, 1.0, 0.0)] == [".0614", "1.0000", ".0000"]
    assert fraction(-6.1234, 3) == "-6.123"
    assert [count(n, "item") for n in (1, 1349)] == ["1 item", "1,349 items"]
