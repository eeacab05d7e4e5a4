"""Fit a recommender to a log or to a few sequences.

Both minimise next-item cross-entropy at every position with Adam. A log gives hard targets, in windows re-cut every
epoch, until the validation likelihood stops rising. A few sequences, synthetic or real, are one batch, and their
targets may be distributions. Learners that cannot answer for all positions at once are asked as `views` says.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seqdistill.attention import soft_cross_entropy
from seqdistill.config import LearnerConfig, Regime, TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.evaluation.metrics import summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.learners import Recommender, build_learner
from seqdistill.progress import SILENT, Progress
from seqdistill.seeding import derive_seed, seeded
from seqdistill.sequences import EVERY, Embedder, Rows, Sequences
from seqdistill.summary import Schedule
from seqdistill.views import WHOLE_IN_A_LOG, ask, draws_per_sequence, passes_per_epoch

CPU = torch.device("cpu")
State = dict[str, Tensor]
OnStep = Callable[[int, Recommender], bool | None]
Clock = Callable[[], float]
OnEpoch = Callable[[int, Recommender, float], None]


@dataclass(frozen=True, eq=False)
class FittedToLog:
    """A recommender trained on a log, and how that went.

    Attributes:
        model: with the parameters of the best epoch.
        best_epoch: 1-based.
        validation: mean metrics of the best epoch on the validation items.
        seconds: of the training, validation included.
        checkpoints: epoch -> the learner's parameters (without the embedding) after it, for `keep_epochs`.
    """

    model: Recommender
    best_epoch: int
    validation: dict[str, float]
    seconds: float
    checkpoints: dict[int, State] = field(default_factory=dict[int, State])


def fit_to_log(  # noqa: PLR0913 - most have a default
    dataset: Dataset,
    config: TeacherConfig,
    *,
    length: int,
    seed: int,
    architecture: LearnerConfig | None = None,
    dim: int | None = None,
    device: torch.device = CPU,
    item_factor: Tensor | None = None,
    progress: Progress = SILENT,
    title: str = "training on the log",
    on_epoch: OnEpoch | None = None,
    clock: Clock = time.perf_counter,
) -> FittedToLog:
    """Train a recommender on the training part of a log, with early stopping on the validation log-likelihood.

    Args:
        dataset: the log.
        config: optimiser settings and width.
        length: positions the learner reads.
        seed: decides everything random.
        architecture: of the learner; the one in `config` by default.
        dim: width of the item embedding; the one in `config` by default.
        device: where to train.
        item_factor: the embedding, frozen, [num_items, dim]; None for one of its own, trained from random.
        progress: where to report.
        title: of the report.
        on_epoch: called with 0 before the first epoch and after each with its number, the model as it is then, and the
            seconds spent in epochs.
        clock: that measures these, and the seconds of the whole.
    """
    started = clock()
    rng = np.random.default_rng(derive_seed(seed, "windows"))
    with seeded(derive_seed(seed, "log"), device), progress.task(title, config.epochs) as task:
        learner = build_learner(architecture or config, dim=dim or config.dim, length=length, dropout=config.dropout)
        if item_factor is None:
            model = Recommender.fresh(learner, dataset.num_items).to(device)
        else:
            model = Recommender.shared(learner, item_factor).to(device)
        if on_epoch is not None:
            on_epoch(0, model, 0.0)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        in_epochs = 0.0
        checkpoints: dict[int, State] = {}
        best_epoch, best, best_state = 0, dict[str, float](), dict[str, Tensor]()
        for epoch in range(1, config.epochs + 1):
            began = clock()
            fit_epoch(model, optimiser, dataset, length=length, batch_size=config.batch_size, rng=rng)
            in_epochs += clock() - began
            if on_epoch is not None:
                on_epoch(epoch, model, in_epochs)
            if epoch in config.keep_epochs:
                checkpoints[epoch] = _copy(model.learner.state_dict())
            metrics = summarise(rank_held_out(model, dataset, "validation", length=length))
            if not best or metrics["log_likelihood"] > best["log_likelihood"]:
                best_epoch, best, best_state = epoch, metrics, _copy(model.state_dict())
            task.advance(f"validation NDCG@10 {metrics['ndcg@10']:.4f}, best epoch {best_epoch}")
            if epoch - best_epoch >= config.patience:
                break
    model.load_state_dict(best_state)
    return FittedToLog(model.eval(), best_epoch, best, clock() - started, checkpoints)


def fit_epoch(
    model: Recommender,
    optimiser: torch.optim.Optimizer,
    dataset: Dataset,
    *,
    length: int,
    batch_size: int,
    rng: np.random.Generator,
) -> int:
    """One pass over the training part of a log, cut into windows anew.

    Args:
        model: to be trained.
        optimiser: of its parameters.
        dataset: the log.
        length: positions the learner reads.
        batch_size: windows in a batch, on average.
        rng: draws the windows and their order; what the learner itself draws comes from torch's global generator.

    Returns:
        How many targets had a loss.
    """
    model.train()
    count = 0
    device = model.embedding.device
    begins, ends = (np.tile(b, passes_per_epoch(model.learner)) for b in dataset.window_bounds(length, rng))
    for rows in torch.split(torch.randperm(len(begins)), batch_size):
        first, last = begins[rows.numpy()], ends[rows.numpy()]
        windows = torch.from_numpy(dataset.gather(first, last, width=int((last - first).max()))).to(device)
        read, following = windows[:, :-1], windows[:, 1:]
        asked = ask(model.learner, following > 0, whole=WHOLE_IN_A_LOG)
        states = model.learner(model.embed(read), asked.mask, asked.at)[asked.counted]
        targets = model.embed(asked.select(following))
        loss = soft_cross_entropy(states, targets, model.item_embedding).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        count += len(targets)
    return count


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
        schedule: steps and (constant) learning rate, as in the inner loop the summary was made for.
        seed: decides the initial parameters, the batches and the dropout.
        length: positions the learner can read; by default those of the sequences.
        dim: width of the learner, by default that of the item factor. At another one, `shared` trains a projection of
            the frozen item factor (see `initial_projection`).
        dropout: of the learner while it trains.
        batch_size: sequences a step reads, at most; None for all of them at every step.
        device: where to train.
        on_step: called with 0 before the first step and after each with its number, and the model as it is then; False
            stops the training.
    """
    sequences = sequences.to(device)
    factor = sequences.item_factor
    embed_inputs, embed_targets = sequences.embedders()
    with seeded(derive_seed(seed, "sequences"), device):
        width = dim or factor.shape[1]
        learner = build_learner(architecture, dim=width, length=length or sequences.length, dropout=dropout)
        model = Recommender.shared(learner, factor) if regime == "shared" else Recommender.fresh(learner, len(factor))
        model = model.to(device).train()
        if on_step is not None:
            on_step(0, model)
        if regime == "shared":
            embed_inputs, embed_targets = (
                _constant(embed_inputs(factor, EVERY)),
                _constant(embed_targets(factor, EVERY)),
            )
        trained = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(trained, lr=schedule.learning_rate)
        for step, rows in enumerate(_batches(len(sequences.mask), batch_size, schedule.steps), start=1):
            mask = sequences.mask[rows]
            draws = draws_per_sequence(learner, len(mask))
            asked = ask(learner, mask.repeat(draws, 1))
            inputs = _repeated(model.project(embed_inputs(model.embedding, rows)), draws)
            targets = _repeated(embed_targets(model.embedding, rows), draws)
            states = learner(inputs, asked.mask, asked.at)[asked.counted]
            loss = soft_cross_entropy(states, model.project(asked.select(targets)), model.item_embedding).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if on_step is not None and on_step(step, model) is False:
                break
    return model.eval()


def _batches(count: int, batch_size: int | None, steps: int) -> Iterator[Rows]:
    """Rows of each step: all of them, or batches of almost equal size that come round in an order drawn anew."""
    if batch_size is None or count <= batch_size:
        yield from (EVERY for _ in range(steps))
        return
    parts = -(-count // batch_size)
    for begin in range(0, steps, parts):
        yield from torch.randperm(count).tensor_split(parts)[: steps - begin]


def _repeated(rows: Tensor, times: int) -> Tensor:
    return rows if times == 1 else rows.repeat(times, 1, 1)


def _constant(embedded: Tensor) -> Embedder:
    return lambda _embedding, rows: embedded[rows]


def _copy(state: State) -> State:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
