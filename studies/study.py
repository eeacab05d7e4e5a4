"""What a study is: a TOML file that names a log, a kind of measurement, and settings beside the defaults."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from seqdistill import __version__
from seqdistill.api.distilling import paper_settings
from seqdistill.artifacts.documents import digest_of
from seqdistill.config import Config, Layers, parse_config, parse_toml
from seqdistill.errors import SeqDistillError, one_line
from seqdistill.json_values import Json

Names = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class _Study(BaseModel):
    """What all kinds have.

    Attributes:
        name: of the file, and of what is kept.
        about: one sentence for the page.
        conclusion: what its figures say, in words; empty until somebody has read them.
        config: sections of settings over the defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Names
    about: str
    conclusion: str = ""
    config: Layers = {}

    def settings(self, *more: Layers) -> Config:
        """All settings, with further sections over the study's own.

        Raises:
            SeqDistillError: naming the study and the setting that cannot work.
        """
        try:
            return parse_config(merged(self.config, *more))
        except SeqDistillError as error:
            raise SeqDistillError(f"results/studies/{self.name}.toml: {error}") from error


class ScoreboardStudy(_Study):
    """Distil a log and hold the summary against everything it has to beat.

    Attributes:
        data: name of the log.
        paper: settings of `distill` for a second summary, made as TD3 does at its own size; None for none.
    """

    kind: Literal["scoreboard"]
    data: Names
    paper: Layers | None = None

    @property
    def distillation(self) -> Config:
        """Settings of the summary."""
        return self.settings()

    @property
    def papers(self) -> Config | None:
        """Settings of the paper's summary."""
        if self.paper is None:
            return None
        sized = self.settings({"distill": {"rank": None, **self.paper}})
        papers = paper_settings(sized.distill).model_dump(mode="json")
        return self.settings({"distill": {**papers, **self.paper}})


class CrossStudy(_Study):
    """Train several architectures on the summary of a scoreboard study.

    Attributes:
        of: name of that study.
        learners: architecture -> sections of settings that are its own.
    """

    kind: Literal["cross"]
    of: Names
    learners: dict[str, Layers] = Field(min_length=1)

    def trained(self, base: ScoreboardStudy, learner: str) -> Config:
        """Settings of the comparison of one architecture; the summary's are those of the base."""
        of_learner: Layers = {"train": {"learner": learner}, "compare": {"rows": "essential"}}
        return base.settings(self.config, of_learner, self.learners[learner])


class Variant(BaseModel):
    """One of the ways that an ablation compares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    config: Layers = {}


class AblationStudy(_Study):
    """Distil a log in several ways and rank the validation items; test items are never looked at.

    Attributes:
        data: name of the log.
        seeds: learners trained for each variant and regime.
        variants: what differs.
    """

    kind: Literal["ablation"]
    data: Names
    seeds: int = Field(default=5, ge=1)
    variants: tuple[Variant, ...] = Field(min_length=1)

    def varied(self, variant: Variant) -> Config:
        """Settings of a variant."""
        return self.settings(variant.config)


class Mark(BaseModel):
    """How an architecture has to rank on a whole log.

    Attributes:
        least: test NDCG@10 that is demanded.
        published: test NDCG@10 that a paper reports under the same protocol, if one does.
        config: sections of settings that are its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: float
    published: float | None = None
    config: Layers = {}


class PublishedStudy(_Study):
    """Train architectures on a whole log as papers do, and hold them against what is published.

    Attributes:
        data: name of the log.
        learners: architecture -> its mark.
    """

    kind: Literal["published"]
    data: Names
    learners: dict[str, Mark] = Field(min_length=1)

    def trained(self, learner: str) -> Config:
        """Settings of the training of one architecture."""
        return self.settings({"train": {"learner": learner}}, self.learners[learner].config)


Study = ScoreboardStudy | CrossStudy | AblationStudy | PublishedStudy
Studies = Mapping[str, Study]
_STUDY: TypeAdapter[Study] = TypeAdapter(Annotated[Study, Field(discriminator="kind")])


TITLES = {"sasrec": "SASRec", "gru4rec": "GRU4Rec", "narm": "NARM", "bert4rec": "BERT4Rec"}


def title_of(learner: str) -> str:
    """An architecture as its paper writes it."""
    return TITLES.get(learner, learner)


def read_studies(folder: Path) -> dict[str, Study]:
    """Every study of a folder, by name and in the order of the names.

    Raises:
        SeqDistillError: naming a file that is no study, or a study of one that is not there.
    """
    found = {file.stem: _read(file) for file in sorted(folder.glob("*.toml"), key=lambda file: file.stem)}
    for study in found.values():
        if isinstance(study, CrossStudy) and not isinstance(found.get(study.of), ScoreboardStudy):
            raise SeqDistillError(f"{folder / study.name}.toml: of = {study.of!r} is no scoreboard study")
    return found


def chosen(studies: Studies, names: list[str]) -> list[Study]:
    """The studies of these names; all of them where none is named.

    Raises:
        SeqDistillError: naming one that is unknown, with the nearest that are known.
    """
    for name in names:
        if name not in studies:
            near = difflib.get_close_matches(name, studies, n=3, cutoff=0.4)
            hint = f"nearest: {', '.join(near)}" if near else "--list names them"
            raise SeqDistillError(f"there is no study {one_line(name)}; {hint}")
    return [studies[name] for name in names or studies]


def base_of(study: CrossStudy, studies: Studies) -> ScoreboardStudy:
    """The study whose summary a cross study trains on."""
    base = studies[study.of]
    assert isinstance(base, ScoreboardStudy)
    return base


def digest(study: Study, studies: Studies) -> str:
    """Of all that decides what comes out, the defaults of this release among it."""
    return digest_of({"seqdistill": __version__, **_request(study, studies)})


def merged(*layers: Layers) -> Layers:
    """Nested settings, the later over the earlier."""
    result: Layers = {}
    for layer in layers:
        for key, value in layer.items():
            under = result.get(key)
            nested = isinstance(under, dict) and isinstance(value, dict)
            result[key] = merged(cast("Layers", under), cast("Layers", value)) if nested else value
    return result


def _request(study: Study, studies: Studies) -> Json:
    if isinstance(study, ScoreboardStudy):
        papers = study.papers
        paper = None if papers is None else _deciding(papers)
        return {"kind": study.kind, "data": study.data, "config": _deciding(study.distillation), "paper": paper}
    if isinstance(study, CrossStudy):
        base = base_of(study, studies)
        learners = {learner: _deciding(study.trained(base, learner)) for learner in study.learners}
        return {"kind": study.kind, "of": _request(base, studies), "learners": learners}
    if isinstance(study, PublishedStudy):
        trained = {learner: _deciding(study.trained(learner)) for learner in study.learners}
        return {"kind": study.kind, "data": study.data, "learners": trained}
    variants = {variant.name: _deciding(study.varied(variant)) for variant in study.variants}
    return {"kind": study.kind, "data": study.data, "seeds": study.seeds, "variants": variants}


def _deciding(config: Config) -> Json:
    """Settings, without those that change no figure but seconds."""
    return config.model_dump(mode="json", exclude={"run": True, "compare": {"workers"}})


def _read(file: Path) -> Study:
    try:
        content: dict[str, Any] = {"name": file.stem, **parse_toml(file.read_bytes(), file)}
        return _STUDY.validate_python(content)
    except OSError as error:
        raise SeqDistillError(f"cannot read {file}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = one_line(f"{where}: {first['msg']}")
        raise SeqDistillError(f"{file} is no study: {reason}") from error
