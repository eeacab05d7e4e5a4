"""What a comparison is of: the summary, its settings, its teacher and what making it cost."""

import hashlib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from seqdistill.artifacts import MANIFEST, read_json
from seqdistill.config import Config, parse_config
from seqdistill.data.dataset import Dataset
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.compare import Comparison
from seqdistill.evaluation.store import INPUTS
from seqdistill.item_scale import at_scale_of, holds
from seqdistill.json_values import Json
from seqdistill.learners import Recommender
from seqdistill.models import TrainedModel, check_code
from seqdistill.progress import Progress
from seqdistill.runs import PAPER, RESULT, TEACHER, is_run, summary_folder
from seqdistill.seeding import derive_seed
from seqdistill.summary import Summary
from seqdistill.teaching import fit_teacher


@dataclass(frozen=True, eq=False)
class Compared:
    """A summary with what lies around it.

    Attributes:
        summary: the summary.
        paper: a summary distilled as the paper does, if there is one.
        teacher: folder of its teacher; None where it has to be trained again.
        seconds: of "teacher" and "distill", None where not known.
        words: of the command line that name all this.
        allow_code: the class of the user's own that settings and models may import; see `TrainedModel.load`.
    """

    summary: Summary
    paper: Summary | None
    teacher: Path | None
    seconds: dict[str, float | None]
    words: tuple[str, ...]
    allow_code: str | None = None

    @classmethod
    def find(
        cls,
        source: str | Path | Summary,
        *,
        teacher: str | Path | None = None,
        paper: str | Path | None = None,
        allow_code: str | None = None,
    ) -> "Compared":
        """From a summary, its folder, or a run.

        Raises:
            SeqDistillError: a damaged or missing folder.
        """
        options = (("--teacher", teacher), ("--paper", paper), ("--allow-code", allow_code))
        extra = [word for name, value in options if value for word in (name, str(value))]
        given_teacher = None if teacher is None else Path(teacher)
        given_paper = None if paper is None else Summary.load(paper)
        if isinstance(source, Summary):
            return cls(source, given_paper, given_teacher, _costs(None), ("SUMMARY", *extra), allow_code)
        folder = Path(source)
        run = folder if is_run(folder) else None
        summary = Summary.load(summary_folder(folder))
        if run is not None:
            if given_teacher is None and (run / TEACHER).is_dir():
                given_teacher = run / TEACHER
            if given_paper is None and (run / PAPER).is_dir():
                given_paper = Summary.load(run / PAPER)
        return cls(summary, given_paper, given_teacher, _costs(run), (str(folder), *extra), allow_code)

    def settings(self, config: Config | None) -> Config:
        """The given settings or those the summary was made with, at its number and length of sequences.

        Raises:
            SeqDistillError: if those of the summary mean nothing to this release, or a class is named in them that may
                not be imported.
        """
        config = config or parse_config(self._stored)
        trained_again = parse_config(self._stored).teacher if self._stored else config.teacher
        for architecture in (config.train, config.teacher, trained_again):
            check_code("the summary", architecture.learner, self.allow_code)
        user, time, _ = self.summary.factors
        shape = {"num_sequences": len(user), "length": len(time), "rank": (user.shape[1], time.shape[1])}
        return config.model_copy(update={"distill": config.distill.model_copy(update=shape)})

    def check(self, dataset: Dataset) -> None:
        """Refuse a log that the summary was not made from.

        Raises:
            SeqDistillError: another catalogue, or another log or split, whose test items the summary may have seen.
        """
        for summary in (self.summary, self.paper):
            if summary is not None and not summary.item_ids.equals(dataset.item_ids):
                raise SeqDistillError(
                    f"the summary knows {summary.num_items} items and {dataset.name} has {dataset.num_items}, and they "
                    "are not the same; compare on the log it was made from, with the same data settings"
                )
        made_from = cast("Json", self.summary.details.get("dataset") or {})
        if made_from.get("fingerprint", dataset.fingerprint) != dataset.fingerprint:
            raise SeqDistillError(
                f"the summary was made from another log or split than {dataset.name} is now, and may have seen what "
                "would be tested; compare on the log it was made from, with the same data settings"
            )

    def request(self) -> Json:
        """What of this decides the rows."""
        teacher = None if self.teacher is None else _digest(self._load(self.teacher).recommender)
        paper = None if self.paper is None else self.paper.fingerprint
        return {"summary": self.summary.fingerprint, "teacher": teacher or "trained again", "paper": paper}

    def command(self, data: str | Path | Dataset, out: Path, config: Config) -> str:
        """The command that makes the comparison again."""
        log = data.name if isinstance(data, Dataset) else str(data)
        words = ["seqdistill", "compare", *self.words, log, "--out", str(out), "--seed", str(config.seed)]
        return shlex.join([*words, *_assignments(config, self.settings(None))])

    def comparison(
        self,
        dataset: Dataset,
        config: Config,
        folder: Path,
        *,
        protocol: Json,
        command: str,
        device: torch.device,
        progress: Progress,
        notify: Callable[[str], None] | None,
    ) -> Comparison:
        """All that the comparison needs; the teacher is trained again where there is none.

        Raises:
            SeqDistillError: a teacher of another catalogue.
        """
        seconds, origin, place = dict(self.seconds), "given", self.teacher
        if place is None:
            origin, place = "trained again", folder / INPUTS / TEACHER
            if not (place / MANIFEST).is_file():
                self._train_teacher(dataset, config, place, device, progress)
            seconds["teacher"] = seconds["teacher"] or self._load(place).details["seconds"]
        teacher = self._load(place)
        if not teacher.item_ids.equals(self.summary.item_ids):
            raise SeqDistillError(f"{place} is a teacher of another catalogue; give that of the summary with --teacher")
        factor = self.summary.item_factor
        embedding = at_scale_of(factor, teacher.recommender).embedding.detach()
        same = embedding.shape == factor.shape and holds(factor, embedding)
        if not same and notify is not None:
            notify(
                "the teacher's item embedding is not the summary's item factor: its soft targets go with its own "
                "embedding, in the rows that have them"
            )
        return Comparison(
            dataset,
            config,
            self.summary,
            place,
            {"from": origin, "matches_item_factor": same},
            self.paper,
            seconds,
            protocol,
            command,
            self._made_by(dataset.name),
            self.allow_code,
        )

    def _made_by(self, log: str) -> str | None:
        """The command that made the summary."""
        if not self._stored:
            return None
        made_with = parse_config(self._stored)
        of_run = self.paper is not None and "--paper" not in self.words
        words = ["seqdistill", "distill", log, *(["--paper"] if of_run else []), "--out", "RUN"]
        return shlex.join([*words, "--seed", str(made_with.seed), *_assignments(made_with, Config())])

    def _train_teacher(
        self, dataset: Dataset, config: Config, place: Path, device: torch.device, progress: Progress
    ) -> None:
        """As `distill` did, with the settings and the seed that it had."""
        made_with = parse_config(self._stored) if self._stored else config
        length = self.summary.length
        fitted = fit_teacher(
            dataset,
            made_with.teacher,
            length=length,
            seed=derive_seed(made_with.seed, "teacher"),
            device=device,
            progress=progress,
        )
        details = {"seconds": fitted.seconds}
        TrainedModel.from_log(fitted, made_with.teacher, length, dataset.item_ids, details).save(place)

    def _load(self, teacher: Path) -> TrainedModel:
        return TrainedModel.load(teacher, allow_code=self.allow_code)

    @property
    def _stored(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.summary.details.get("config") or {})


def stored_settings(source: Path) -> dict[str, Any]:
    """Settings that a summary was made with, as plain values; empty where it does not say.

    Raises:
        SeqDistillError: a damaged or missing folder.
    """
    return cast("dict[str, Any]", Summary.load(summary_folder(source)).details.get("config") or {})


def _assignments(config: Config, base: Config) -> list[str]:
    """`--set` words for what differs."""
    words: list[str] = []
    before = base.model_dump(mode="json")
    for section, values in config.model_dump(mode="json").items():
        for key, value in values.items() if section != "seed" else ():
            if value != before[section][key]:
                words += ["--set", f"{section}.{key}={'none' if value is None else json.dumps(value)}"]
    return words


def _costs(run: Path | None) -> dict[str, float | None]:
    """Seconds of teacher and distillation, as a run tells them."""
    unknown: dict[str, float | None] = {"teacher": None, "distill": None}
    if run is None or not (run / RESULT).is_file():
        return unknown
    try:
        told = read_json(run / RESULT)["seconds"]
        return {name: float(told[name]) for name in unknown}
    except (SeqDistillError, ValueError, KeyError, TypeError) as error:
        raise SeqDistillError(
            f"{run / RESULT} is damaged; give the folder of the summary instead of the run"
        ) from error


def _digest(model: Recommender) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
