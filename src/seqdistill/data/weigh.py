"""What a log weighs: its size as zstd parquet, which is what a summary's bytes are compared with."""

import io

import polars as pl

from seqdistill.data.blocks import BLOCK_ROWS
from seqdistill.data.ids import narrowest
from seqdistill.data.intake import RawLog


def log_bytes(raw: RawLog) -> int:
    """Size of a log that has been read, in parquet files of `BLOCK_ROWS` rows each."""
    total = 0
    for begin, users in raw.users.blocks(BLOCK_ROWS):
        end = begin + len(users)
        columns = {
            "user": raw.user_ids.values(raw.user_ids.places(users)),
            "item": raw.item_ids.values(raw.item_ids.places(raw.items.read(begin, end))),
        }
        if raw.times is not None:
            columns["time"] = narrowest(pl.Series(raw.times.read(begin, end)))
        buffer = io.BytesIO()
        pl.DataFrame(columns).write_parquet(buffer, compression="zstd")
        total += buffer.getbuffer().nbytes
    return total
