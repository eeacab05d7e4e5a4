import math

import polars as pl
import pytest
import torch

from seqdistill import inspection
from seqdistill.inspection import describe, sharpness, top_items
from seqdistill.summary import Factors, Summary

NUM_ITEMS = 7


def summary(targets: str = "separate") -> Summary:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    width = 10 if targets == "separate" else 5
    factors = Factors(normal(3, 2), normal(4, 3), normal(2, 3, width))
    ids = pl.Series("item_id", [f"item {row}" for row in range(NUM_ITEMS)])
    return Summary(factors, normal(NUM_ITEMS, 5), ids, "separate" if targets == "separate" else "tied")


def test_sharpness_of_a_known_distribution() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    sharp = sharpness(probabilities.log(), torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(sharp.entropy, torch.tensor([1.5 * math.log(2), math.log(3)], dtype=torch.float64))
    assert sharp.top_mass.tolist() == pytest.approx([0.5, 1 / 3])
    assert sharp.top_item[0] == 0


def test_sharpness_of_certainty_is_zero_and_not_nan() -> None:
    sharp = sharpness(torch.tensor([[1e6, 0.0]]), torch.eye(2))
    assert sharp.entropy.tolist() == [0.0]
    assert sharp.top_mass.tolist() == [1.0]


@pytest.mark.parametrize("limit", [1, NUM_ITEMS, 3 * NUM_ITEMS + 1])
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    whole = describe(summary())
    monkeypatch.setattr(inspection, "MAX_PROBABILITIES", limit)
    chunked = describe(summary())
    assert chunked["examples"][0][0]["reads"][0]["item"] == whole["examples"][0][0]["reads"][0]["item"]
    assert chunked["inputs"]["entropy"] == pytest.approx(whole["inputs"]["entropy"], rel=1e-6)
    assert chunked["targets"]["by_position"]["top_mass"] == pytest.approx(
        whole["targets"]["by_position"]["top_mass"], rel=1e-6
    )


@pytest.mark.parametrize("targets", ["separate", "tied"])
def test_figures_are_those_of_the_materialised_distributions(targets: str) -> None:
    held = summary(targets)
    document = describe(held, sequences=2, top=3)
    p = held.distributions()
    read = p[:, :-1] if targets == "tied" else p
    entropy = -(read * read.log()).sum(-1)
    figures = document["inputs"]
    assert figures["by_position"]["entropy"] == pytest.approx(entropy.mean(0).tolist(), rel=1e-5)
    assert figures["effective_items"] == pytest.approx(float(entropy.mean().exp()), rel=1e-5)
    assert figures["top_mass"] == pytest.approx(float(read.max(-1).values.mean()), rel=1e-5)
    distinct = {int(v) for v in read.argmax(-1).flatten()}
    assert figures["distinct_top_items"] == len(distinct)
    assert figures["catalogue_coverage"] == len(distinct) / NUM_ITEMS

    named = document["examples"][1][2]["reads"]
    expected = read[1, 2].topk(3)
    assert [item["item"] for item in named] == [f"item {v}" for v in expected.indices.tolist()]
    assert [item["mass"] for item in named] == pytest.approx(expected.values.tolist(), rel=1e-5)
    if targets == "tied":
        assert [i["item"] for i in document["examples"][0][0]["predicts"]] == [
            i["item"] for i in document["examples"][0][1]["reads"]
        ]


def test_sizes_add_up() -> None:
    held = summary()
    sizes = describe(held)["bytes"]
    assert sizes["user"] == 3 * 2 * 4
    assert sizes["core"] == 2 * 3 * 10 * 4
    assert sizes["item_ids"] == NUM_ITEMS * len("item 0")
    assert sum(size for part, size in sizes.items() if part != "total") == sizes["total"] == held.size_bytes()


def test_more_than_there_is_gives_all_there_is() -> None:
    document = describe(summary(), sequences=100, top=100)
    assert len(document["examples"]) == 3
    masses = [item["mass"] for item in document["examples"][0][0]["predicts"]]
    assert len(masses) == NUM_ITEMS
    assert sum(masses) == pytest.approx(1)
    assert masses == sorted(masses, reverse=True)
    assert describe(summary(), sequences=0)["examples"] == []


def test_top_items_keep_the_shape_of_the_queries() -> None:
    masses, rows = top_items(torch.zeros(2, 3, 4, 5), torch.randn(NUM_ITEMS, 5), 2)
    assert masses.shape == rows.shape == (2, 3, 4, 2)
