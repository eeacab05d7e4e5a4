"""Real logs of the layouts that people have, where they lie beside the checkout; they are not ours to ship."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logs import refusal
from seqdistill.data import load_dataset

FOLDER = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no logs beside the checkout")


@pytest.mark.parametrize(
    ("path", "settings", "users", "items", "rows", "lengths"),
    [
        ("ml-1m/ml-1m.seq.txt.gz", {}, 6_040, 3_706, 1_000_209, (20, 96, 2314)),
        ("magazine/Magazine_Subscriptions_2018.inter.gz", {}, 72_098, 2_428, 89_689, (1, 1, 55)),
        ("s3rec/Beauty.txt.gz", {}, 22_363, 12_101, 198_502, (5, 6, 204)),
        ("sessions/retailrocket.train.txt.gz", {"format": "sessions"}, 126_168, 36_968, 685_984, (3, 4, 285)),
        ("sessions/retailrocket.test.txt.gz", {"format": "sessions"}, 4_735, None, 24_602, None),
        ("globo/globo.inter.gz", {}, 322_897, 46_033, 2_988_181, (2, 4, 1232)),
        ("epinions/epinions_tang.inter.gz", {}, 22_164, 296_277, 922_267, (1, 19, 5357)),
    ],
)
def test_counts(
    path: str,
    settings: dict[str, Any],
    users: int,
    items: int | None,
    rows: int,
    lengths: tuple[int, int, int] | None,
) -> None:
    dataset = load_dataset(FOLDER / path, min_count=1, **settings)
    assert (dataset.num_users, dataset.num_interactions) == (users, rows)
    assert items in (None, dataset.num_items)
    found = np.diff(dataset.offsets)
    assert lengths in (None, (found.min(), int(np.median(found)), found.max()))


def test_logs_that_need_a_choice_name_it() -> None:
    assert "--set data.format=sessions" in refusal(FOLDER / "sessions" / "retailrocket.train.txt.gz")
    magazine = FOLDER / "magazine" / "Magazine_Subscriptions_2018.inter.gz"
    with pytest.raises(
        Exception, match=r"data\.min_item_count=3 --set data\.min_user_count=5 --set data\.filter=items"
    ):
        load_dataset(magazine)
    chosen = load_dataset(magazine, min_item_count=3, min_user_count=5, filter="items-first")
    assert (chosen.num_users, chosen.num_items, chosen.num_interactions) == (658, 894, 4_720)


def test_a_split_by_time_leaves_the_last_days_to_the_test() -> None:
    dataset = load_dataset(
        FOLDER / "globo" / "globo.inter.gz", split="time", validation_from="2017-10-14", test_from="2017-10-15"
    )
    times = dataset.times
    assert times is not None
    assert dataset.split.details["test_from"] == "2017-10-15"
    assert (times[dataset.split.test] >= 1_508_025_600_000).all()
    assert len(dataset.held_out_users("test")) > 1000
