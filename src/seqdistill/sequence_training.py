"""Fit a recommender to a few sequences, synthetic or real.

They are one batch, their targets may be distributions, and the cross-entropy at every position is minimised by the
steps of `soap`. Learners that cannot answer for all positions at once are asked as `views` says.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from seqdistill.config import LearnerConfig, Regime
from seqdistill.errors import SeqDistillError
from seqdistill.learners import Recommender, build_learner
from seqdistill.prediction_loss import Targets, prediction_loss
from seqdistill.seeding import derive_seed, seeded
from seqdistill.sequences import EVERY, Embedder, Rows, Sequences
from seqdistill.soap import optimiser_of
from seqdistill.summary import Schedule
from seqdistill.training import CPU
from seqdistill.views import ask, begin_late, draws_per_sequence, late_share, sequences_a_move

OnStep = Callable[[int, Recommender], bool | None]


def fit_to_sequences(  # noqa: PLR0913 - most have a default
    sequences: Sequences,
    architecture: LearnerConfig,
    regime: Regime,
    schedule: Schedule,
    *,
    seed: int,
    length: int | None = None,
    dim: int | None = None,
    dropout: float = 0.0,
    batch_size: int | None = None,
    device: torch.device = CPU,
    on_step: OnStep | None = None,
) -> Recommender:
    """Train a new recommender on a few sequences.

    Args:
        sequences: what to learn.
        architecture: of the learner.
        regime: `shared` freezes the item factor as the embedding; `fresh` trains one from random.
        schedule: steps, (constant) learning rate and optimiser. A step reads all sequences, or a batch. In the `fresh`
            regime a learner that answers for all positions at once moves several times in a step, each time after a
            part of what the step reads (`sequences_a_move`).
        seed: decides the initial parameters, the batches and the dropout.
        length: positions the learner can read; by default those of the sequences.
        dim: width of the learner, by default that of the item factor. At another one, `shared` trains a projection of
            the frozen item factor (see `initial_projection`).
        dropout: of the learner while it trains.
        batch_size: sequences a step reads, at most; None for all of them at every step.
        device: where to train.
        on_step: called with 0 before the first step and after each with its number, and the model as it is then; False
            stops the training.

    Raises:
        SeqDistillError: if the first gradient is not finite.
    """
    sequences = sequences.to(device)
    factor = sequences.item_factor
    embed = sequences.inputs()
    with seeded(derive_seed(seed, "sequences"), device):
        width = dim or factor.shape[1]
        learner = build_learner(architecture, dim=width, length=length or sequences.length, dropout=dropout)
        model = Recommender.shared(learner, factor) if regime == "shared" else Recommender.fresh(learner, len(factor))
        model = model.to(device).train()
        if on_step is not None:
            on_step(0, model)
        if regime == "shared":
            embed = _constant(embed(model.embedding, EVERY))
        loss_at = _loss(sequences, model, regime)
        places = torch.arange(sequences.mask.numel(), device=device).view(sequences.mask.shape)
        optimiser = optimiser_of(model, regime, schedule)
        late = late_share(learner, regime)
        whole = learner.view == "causal" and late == 0 and bool(sequences.mask.all())
        part_size = sequences_a_move(learner, regime, sequences.length)
        for step, batch in enumerate(_batches(len(sequences.mask), batch_size, schedule.steps), start=1):
            for rows in _parts(batch, len(places[batch]), part_size):
                shown = sequences.mask[rows], places[rows], model.project(embed(model.embedding, rows))
                draws = draws_per_sequence(learner, len(shown[0]))
                mask, here, inputs = (_repeated(part, draws) for part in shown)
                if late > 0:
                    begun = begin_late(mask, late)
                    mask, here, inputs = begun.present, begun.of(here), begun.of(inputs)
                asked = ask(learner, mask)
                states = learner(inputs, asked.mask, asked.at)
                states = states.flatten(0, 1) if whole else states[asked.counted]
                every = whole and isinstance(rows, slice)
                loss = loss_at(states, None if every else asked.select(here))
                optimiser.zero_grad()
                loss.backward()
                if step == 1:
                    _check_gradients(model, architecture)
                optimiser.step()
            if on_step is not None and on_step(step, model) is False:
                break
    return model.eval()


def _check_gradients(model: Recommender, architecture: LearnerConfig) -> None:
    """Nothing can be learned from what is not finite, nor an eigenbasis be formed of it.

    Raises:
        SeqDistillError: naming the first parameter whose gradient is not.
    """
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            raise SeqDistillError(
                f"{architecture.learner} cannot be trained on these sequences: the gradient of {name} is not finite"
            )


def _batches(count: int, batch_size: int | None, steps: int) -> Iterator[Rows]:
    """Rows of each step: all of them, or batches of almost equal size that come round in an order drawn anew."""
    if batch_size is None or count <= batch_size:
        yield from (EVERY for _ in range(steps))
        return
    parts = -(-count // batch_size)
    for begin in range(0, steps, parts):
        yield from torch.randperm(count).tensor_split(parts)[: steps - begin]


def _parts(rows: Rows, count: int, size: int | None) -> Iterator[Rows]:
    """So many rows in parts of almost equal size, in an order drawn anew, none larger than `size` if there is one."""
    if size is None or count <= size:
        yield rows
        return
    order = torch.randperm(count)
    yield from (order if isinstance(rows, slice) else rows[order]).tensor_split(-(-count // size))


def _loss(sequences: Sequences, model: Recommender, regime: Regime) -> Callable[[Tensor, Tensor | None], Tensor]:
    """The mean cross-entropy of states [k, dim] at places [k] of all positions, sequence by sequence; None for all.

    As long as the embedding stays as it is, targets are needed by their mean embedding only.
    """
    if regime == "shared":
        means = sequences.mean_targets(model.embedding)

        def shared(states: Tensor, places: Tensor | None) -> Tensor:
            wanted = means if places is None else means[places]
            reached = (states * model.project(wanted)).sum(-1).mean()
            return prediction_loss(states, model.item_embedding) - reached

        return shared
    table = sequences.targets()
    return lambda states, places: prediction_loss(states, model.item_embedding, Targets(table, places))


def _repeated(rows: Tensor, times: int) -> Tensor:
    return rows if times == 1 else rows.repeat(times, *(1 for _ in rows.shape[1:]))


def _constant(embedded: Tensor) -> Embedder:
    return lambda _embedding, rows: embedded[rows]
