"""What a prepared folder holds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from seqdistill.artifacts import Manifest, Strict
from seqdistill.artifacts.manifest import Count, Digest
from seqdistill.config import DataConfig
from seqdistill.data.splits import SplitName

KIND = "dataset"
FORMAT_VERSION = 1

ITEMS = "items.npy"
"""int64 [interactions]: items by number, user after user, oldest first."""
OFFSETS = "offsets.npy"
"""int64 [users + 1]: where each user's items begin."""
TIMES = "times.npy"
"""int64 or float64 [interactions]; there only if the log has times."""
TRAINING_ENDS = "training_ends.npy"
"""int64 [users]: where each user's training part ends."""
VALIDATION = "validation.npy"
"""int64: where the validation targets stand."""
TEST = "test.npy"
"""int64: where the test targets stand."""
USER_IDS = "users.parquet"
"""The users' ids, one String column `id`; the first is user 0."""
ITEM_IDS = "items.parquet"
"""The items' ids, one String column `id`; the first is item 1."""
IDS = "id"

REQUIRED = {ITEMS, OFFSETS, TRAINING_ENDS, VALIDATION, TEST, USER_IDS, ITEM_IDS}


class LogEntry(Strict):
    """The log as it came."""

    rows: Count
    users: Count
    items: Count
    sha256: Annotated[str, Field(max_length=64)]
    parquet_bytes: Count


class Counts(Strict):
    """What was kept of it, which the lengths of all arrays follow from."""

    interactions: Annotated[Count, Field(ge=1)]
    users: Annotated[Count, Field(ge=1)]
    items: Annotated[Count, Field(ge=1)]
    validation: Count
    test: Count

    @property
    def lengths(self) -> dict[str, int]:
        """File -> length of its array."""
        return {
            ITEMS: self.interactions,
            TIMES: self.interactions,
            OFFSETS: self.users + 1,
            TRAINING_ENDS: self.users,
            VALIDATION: self.validation,
            TEST: self.test,
        }


class SplitEntry(BaseModel):
    """The split, and figures about it."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: SplitName


class DatasetManifest(Manifest):
    """The manifest of a prepared folder, format 1."""

    name: str
    source: str
    command: str
    settings: DataConfig
    log: LogEntry
    counts: Counts
    time_unit: str | None
    split: SplitEntry
    has_repeats: bool
    fingerprint: Digest
    notes: list[str]
