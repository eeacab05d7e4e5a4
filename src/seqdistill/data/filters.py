"""Filters of a log that come before the order and the split. Each says what it removed."""

import polars as pl


def single_pass_core(rows: pl.DataFrame, min_count: int) -> tuple[pl.DataFrame, str]:
    """Drop the items and the users with fewer than `min_count` rows.

    Both are counted on the log as it comes, once: an item that falls below the threshold because some of its users went
    stays. The papers filter like this and call it 5-core; it removes less than the core that is iterated to its end.

    Args:
        rows: a log with the columns user and item.
        min_count: smallest number of rows that is kept; 1 or less keeps everything.

    Returns:
        The rows that are left, in their order, and a line that says what was removed.
    """
    often = [pl.len().over(column) >= min_count for column in ("user", "item")]
    kept = rows.filter(pl.all_horizontal(often))
    removed = ", ".join(
        f"{before - after:,} of {before:,} {what}"
        for what, before, after in (
            ("rows", len(rows), len(kept)),
            ("users", rows["user"].n_unique(), kept["user"].n_unique()),
            ("items", rows["item"].n_unique(), kept["item"].n_unique()),
        )
    )
    return kept, f"users and items with fewer than {min_count} rows dropped in one pass: {removed} removed"
