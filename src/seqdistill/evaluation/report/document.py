"""`comparison.json` as the report reads it.

Everything but the format and the names of rows may be missing or null, and numbers that are not finite count as
missing: a report is also worth reading where a comparison left something out.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from seqdistill.errors import SeqDistillError
from seqdistill.json_values import finite

FORMAT = "seqdistill/comparison"
FORMAT_VERSION = 1

GROUPS = {
    "reference": "References",
    "control": "Controls: what needs no sequences",
    "hard": "Real sequences, hard targets",
    "soft": "The teacher's soft targets",
    "distilled": "Distilled",
}
"""Groups of rows -> heading."""

LOG_LIKELIHOOD = "log_likelihood"

Value = TypeVar("Value")


def _or_empty_dict(value: object) -> object:
    return {} if value is None else value


def _or_empty_list(value: object) -> object:
    return [] if value is None else value


def _or_empty_text(value: object) -> object:
    return "" if value is None else value


Number = Annotated[float | None, BeforeValidator(finite)]
Text = Annotated[str, BeforeValidator(_or_empty_text)]
Section = Annotated[Value, BeforeValidator(_or_empty_dict)]
Named = Annotated[dict[str, Value], BeforeValidator(_or_empty_dict)]
Many = Annotated[list[Value], BeforeValidator(_or_empty_list)]


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")


class Spread(_Part):
    """Mean and standard deviation over learners."""

    mean: Number = None
    std: Number = None


class Interval(_Part):
    """A difference and its 95% interval."""

    mean: Number = None
    low: Number = None
    high: Number = None


class Schedule(_Part):
    """How long and how fast a row's learners trained."""

    learning_rate: Number = None
    steps: Number = None
    optimiser: str | None = None


class Row(_Part):
    """One row of the scoreboard."""

    key: str
    name: str
    group: str
    learner: str | None = None
    regime: str | None = None
    targets: str | None = None
    sequences: Number = None
    size: str | None = None
    seeds: int | None = None
    metrics: Named[Spread | None] = Field(default_factory=dict[str, Spread | None])
    percent_of_full: Named[Number] = Field(default_factory=dict[str, float | None])
    difference: Named[Interval | None] = Field(default_factory=dict[str, Interval | None])
    seconds_train: Number = None
    bytes: Number = None
    schedule: Schedule | None = None

    def mean(self, metric: str) -> float | None:
        """The mean of a metric, where there is one."""
        spread = self.metrics.get(metric)
        return None if spread is None else spread.mean

    @property
    def particulars(self) -> str:
        """`80 (4n) · shared`, or nothing."""
        named = "" if self.size in (None, "n") else f" ({self.size})"
        number = f"{self.sequences:,.0f}{named}" if self.sequences is not None else ""
        return " · ".join(part for part in (number, self.regime) if part)

    @property
    def title(self) -> str:
        """`random sequences, 80 (4n) · shared`: unambiguous within its group."""
        return ", ".join(part for part in (self.name, self.particulars) if part)

    @property
    def whole_title(self) -> str:
        """The title with the kind of targets, where no heading says it: unambiguous among all rows."""
        targets = f"{self.targets} targets" if self.targets and self.group in ("hard", "soft") else ""
        return " · ".join(part for part in (self.title, targets) if part)


class Contest(Interval):
    """A row of the summary minus a row it has to beat."""

    key: Text = ""
    against: Text = ""
    metric: Text = ""


class Measured(Spread):
    """A quality at a number of sequences."""

    sequences: Number = None


class EquivalentCoreset(_Part):
    """How many random real sequences give what the summary gives."""

    regime: Text = ""
    targets: Text = ""
    metric: Text = ""
    relation: Text = "equal"
    sequences: Number = None
    low: Number = None
    high: Number = None
    times_n: Number = None
    measured: Many[Measured] = Field(default_factory=list[Measured])
    summary: Spread | None = None


class Precision(_Part):
    """What an item factor of more or fewer bits keeps."""

    item_factor: Text = ""
    bytes: Number = None
    regime: Text = ""
    metrics: Named[Spread | None] = Field(default_factory=dict[str, Spread | None])


class Seconds(_Part):
    """Where the time went."""

    teacher: Number = None
    distill: Number = None
    train_full: Number = None
    train_summary: Named[Number] = Field(default_factory=dict[str, float | None])


class Costs(_Part):
    """What the summary costs and when it pays."""

    seconds: Section[Seconds] = Field(default_factory=Seconds)
    break_even_trainings: dict[str, Number] | None = None
    peak_mib: Number = None
    precisions: Many[Precision] = Field(default_factory=list[Precision])


class Bucket(_Part):
    """A part of the test users, and how rows rank for them."""

    label: Text = ""
    users: Number = None
    metrics: Named[Named[Number]] = Field(default_factory=dict[str, dict[str, float | None]])


class Breakdown(_Part):
    """Where the quality comes from."""

    history_length: Many[Bucket] = Field(default_factory=list[Bucket])
    popularity: Many[Bucket] = Field(default_factory=list[Bucket])
    coverage: Named[Number] = Field(default_factory=dict[str, float | None])


class Curve(_Part):
    """Quality against training time of one row; each point has `seconds` and metrics."""

    key: Text = ""
    label: Text = ""
    points: Many[Named[Number]] = Field(default_factory=list[dict[str, float | None]])


class Data(_Part):
    """The log."""

    name: Text = ""
    users: Number = None
    items: Number = None
    interactions: Number = None
    log_parquet_bytes: Number = None


class SummaryFacts(_Part):
    """The summary."""

    num_sequences: Number = None
    length: Number = None
    dim: Number = None
    rank: Many[Number] = Field(default_factory=list[float | None])
    targets: Text = ""
    bytes: Named[Number] = Field(default_factory=dict[str, float | None])


class Comparison(_Part):
    """The whole document."""

    command: Text = ""
    versions: Named[Any] = Field(default_factory=dict[str, Any])
    machine: Text = ""
    seed: int | None = None
    seeds: int | None = None
    config: Named[Any] = Field(default_factory=dict[str, Any])
    dataset: Section[Data] = Field(default_factory=Data)
    protocol: Named[Any] = Field(default_factory=dict[str, Any])
    summary: Section[SummaryFacts] = Field(default_factory=SummaryFacts)
    headline_metric: Text = "ndcg@10"
    metrics: Many[str] = Field(default_factory=list[str])
    rows: Many[Row] = Field(default_factory=list[Row])
    contests: Many[Contest] = Field(default_factory=list[Contest])
    equivalent_coresets: Many[EquivalentCoreset] = Field(default_factory=list[EquivalentCoreset])
    costs: Section[Costs] = Field(default_factory=Costs)
    breakdown: Section[Breakdown] = Field(default_factory=Breakdown)
    curves: Many[Curve] = Field(default_factory=list[Curve])
    verdict: Many[str] = Field(default_factory=list[str])

    @property
    def full(self) -> Row | None:
        """The row that is 100%: the one without a difference from full data but with a percentage of 100."""
        exact = [
            row for row in self.rows if row.percent_of_full.get(self.headline_metric) == 100 and not row.difference
        ]
        named = [row for row in self.rows if row.key == "full" or row.name == "full data"]
        return next(iter([*named, *exact]), None)

    def distilled(self, regime: str) -> Row | None:
        """The row of the summary itself in a regime."""
        ours = [row for row in self.rows if row.group == "distilled" and row.regime == regime]
        soft = [row for row in ours if row.targets != "hard"]
        return next(iter([*soft, *ours]), None)

    @property
    def titles(self) -> dict[str, str]:
        """Key -> whole title, of every row."""
        return {row.key: row.whole_title for row in self.rows}

    def telling(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that a plot of a few should show first, then the others.

        Full data and the summary, then of each group, kind of targets and regime the first row, as large as the
        summary if it has a size.
        """
        given = list(keys)
        leading = [row.key for row in (self.full, self.distilled("shared"), self.distilled("fresh")) if row is not None]
        kinds: dict[tuple[str | None, ...], str] = {}
        for group in ("hard", "soft", "control"):
            for row in self.rows:
                if row.group == group and row.size in (None, "n"):
                    kinds.setdefault((group, row.regime), row.key)
        ordered = [key for key in (*leading, *kinds.values()) if key in given]
        return list(dict.fromkeys([*ordered, *given]))

    def equivalents(self, regime: str) -> list[EquivalentCoreset]:
        """The equivalent coresets of a regime in the headline metric, or in what there is."""
        found = [one for one in self.equivalent_coresets if one.regime == regime]
        in_headline = [one for one in found if one.metric == self.headline_metric]
        return in_headline or [one for one in found if one.metric == found[0].metric]

    def percent(self, row: Row, metric: str) -> tuple[float | None, float | None, float | None]:
        """(percent of full data, low and high end of its 95% interval), each None where it is not known."""
        whole = self.full.mean(metric) if self.full is not None else None
        value = row.percent_of_full.get(metric)
        interval = row.difference.get(metric)
        if not whole or interval is None or interval.low is None or interval.high is None:
            return value, None, None
        return value, 100 * (whole + interval.low) / whole, 100 * (whole + interval.high) / whole


def headings(rows: Iterable[Row]) -> dict[str, str]:
    """Group -> heading, in the order in which the groups come."""
    return {row.group: GROUPS.get(row.group, row.group) for row in rows}


def read_comparison(document: dict[str, Any]) -> Comparison:
    """Read a comparison.

    Raises:
        SeqDistillError: it is none, of another version, or something in it is of the wrong kind.
    """
    if document.get("format") != FORMAT:
        raise SeqDistillError(f"the document is no comparison ({document.get('format')!r}); give a comparison.json")
    if document.get("format_version") != FORMAT_VERSION:
        raise SeqDistillError(
            f"the comparison has format {document.get('format_version')!r}, this release reads {FORMAT_VERSION};"
            " compare again"
        )
    try:
        return Comparison.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SeqDistillError(f"the comparison cannot be read at {where}: {first['msg']}; compare again") from error
