import pytest
import torch
from torch import Tensor

from seqdistill.learners import BERT4Rec, Learner, SASRec
from seqdistill.views import Asked, ask, begin_late, draws_per_sequence


class Ends(Learner):
    """A learner of prefixes; what it computes does not matter here."""

    view = "prefix"
    dim, length = 4, 10

    def forward(self, embedded: Tensor, mask: Tensor, at: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def reset_parameters(self) -> None:
        raise NotImplementedError


LENGTHS = torch.tensor([10, 3, 1, 7])
PRESENT = torch.arange(10) < LENGTHS[:, None]


def drawn(learner: Learner, *, whole: float = 0.5) -> list[Asked]:
    rng = torch.Generator().manual_seed(0)
    return [ask(learner, PRESENT, rng, whole=whole) for _ in range(400)]


def test_a_causal_learner_is_asked_for_everything_and_nothing_is_drawn() -> None:
    rng = torch.Generator().manual_seed(0)
    before = rng.get_state()
    asked = ask(SASRec(4, 10), PRESENT, rng)
    assert asked.at is None
    assert torch.equal(asked.mask, PRESENT)
    assert torch.equal(asked.counted, PRESENT)
    assert torch.equal(rng.get_state(), before)


@pytest.mark.parametrize(("learner", "whole"), [(Ends(), 0.5), (BERT4Rec(4, 10), 0.0)], ids=["prefix", "masked"])
def test_prefixes_end_uniformly_in_their_sequence_and_are_asked_for_there(learner: Learner, whole: float) -> None:
    ends = torch.zeros(4, 10)
    for asked in drawn(learner, whole=whole):
        assert asked.at is not None
        assert torch.equal(asked.mask.sum(1), asked.at[:, 0] + 1)
        assert torch.equal(asked.mask, torch.arange(10) <= asked.at)
        assert asked.counted.all()
        ends += torch.nn.functional.one_hot(asked.at[:, 0], 10)
    assert (ends[~PRESENT] == 0).all()
    share = ends / 400
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(share[row, :length], torch.full((length,), 1 / length), atol=0.08, rtol=0)


def test_masked_views_ask_for_a_share_of_the_whole_or_for_the_end_of_a_prefix() -> None:
    learner = BERT4Rec(4, 10, mask_ratio=0.3)
    whole = torch.zeros(4)
    for asked in drawn(learner):
        assert asked.at is not None
        for row, length in enumerate(LENGTHS.tolist()):
            positions = asked.at[row][asked.counted[row]].tolist()
            assert len(set(positions)) == len(positions)
            assert set(asked.at[row].tolist()) == set(positions)
            if asked.mask[row].sum() == length and len(positions) == max(1, round(0.3 * length)):
                assert max(positions) < length
                whole[row] += 1
            else:
                assert positions == [int(asked.mask[row].sum()) - 1]
    # The longest row cannot be taken for the other view unless that is a whole prefix, which asks for one.
    assert 0.42 <= whole[0] / 400 <= 0.58


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_sequence_begins_late_so_often_and_anywhere_and_stays_in_order(share: float) -> None:
    rng = torch.Generator().manual_seed(0)
    firsts = torch.zeros(4, 10)
    values = torch.arange(40).view(4, 10)
    for _ in range(600):
        begun = begin_late(PRESENT, share, rng)
        for row, length in enumerate(LENGTHS.tolist()):
            first = int(begun.places[row, 0])
            left = length - first
            assert begun.present[row].tolist() == [True] * left + [False] * (10 - left)
            assert begun.of(values)[row, :left].tolist() == list(range(10 * row + first, 10 * row + length))
            firsts[row, first] += 1
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = torch.full((length,), share / length)
        wanted[0] += 1 - share
        torch.testing.assert_close(firsts[row, :length] / 600, wanted, atol=0.06, rtol=0)


def test_vectors_go_where_their_positions_go() -> None:
    vectors = torch.randn(4, 10, 3)
    begun = begin_late(PRESENT, 1.0, torch.Generator().manual_seed(1))
    for part in range(3):
        assert torch.equal(begun.of(vectors)[..., part], begun.of(vectors[..., part]))


@pytest.mark.parametrize("learner", [SASRec(4, 10), Ends(), BERT4Rec(4, 10)], ids=["causal", "prefix", "masked"])
def test_select_takes_what_is_counted(learner: Learner) -> None:
    values = torch.arange(40).view(4, 10)
    asked = ask(learner, PRESENT, torch.Generator().manual_seed(1), whole=0.5)
    at = torch.arange(10).expand(4, 10) if asked.at is None else asked.at
    expected = [
        int(values[r, p]) for r in range(4) for p, counts in zip(at[r], asked.counted[r], strict=True) if counts
    ]
    assert asked.select(values).tolist() == expected
    wide = asked.select(torch.stack([values, -values], dim=-1))
    assert wide.tolist() == [[v, -v] for v in expected]


def test_few_sequences_are_seen_in_several_views_at_once() -> None:
    assert draws_per_sequence(SASRec(4, 10), 20) == 1
    assert draws_per_sequence(Ends(), 20) == 6
    assert draws_per_sequence(BERT4Rec(4, 10), 5000) == 1
