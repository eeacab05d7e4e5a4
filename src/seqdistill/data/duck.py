"""Ids that do not fit in memory: DuckDB finds the distinct ones, sorts them and looks the rows' ids up, all on disk.

What comes out is what `ids.Interner` would have given, to the byte.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from seqdistill.data.ids import Codes, IdTable, narrowest
from seqdistill.data.spill import Column
from seqdistill.errors import SeqDistillError


def require_duckdb(source: str, num_bytes: int) -> None:
    """Make sure that DuckDB can be used.

    Args:
        source: the log, for the message.
        num_bytes: what preparing may hold.

    Raises:
        SeqDistillError: it is not installed.
    """
    if find_spec("duckdb") is None:
        raise SeqDistillError(
            f"{source}: its ids do not fit in half of the {num_bytes / 1e9:.2g} GB that preparing may hold; raise"
            " --memory (data.memory), or let DuckDB keep them on disk: pip install 'seqdistill[duckdb]'"
        )


@dataclass(frozen=True, eq=False)
class StoredIds:
    """An `IdTable` in a parquet file whose rows are in order.

    Attributes:
        path: the file, one String column `id`.
        count: its rows.
        narrow: integer type that holds all ids exactly; None where they are no whole numbers.
    """

    path: Path
    count: int
    narrow: pl.DataType | None

    def __len__(self) -> int:
        return self.count

    def places(self, codes: Codes) -> Codes:
        """See `IdTable.places`; the codes are the places already."""
        return codes

    def texts(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """See `IdTable.texts`."""
        wanted, back = np.unique(places, return_inverse=True)
        table = pl.scan_parquet(self.path).with_row_index("place")
        chosen = pl.LazyFrame({"place": wanted.astype(np.uint32)})
        found = table.join(chosen, on="place", how="semi", maintain_order="left").select("id").collect()
        return found["id"].gather(back)

    def values(self, places: npt.NDArray[np.integer]) -> pl.Series:
        """See `IdTable.values`."""
        texts = self.texts(places)
        return texts if self.narrow is None else texts.cast(pl.Int64).cast(self.narrow)


class DuckCoder:
    """An `IdCoder` that remembers no id.

    Args:
        codes: an empty uint32 column.
        folder: does not exist yet; for the ids of all rows and what DuckDB writes.
        num_bytes: what DuckDB may hold.
    """

    num_bytes = 0

    def __init__(self, codes: Column, folder: Path, num_bytes: int) -> None:
        folder.mkdir()
        self._codes = codes
        self._folder = folder
        self._num_bytes = num_bytes
        self._rows = 0
        self._parts = 0

    def add(self, ids: pl.Series) -> None:
        """See `IdCoder.add`."""
        part = pl.DataFrame({"id": ids}).with_row_index("row", offset=self._rows)
        part = part.with_columns(pl.col("row").cast(pl.Int64))
        part.write_parquet(self._folder / f"part-{self._parts:06}.parquet", compression="lz4")
        self._rows += len(ids)
        self._parts += 1

    def finish(self) -> tuple[Column, IdTable]:
        """See `IdCoder.finish`."""
        import duckdb  # noqa: PLC0415 - an extra

        parts = _literal(self._folder / "part-*.parquet")
        ordered, coded = self._folder / "ids.parquet", self._folder / "codes.parquet"
        with duckdb.connect(str(self._folder / "ids.duckdb")) as connection:
            connection.execute(f"SET memory_limit = '{self._num_bytes // 1_000_000}MB'")
            connection.execute(f"SET temp_directory = {_literal(self._folder / 'spill')}")
            connection.execute("SET enable_progress_bar = false")
            connection.execute(f"CREATE TABLE ids AS SELECT DISTINCT id FROM read_parquet({parts})")
            facts = connection.execute(
                "SELECT count(*), coalesce(bool_and(coalesce(TRY_CAST(id AS BIGINT)::VARCHAR = id, false)), false),"
                " min(TRY_CAST(id AS BIGINT)), max(TRY_CAST(id AS BIGINT)) FROM ids"
            ).fetchone()
            assert facts is not None
            count, whole, least, most = facts
            key = "TRY_CAST(id AS BIGINT)" if whole else "id"
            connection.execute(f"COPY (SELECT id FROM ids ORDER BY {key}) TO {_literal(ordered)} (FORMAT parquet)")
            connection.execute(
                f"COPY (SELECT CAST(place AS UINTEGER) AS code FROM read_parquet({parts}) AS rows JOIN"
                f" (SELECT id, file_row_number AS place FROM read_parquet({_literal(ordered)}, file_row_number = true))"
                f" AS ids USING (id) ORDER BY rows.row) TO {_literal(coded)} (FORMAT parquet)"
            )
        for batch in pl.scan_parquet(coded).collect_batches(chunk_size=1 << 20, maintain_order=True):
            self._codes.append(batch["code"].to_numpy())
        narrow = narrowest(pl.Series([least, most], dtype=pl.Int64)).dtype if whole else None
        return self._codes, StoredIds(ordered, count, narrow)


def _literal(path: Path) -> str:
    """A path as a string of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
