"""What the project has to show, and whether the figures that are kept show it."""

from collections.abc import Callable
from dataclasses import dataclass

from seqdistill.readable import duration, fraction
from studies.book import METRIC, TEN, TUNED, Book, Scoreboard
from studies.markdown import table

AUTHORS = {"ml-100k": (30, 50), "ml-1m": (50, 50), "magazine": (30, 20)}
"""n and l that the authors of TD3 give for a log."""

NOT_MEASURED = "not measured"
MINUTES = {"ml-100k": 8, "ml-1m": 45}
"""Most minutes that teacher and distillation of the default recipe may take, on 2 cores."""

OTHERS = {"gru4rec": "GRU4Rec", "narm": "NARM", "bert4rec": "BERT4Rec"}


@dataclass(frozen=True)
class Finding:
    """What one cell says.

    Attributes:
        text: the figure.
        met: whether it is what was demanded; None where nothing was, or nothing was measured.
        measured: whether there is a figure.
    """

    text: str
    met: bool | None = None
    measured: bool = True

    @property
    def cell(self) -> str:
        """As it stands in the table."""
        if self.met is None:
            return self.text
        return f"**{self.text}**, met" if self.met else f"{self.text}, not met"


NOTHING = Finding(NOT_MEASURED, measured=False)


@dataclass(frozen=True)
class Demand:
    """A line of the table.

    Attributes:
        name: what is demanded.
        least: how much, in words.
        find: the name of a log's study -> what there is.
    """

    name: str
    least: str
    find: Callable[[str], Finding]


def demands_table(book: Book, *, ten: bool) -> str:
    """The demands at the default size, or at ten sequences, one column a log."""
    names = _names(book, ten=ten)
    lines = [
        [demand.name, demand.least, *(demand.find(name).cell for name in names)]
        for demand in [_sizes(book), *_demands(book, ten=ten)]
    ]
    return table(["what", "demanded", *book.logs], lines, numeric=False)


def counted(book: Book) -> str:
    """How many cells are met, in a sentence."""
    cells = [cell for ten in (False, True) for _, _, cell in _cells(book, ten=ten)]
    met, failed = (sum(cell.met is verdict for cell in cells) for verdict in (True, False))
    absent = sum(not cell.measured for cell in cells)
    return (
        f"Of {len(cells)} cells, {met} are met, {failed} are not, {len(cells) - met - failed - absent} are reported or "
        f"not told apart, and {absent} are not measured."
    )


def over_all_logs(book: Book, regime: str) -> str:
    """On how many logs the summary of the default recipe beats the best soft-target sequences, in a sentence."""
    found = [one for log in book.logs if (one := _contest(book, regime, tie=None)(log)).measured]
    if not found:
        return f"In the {regime} regime this is not measured."
    beaten, lost = (sum(one.met is verdict for one in found) for verdict in (True, False))
    holds = "met" if beaten >= 3 and not lost else "not met"
    return (
        f"In the {regime} regime the summary beats the best as many soft-target sequences on {beaten} of {len(found)} "
        f"measured logs and loses on {lost}; three and none are demanded: {holds}."
    )


def failures(book: Book) -> list[str]:
    """A line for each demand that is not met."""
    return [
        f"{name}: {demand.name}, {finding.text}; demanded: {demand.least}"
        for ten in (False, True)
        for name, demand, finding in _cells(book, ten=ten)
        if finding.met is False
    ]


def _cells(book: Book, *, ten: bool) -> list[tuple[str, Demand, Finding]]:
    return [(name, demand, demand.find(name)) for demand in _demands(book, ten=ten) for name in _names(book, ten=ten)]


def _names(book: Book, *, ten: bool) -> list[str]:
    return [f"{log}{TEN}" if ten else log for log in book.logs]


def _demands(book: Book, *, ten: bool) -> list[Demand]:
    shared, fresh, other, times = (97, 92, 92, 50) if ten else (102, 98, 97, 20)
    lines = [
        Demand(f"SASRec, {regime}, {metric.upper()}", f"{least}%", _percent(book, f"distilled/{regime}", metric, least))
        for regime, least in (("shared", shared), ("fresh", fresh))
        for metric in (METRIC, "hr@10")
    ]
    lines += [
        Demand(f"{title}, better regime, NDCG@10", f"{other}%", _architecture(book, learner, other))
        for learner, title in OTHERS.items()
    ]
    beaten = "interval above 0" if ten else "interval not below 0, above on three logs"
    lines += [
        Demand(
            f"minus the best as many soft-target sequences, {regime}",
            beaten,
            _contest(book, regime, tie=False if ten else None),
        )
        for regime in ("shared", "fresh")
    ]
    lines.append(Demand("random sequences it is worth, hard targets, shared", f"{times} n", _equivalent(book, times)))
    if not ten:
        lines += [
            Demand(f"as in the paper, {regime}, NDCG@10", "reported", _percent(book, f"paper/{regime}", METRIC, None))
            for regime in ("shared", "fresh")
        ]
        lines += [
            Demand(f"minus the hand-tuned recipe, {regime}, NDCG@10", "-2 points", _tuned(book, regime))
            for regime in ("shared", "fresh")
        ]
        lines.append(Demand("teacher and distillation", "8 min, 45 min", _time(book)))
    return lines


def _sizes(book: Book) -> Demand:
    def find(name: str) -> Finding:
        held = book.scoreboard(name)
        if held is None:
            return NOTHING
        n, length = (
            round(value or 0) for value in (held.comparison.summary.num_sequences, held.comparison.summary.length)
        )
        authors = AUTHORS.get(held.study.data)
        if authors is None:
            return Finding(f"{n} x {length}")
        larger = n > authors[0] or length > authors[1]
        return Finding(f"{n} x {length} ({'larger than ' if larger else ''}authors' {authors[0]} x {authors[1]})")

    return Demand("sequences x positions", "", find)


def _percent(book: Book, key: str, metric: str, least: float | None) -> Callable[[str], Finding]:
    def find(name: str) -> Finding:
        held = book.scoreboard(name)
        value = None if held is None else held.percent(key, metric)
        if value is None:
            return NOTHING
        return Finding(_share(value, least), None if least is None else value >= least)

    return find


def _tuned(book: Book, regime: str) -> Callable[[str], Finding]:
    """Against the study of the same log whose settings were sought by hand."""

    def find(name: str) -> Finding:
        default, tuned = (book.scoreboard(study) for study in (name, f"{name}{TUNED}"))
        shares = [None if one is None else one.percent(f"distilled/{regime}") for one in (default, tuned)]
        if shares[0] is None or shares[1] is None:
            return NOTHING
        points = shares[0] - shares[1]
        return Finding(f"{points:+.1f} points", points >= -2)

    return find


def _architecture(book: Book, learner: str, least: float) -> Callable[[str], Finding]:
    def find(name: str) -> Finding:
        found = book.cross_of(name, learner)
        if found is None:
            return NOTHING
        ours = [row for row in found["rows"] if row["key"] in ("distilled/shared", "distilled/fresh")]
        best = max(ours, key=lambda row: row["percent_of_full"][METRIC])
        value = best["percent_of_full"][METRIC]
        return Finding(f"{_share(value, least)} ({best['regime']})", value >= least)

    return find


def _contest(book: Book, regime: str, *, tie: bool | None) -> Callable[[str], Finding]:
    def find(name: str) -> Finding:
        held = book.scoreboard(name)
        best = None if held is None else held.best_soft(regime)
        if held is None or best is None:
            return NOTHING
        for one in held.comparison.contests:
            if (one.key, one.against) == (f"distilled/{regime}", best.key) and None not in (
                one.mean,
                one.low,
                one.high,
            ):
                mean, low, high = one.mean or 0.0, one.low or 0.0, one.high or 0.0
                text = f"{_signed(mean)} ({_signed(low)} to {_signed(high)}) against {best.name}"
                return Finding(text, True if low > 0 else False if high < 0 else tie)
        return Finding(f"no interval against {best.name}", measured=False)

    return find


def _equivalent(book: Book, times: float) -> Callable[[str], Finding]:
    def find(name: str) -> Finding:
        held = book.scoreboard(name)
        for one in [] if held is None else held.comparison.equivalents("shared"):
            if one.targets == "hard" and one.metric == METRIC and one.times_n is not None:
                relation = "" if one.relation == "equal" else f"{one.relation} "
                return Finding(f"{relation}{one.times_n:.1f} n", one.times_n >= times and one.relation != "less than")
        return NOTHING

    return find


def _time(book: Book) -> Callable[[str], Finding]:
    def find(name: str) -> Finding:
        held = book.scoreboard(name)
        seconds = None if held is None else held.comparison.costs.seconds
        if held is None or seconds is None or seconds.teacher is None or seconds.distill is None:
            return NOTHING
        spent, most = seconds.teacher + seconds.distill, MINUTES.get(held.study.data)
        text = f"{duration(spent)} ({duration(seconds.distill)} without the teacher)"
        return Finding(text, None if most is None else spent <= 60 * most)

    return find


def best_soft_percent(held: Scoreboard) -> float | None:
    """Of full data, by the best as many sequences with soft targets in either regime."""
    rows = [row for regime in ("shared", "fresh") if (row := held.best_soft(regime)) is not None]
    return max((row.percent_of_full.get(METRIC) or 0.0 for row in rows), default=None)


def _share(value: float, least: float | None) -> str:
    """A percentage with as many decimals, one at least, as keep one that falls short from reading like the mark."""
    decimals = 1
    while least is not None and value < least <= round(value, decimals):
        decimals += 1
    return f"{value:.{decimals}f}%"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{fraction(abs(value))}"
