"""Fit a recommender to a log.

Next-item cross-entropy at every position, in windows re-cut every epoch, is minimised by Adam until validation NDCG@100
stops rising. Learners that cannot answer for all positions at once are asked as `views` says.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seqdistill.config import LearnerConfig, TeacherConfig
from seqdistill.data.dataset import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.metrics import SELECTION, summarise
from seqdistill.evaluation.ranking import rank_held_out
from seqdistill.json_values import Json
from seqdistill.learners import Recommender, build_learner
from seqdistill.prediction_loss import Distributions, Targets, prediction_loss
from seqdistill.progress import SILENT, Progress
from seqdistill.resuming import (
    KEEP_NOTHING,
    Keeper,
    Snapshot,
    TorchRandom,
    numpy_state,
    optimiser_tensors,
    prefixed,
    restore_optimiser,
    resume,
    under,
)
from seqdistill.sampled_softmax import sampled_cross_entropy
from seqdistill.seeding import derive_seed, seeded
from seqdistill.views import WHOLE_IN_A_LOG, Asked, ask, passes_per_epoch

CPU = torch.device("cpu")

State = dict[str, Tensor]
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
    guides: Sequence[Recommender] = (),
    start: Recommender | None = None,
    progress: Progress = SILENT,
    title: str = "training on the log",
    keeper: Keeper = KEEP_NOTHING,
    on_epoch: OnEpoch | None = None,
    clock: Clock = time.perf_counter,
) -> FittedToLog:
    """Train a recommender on the training part of a log, and keep the epoch with the best validation NDCG@100.

    The learning rate rises over the first epoch and falls to 0 along a cosine until the last: a constant one takes
    several times as many epochs on a large log, and ranks worse on a small one.

    Args:
        dataset: the log.
        config: optimiser settings and width.
        length: positions the learner reads.
        seed: decides everything random.
        architecture: of the learner; the one in `config` by default.
        dim: width of the item embedding; the one in `config` by default.
        device: where to train.
        item_factor: V, [num_items, dim]: the embedding, frozen (see `Recommender.shared`); None for one of its own,
            trained from random.
        guides: recommenders whose mean prediction is the target, in place of the item that follows; of the same
            architecture or one that is asked the same, and in evaluation mode.
        start: a recommender of the same shape whose parameters training begins from; None for random ones.
        progress: where to report.
        title: of the report.
        keeper: gets the state after every batch.
        on_epoch: called with 0 before the first epoch and after each with its number, the model as it is then, and the
            seconds spent in epochs, validations left out.
        clock: that measures these, and the seconds of the whole.

    Raises:
        SeqDistillError: if the loss stops being finite.
    """
    kept = keeper.kept()
    with seeded(derive_seed(seed, "log"), device):
        learner = build_learner(architecture or config, dim=dim or config.dim, length=length, dropout=config.dropout)
        if item_factor is None:
            model = Recommender.fresh(learner, dataset.num_items).to(device)
        else:
            model = Recommender.shared(learner, item_factor).to(device)
        if start is not None:
            model.load_state_dict(start.state_dict())
        fit = _LogFit(model, dataset, config, length, seed, device, guides, keeper, clock)
        if kept is not None:
            resume(fit, kept)
            if kept.finished:
                return fit.outcome()
        if on_epoch is not None:
            on_epoch(0, model, 0.0)
        with progress.task(title, fit.epochs, done=fit.epoch - 1) as task:
            while not fit.finished:
                fit.run_epoch()
                task.advance(f"validation NDCG@10 {fit.latest['ndcg@10']:.4f}, best epoch {fit.best_epoch}")
                keeper.offer(fit.state)
                if on_epoch is not None:
                    on_epoch(fit.epoch - 1, model, fit.in_epochs)
    keeper.finish(fit.final())
    return fit.outcome()


class _LogFit:
    """Training on a log under way; see `fit_to_log` for the arguments. Torch's global generators are at work."""

    def __init__(
        self,
        model: Recommender,
        dataset: Dataset,
        config: TeacherConfig,
        length: int,
        seed: int,
        device: torch.device,
        guides: Sequence[Recommender],
        keeper: Keeper,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._started = self._clock()
        self._dataset, self._config, self._length, self._seed = dataset, config, length, seed
        self._device, self._guides, self._keeper = device, guides, keeper
        self._rng = np.random.default_rng(derive_seed(seed, "windows"))
        self._model = model
        trained = [p for p in model.parameters() if p.requires_grad]
        self._optimiser = torch.optim.Adam(trained, lr=config.rate, weight_decay=config.weight_decay, fused=True)
        self.in_epochs = 0.0
        self.epochs = epochs_for(dataset, config, length)
        self._early: dict[int, State] = {}
        self.epoch = 1
        self.best_epoch = 0
        self.latest = dict[str, float]()
        self._best, self._best_state = dict[str, float](), dict[str, Tensor]()
        self._batch = 0
        self._drawn_from = self._random()
        self._resumed_at: TorchRandom | None = None

    @property
    def finished(self) -> bool:
        """Whether the last epoch or the end of the patience is reached."""
        return self.epoch > self.epochs or (
            self.best_epoch > 0 and self.epoch - 1 - self.best_epoch >= self._config.patience
        )

    def run_epoch(self) -> None:
        """What is left of an epoch, and its validation."""
        began = self._clock()
        config = self._config
        epoch = Epoch(self._model, self._dataset, config, length=self._length, rng=self._rng, guides=self._guides)
        if self._resumed_at is not None and self._batch > 0:
            # The same cuts and order have been drawn as at first; what comes now is where it was left.
            self._resumed_at.restore(self._device)
        self._resumed_at = None
        for rows in epoch.batches[self._batch :]:
            for group in self._optimiser.param_groups:
                group["lr"] = config.rate * self._share_of_rate((self._batch + 1) / len(epoch.batches))
            loss = epoch.step(self._optimiser, rows)
            if not math.isfinite(loss):
                raise SeqDistillError(
                    f"the loss of epoch {self.epoch}, batch {self._batch + 1} is {loss} (seed {self._seed}); "
                    f"{self._keeper.last()}; lower teacher.learning_rate, now {config.rate:g}"
                )
            self._batch += 1
            self._keeper.offer(self.state)
        self.in_epochs += self._clock() - began
        if self.epoch in config.keep_epochs:
            self._early[self.epoch] = _copy(self._model.learner.state_dict())
        self.latest = summarise(rank_held_out(self._model, self._dataset, "validation", length=self._length))
        if not self._best or self.latest[SELECTION] > self._best[SELECTION]:
            self.best_epoch, self._best, self._best_state = self.epoch, self.latest, _copy(self._model.state_dict())
        self.epoch += 1
        self._batch = 0
        self._drawn_from = self._random()

    def outcome(self) -> FittedToLog:
        """The model of the best epoch."""
        self._model.load_state_dict(self._best_state)
        return FittedToLog(self._model.eval(), self.best_epoch, self._best, self._seconds(), self._early)

    def state(self) -> Snapshot:
        """See `Resumable.state`. An epoch's cuts and order are drawn again from the generators as they were then."""
        windows, begun = self._drawn_from
        now = TorchRandom.now(self._device)
        tensors = {
            **prefixed("model", self._model.state_dict()),
            **prefixed("adam", optimiser_tensors(self._optimiser)),
            **prefixed("best", self._best_state),
            **prefixed("epoch_random", begun._asdict()),
            **prefixed("random", now._asdict()),
        }
        for epoch, state in self._early.items():
            tensors |= prefixed(f"early/{epoch}", state)
        values = {
            "epoch": self.epoch,
            "batch": self._batch,
            "windows": windows,
            "best_epoch": self.best_epoch,
            "best": self._best,
            "early": list(self._early),
            "seconds": self._seconds(),
        }
        where = f"epoch {self.epoch}, batch {self._batch}" if self._batch else f"epoch {self.epoch - 1}"
        return Snapshot(tensors, values, where, self._best.get(SELECTION))

    def final(self) -> Snapshot:
        """What of the state decides the outcome."""
        state = self.state()
        tensors = {name: t for name, t in state.tensors.items() if name.startswith(("best/", "early/"))}
        values = {name: state.values[name] for name in ("best_epoch", "best", "early", "seconds")}
        return Snapshot(tensors, {"finished": True, **values}, "done", state.score)

    def restore(self, kept: Snapshot) -> None:
        """See `Resumable.restore`; a final state will do."""
        tensors, values = kept.tensors, kept.values
        self.best_epoch, self._best, self._best_state = values["best_epoch"], values["best"], under(tensors, "best")
        self._early = {epoch: under(tensors, f"early/{epoch}") for epoch in values["early"]}
        self._started -= values["seconds"]
        if kept.finished:
            return
        self._model.load_state_dict(under(tensors, "model"))
        restore_optimiser(self._optimiser, under(tensors, "adam"))
        self.epoch, self._batch = values["epoch"], values["batch"]
        begun = TorchRandom(**under(tensors, "epoch_random"))
        self._drawn_from = values["windows"], begun
        self._resumed_at = TorchRandom(**under(tensors, "random"))
        self._rng.bit_generator.state = values["windows"]
        begun.restore(self._device)

    def _share_of_rate(self, done: float) -> float:
        """Of the highest rate, after a part of the epoch under way: up over the first epoch, down along a cosine."""
        passed = self.epoch - 1 + done
        return min(1.0, passed) * (1 + math.cos(math.pi * (passed - done / 2) / self.epochs)) / 2

    def _random(self) -> tuple[Json, TorchRandom]:
        return numpy_state(self._rng), TorchRandom.now(self._device)

    def _seconds(self) -> float:
        return self._clock() - self._started


def epochs_for(dataset: Dataset, config: TeacherConfig, length: int) -> int:
    """How many epochs a training on a log takes at most; see `fit_to_log`."""
    return config.epochs_for(len(dataset.window_bounds(length)[0]))


class Epoch:
    """One pass over the training part of a log, cut into windows anew.

    Args:
        model: to be trained.
        dataset: the log.
        length: positions the learner reads.
        config: how many windows a batch has, and how many items its targets are set against.
        rng: draws the windows; their order, and what loss and learner draw, come from torch's global generator.
        guides: see `fit_to_log`.

    Attributes:
        batches: the windows of each batch, int64.
    """

    def __init__(
        self,
        model: Recommender,
        dataset: Dataset,
        config: TeacherConfig,
        *,
        length: int,
        rng: np.random.Generator,
        guides: Sequence[Recommender] = (),
    ) -> None:
        self._model, self._dataset = model.train(), dataset
        self._negatives = config.negatives_among(dataset.num_items)
        self._guides = guides
        passes = passes_per_epoch(model.learner)
        self._begins, self._ends = (np.tile(b, passes) for b in dataset.window_bounds(length, rng))
        self.batches = torch.split(torch.randperm(len(self._begins)), config.batch_size)
        self.targets = 0

    def step(self, optimiser: torch.optim.Optimizer, rows: Tensor) -> float:
        """Train on a batch; where its loss is not finite, that is told and nothing else is done.

        Args:
            optimiser: of the model's parameters.
            rows: one of `batches`.

        Returns:
            The mean cross-entropy, nats; an estimate where items are drawn.
        """
        model = self._model
        first, last = self._begins[rows.numpy()], self._ends[rows.numpy()]
        gathered = self._dataset.gather(first, last, width=int((last - first).max()))
        windows = torch.from_numpy(gathered).to(model.embedding.device)
        read, following = windows[:, :-1], windows[:, 1:]
        asked = ask(model.learner, following > 0, whole=WHOLE_IN_A_LOG)
        states = model.learner(model.embed(read), asked.mask, asked.at)[asked.counted]
        targets = asked.select(following)
        if self._guides:
            loss = self._guided_loss(states, read, asked)
        elif self._negatives is None:
            loss = prediction_loss(states, model.item_embedding, Targets(targets))
        else:
            loss = sampled_cross_entropy(states, targets, model.item_embedding, negatives=self._negatives).mean()
        value = float(loss.detach())
        if math.isfinite(value):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            self.targets += len(targets)
        return value

    def _guided_loss(self, states: Tensor, read: Tensor, asked: Asked) -> Tensor:
        """Mean cross-entropy to what the guides predict.

        Cross-entropy is linear in its target, so a guide drawn for each window gives the loss to their mean prediction
        without bias, at the cost of one. Windows come in random order: dealing the guides out in turn is such a draw.
        """
        turns = asked.counted.nonzero()[:, 0] % len(self._guides)
        total = states.new_zeros(())
        for turn, guide in enumerate(self._guides):
            rows = slice(turn, None, len(self._guides))
            at = None if asked.at is None else asked.at[rows]
            with torch.no_grad():
                queries = guide.learner(guide.embed(read[rows]), asked.mask[rows], at)[asked.counted[rows]]
            predicted = Targets(Distributions(queries, guide.item_embedding.detach()))
            if len(queries) > 0:
                loss = prediction_loss(states[turns == turn], self._model.item_embedding, predicted)
                total = total + len(queries) * loss
        return total / len(states)


def _copy(state: State) -> State:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
