from typing import Literal

import numpy as np
import polars as pl
import pytest

from seqdistill.data.times import Clock, TimeReader, Unit
from seqdistill.errors import SeqDistillError

NOON = 1_704_110_400
"""2024-01-01 12:00:00 UTC."""


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01 12:00:00",
        "2024-01-01T12:00",
        "2024-01-01T12:00:00.000",
        "2024-01-01T12:00:00Z",
        "2024-01-01 12:00:00 UTC",
        "2024-01-01T14:00:00+02:00",
        "2024-01-01 07:00:00-0500",
        " 2024-01-01 12:00:00,000 ",
    ],
)
def test_text_is_read_as_utc(value: str) -> None:
    reader = TimeReader()
    # A log may mix several ways of writing.
    read = reader.read(pl.Series([value, "2024-01-02", None, "soon", "2024-01-01 12:00:00.000001"]))
    assert read.to_list() == [NOON * 10**6, (NOON + 43_200) * 10**6, None, None, NOON * 10**6 + 1]
    assert reader.unit == "us"


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_tables(unit: Literal["ms", "us", "ns"]) -> None:
    naive = pl.Series([NOON * 1000, None]).cast(pl.Datetime("ms")).cast(pl.Datetime(unit))
    for raw in (naive, naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")):
        reader = TimeReader()
        read = reader.read(raw)
        assert Clock(reader.unit).text(float(read[0])) == "2024-01-01 12:00:00"
        assert read[1] is None
    reader = TimeReader()
    assert Clock(reader.unit or "us").text(float(reader.read(naive.dt.date())[0])) == "2024-01-01"


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        ([NOON, NOON + 1, -5], "s", "2024-01-01 12:00:00"),
        ([NOON * 1000], "ms", "2024-01-01 12:00:00"),
        ([NOON * 10**6], "us", "2024-01-01 12:00:00"),
        ([NOON * 10**9], "ns", "2024-01-01 12:00:00"),
        ([1, 5, 11], None, "1"),
    ],
)
def test_the_unit_of_numbers_is_told_by_their_size(values: list[int], unit: Unit | None, said: str) -> None:
    for raw in (pl.Series(values), pl.Series([str(value) for value in values]), pl.Series(values, dtype=pl.Float64)):
        reader = TimeReader()
        assert reader.read(raw).to_list() == values
        assert reader.unit == unit
    assert Clock(unit).text(values[0]) == said


def test_numbers_keep_their_precision_and_what_is_none_is_null() -> None:
    assert TimeReader().read(pl.Series(["9007199254740993"])).to_list() == [9007199254740993]
    assert TimeReader().read(pl.Series(["1.5", "nan", "inf", "", "x", None])).to_list() == [1.5, *[None] * 5]


def test_the_kind_of_the_first_value_holds() -> None:
    reader = TimeReader()
    assert reader.read(pl.Series([None, "2024-01-01"])).to_list()[0] is None
    assert reader.read(pl.Series(["7"])).to_list() == [None]
    reader = TimeReader()
    reader.read(pl.Series(["7"]))
    assert reader.read(pl.Series(["2024-01-01"])).to_list() == [None]


def test_moments_in_the_unit_of_the_log() -> None:
    assert Clock("ms").number("2024-01-01T12:00", "x") == NOON * 1000
    assert Clock("s").number("2024-01-01T14:00:00.5+02:00", "x") == NOON + 0.5
    assert Clock("s").number(5, "x") == Clock(None).number("5", "x") == 5
    with pytest.raises(SeqDistillError, match=r"data.test_from = 'soon' is no date"):
        Clock("s").number("soon", "data.test_from")
    with pytest.raises(SeqDistillError, match="plain numbers"):
        Clock(None).number("2024-01-01", "data.test_from")
    assert Clock("s").text(np.inf) == "inf"
