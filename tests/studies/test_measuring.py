"""Studies on a small log: measured, kept, skipped, taken up again."""

import dataclasses
import gzip
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planted import planted_dataset
from seqdistill.config import DistillConfig
from seqdistill.data import Dataset
from seqdistill.distillation.loop import Distilled
from seqdistill.stages import Stages
from seqdistill.training import FittedToLog
from studies import ablation
from studies.__main__ import main, measure
from studies.book import Book
from studies.keeping import current
from studies.logs import VARIABLE
from studies.page import BLOCKS, filled
from studies.study import AblationStudy, Variant, read_studies
from studies.surroundings import Surroundings

FEW = """
[config.data]
min_count = 1
[config.compare]
seeds = 2
hard = ["random"]
hard_sizes = [1]
soft = ["random", "generated"]
soft_sizes = [1]
resamples = 100
[config.evaluate]
seeds = 1
candidate_steps = [5, 10]
candidate_rates = [0.01]
[config.teacher]
dim = 16
epochs = 3
learning_rate = 0.01
batch_size = 32
"""
DISTILL = (
    "[config.distill]\nlength = 10\ninner_steps = 10\nwindow = 3\nlearner_pool = 2\nvalidate_every = 3\nsteps = 3\n"
)

STUDIES = {
    "films": f'kind = "scoreboard"\ndata = "ml-1m"\nabout = "Films."\n{FEW}{DISTILL}num_sequences = 6\n'
    "[paper]\nnum_sequences = 5\nlength = 8\nrank = [2, 2]\nsteps = 2\ninner_steps = 10\nwindow = 3\n",
    "films-cross": 'kind = "cross"\nof = "films"\nabout = "Two."\n[learners]\nsasrec = {}\ngru4rec = {}\n',
    "ways": f'kind = "ablation"\ndata = "ml-1m"\nabout = "Ways."\nseeds = 2\n{FEW}{DISTILL}num_sequences = 6\n'
    '[[variants]]\nname = "start only"\nconfig.distill.steps = 0\n[[variants]]\nname = "steps"\n',
    "whole": f'kind = "published"\ndata = "ml-1m"\nabout = "Whole."\n{FEW}{DISTILL}'
    "[learners.sasrec]\nleast = 0.001\n[learners.gru4rec]\nleast = 0.99\npublished = 0.123\n"
    "config.teacher.epochs = 2\n",
    "nowhere": 'kind = "ablation"\ndata = "beauty"\nabout = "Absent."\n[[variants]]\nname = "all"\n',
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with studies, a folder of logs, and the measurable studies measured."""
    root = tmp_path_factory.mktemp("studies")
    (root / "results" / "studies").mkdir(parents=True)
    for name, text in STUDIES.items():
        (root / "results" / "studies" / f"{name}.toml").write_text(text)
    dataset, _ = planted_dataset(num_users=60, length=9)
    (root / "logs" / "ml-1m").mkdir(parents=True)
    lines = [f"u{u} " + " ".join(map(str, items)) for u, items in enumerate(dataset.items.reshape(60, 9))]
    (root / "logs" / "ml-1m" / "ml-1m.seq.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return root


def run(place: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    folders = ["--results", str(place / "results"), "--work", str(place / "work"), "--logs", str(place / "logs")]
    status = main([*words, *folders, "--workers", "1", "--quiet", "--device", "cpu"])
    said = capsys.readouterr()
    return status, said.out, said.err


def kept(place: Path, kind: str, name: str) -> dict[str, Any]:
    return json.loads((place / "results" / kind / f"{name}.json").read_text())


def test_studies_are_measured_kept_and_skipped_when_nothing_changed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(place, capsys=capsys)
    assert (status, err) == (0, "")
    assert "nowhere: left out, as beauty: " in out
    assert "github.com/RUCAIBox" in out
    assert "films: scoreboard, in " in out

    board = kept(place, "compare", "films")
    rows = {row["key"] for row in board["rows"]}
    assert {"full/fresh", "distilled/shared", "paper/shared", "random/hard/shared/6"} <= rows
    assert board["study"]["command"] == "make results STUDIES=films"
    assert str(place) not in json.dumps(board)
    (paper,) = [row for row in board["rows"] if row["key"] == "paper/shared"]
    assert paper["sequences"] == 5

    cross = kept(place, "cross", "films-cross")
    assert list(cross["learners"]) == ["sasrec", "gru4rec"]
    of_gru, of_sasrec = ({r["key"]: r for r in cross["learners"][one]["rows"]} for one in ("gru4rec", "sasrec"))
    assert of_gru.keys() == of_sasrec.keys()
    assert {
        "full/fresh",
        "distilled/shared",
        "distilled/fresh",
        "untrained/shared",
        "random/soft/fresh/6",
    } <= of_gru.keys()
    assert not any("/hard/" in key for key in of_gru)
    assert {row["learner"] for row in of_gru.values()} == {"gru4rec", None}
    # What distilled is not measured twice.
    assert of_sasrec["distilled/shared"] == next(row for row in board["rows"] if row["key"] == "distilled/shared")

    whole = kept(place, "published", "whole")["learners"]
    assert {learner: found["config"]["teacher"]["epochs"] for learner, found in whole.items()} == {
        "sasrec": 3,
        "gru4rec": 2,
    }
    assert all(found["protocol"]["part"] == "test" for found in whole.values())

    book = Book.open(place / "results")
    page = filled("".join(f"<!-- results:{name} -->\n<!-- /results:{name} -->\n" for name in BLOCKS), book)
    for row in (
        "| **distilled** | shared | 6 (n) |",
        "| distilled as in the paper | fresh | 5 |",
        "| GRU4Rec |",
        "| start only | shared |",
        "met | .0010 | ",
        "not met | .9900 | .1230 | ",
        "Not measured: nowhere.",
    ):
        assert row in page
    assert filled(page, book) == page

    before = {file: file.stat().st_mtime_ns for file in (place / "results").rglob("*.json")}
    shutil.rmtree(place / "work")
    status, out, _ = run(place, "films", "films-cross", "ways", "whole", capsys=capsys)
    assert out.count("kept as") == 4
    assert not (place / "work").exists()
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_other_settings_make_a_study_due_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "results" / "studies" / "ways.toml"
    file.write_text(STUDIES["ways"].replace("steps = 3\n", "steps = 4\n"))
    studies = read_studies(file.parent)
    assert current(place / "results", studies["ways"], studies) is None
    assert "ways                       other settings" in run(place, "--list", capsys=capsys)[1]
    file.write_text(STUDIES["ways"])
    studies = read_studies(file.parent)
    assert current(place / "results", studies["ways"], studies) is not None


def test_an_unknown_study_is_named_with_the_nearest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(place, "film-cross", capsys=capsys)
    assert (status, out) == (1, "")
    assert err == "error: there is no study film-cross; nearest: films-cross, films\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "ablation"\ndata = "ml-1m"\nabout = ""\n', "ablation.variants: Field required"),
        (
            'kind = "cross"\nof = "nothing"\nabout = ""\n[learners]\nsasrec = {}\n',
            "of = 'nothing' is no scoreboard study",
        ),
        ("kind = ", "is not valid TOML"),
    ],
)
def test_a_file_that_is_no_study_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "wrong.toml").write_text(text)
    assert main(["--list", "--results", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def ways() -> AblationStudy:
    content = tomllib.loads(STUDIES["ways"].replace("ml-1m", "planted"))
    return AblationStudy.model_validate({"name": "ways", **content})


@dataclasses.dataclass(frozen=True, eq=False)
class WithLog(Surroundings):
    dataset: Dataset | None = None

    def log(self, name: str, config: object) -> Dataset:
        del name, config
        assert self.dataset is not None
        return self.dataset


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]


def test_an_ablation_gives_the_same_whatever_the_test_items_are(tmp_path: Path) -> None:
    dataset, _ = planted_dataset(num_users=60, length=9)
    items = dataset.items.copy()
    last = dataset.offsets[1:] - 1
    items[last] = np.random.default_rng(1).permutation(items[last])
    assert (items != dataset.items).sum() > 30
    other = dataclasses.replace(dataset, items=items)
    study = ways()
    found = [
        ablation.measure(study, WithLog({"ways": study}, tmp_path / str(place), device="cpu", dataset=one))["rows"]
        for place, one in enumerate((dataset, other))
    ]
    assert timeless(found[0]) == timeless(found[1])
    assert [(row["variant"], row["regime"]) for row in found[0]] == [
        (variant, regime) for variant in ("start only", "steps") for regime in ("shared", "fresh")
    ]
    assert found[0][0]["best_step"] == 0
    assert found[0][0]["metrics"].keys() == {"ndcg@10", "hr@10", "ndcg@100", "log_likelihood"}


def test_variants_differ_in_their_settings_and_not_in_their_seed(tmp_path: Path) -> None:
    dataset, _ = planted_dataset(num_users=60, length=9)
    study = ways()
    idle = {"distill": {"steps": 0, "learning_rate": 0.5}}
    variants = (study.variants[0], Variant(name="a rate without a step", config=idle))
    study = study.model_copy(update={"variants": variants})
    rows = timeless(ablation.measure(study, WithLog({"ways": study}, tmp_path, device="cpu", dataset=dataset))["rows"])
    for row in rows:
        del row["variant"], row["overrides"]
    assert rows[:2] == rows[2:]


def test_an_ablation_that_was_stopped_goes_on_with_the_variants_and_the_teacher_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, _ = planted_dataset(num_users=60, length=9)
    study = ways()
    around = WithLog({"ways": study}, tmp_path, device="cpu", dataset=dataset)
    distilled: list[int | str] = []
    taught: list[int] = []
    original, teach = Stages.summary, Stages.teacher

    def summary(self: Stages, teacher: FittedToLog, settings: DistillConfig, title: str) -> Distilled:
        if len(distilled) == 1:
            distilled.append("stopped")
            raise KeyboardInterrupt
        distilled.append(settings.steps)
        return original(self, teacher, settings, title)

    def teacher(self: Stages) -> FittedToLog:
        taught.append(1)
        return teach(self)

    monkeypatch.setattr(Stages, "summary", summary)
    monkeypatch.setattr(Stages, "teacher", teacher)
    with pytest.raises(KeyboardInterrupt):
        ablation.measure(study, around)
    document = measure(study, around)
    other = study.model_copy(update={"name": "others", "variants": study.variants[1:]})
    others = measure(other, dataclasses.replace(around, studies={"others": other}))
    assert distilled == [0, "stopped", 3]
    assert taught == [1]
    assert others["rows"] == document["rows"][2:]
    monkeypatch.undo()
    whole = ablation.measure(study, WithLog({"ways": study}, tmp_path / "whole", device="cpu", dataset=dataset))
    assert timeless(document["rows"]) == timeless(whole["rows"])


def test_a_log_to_bring_is_looked_for_where_the_environment_says(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert main(["nowhere", "--results", str(place / "results"), "--work", str(tmp_path), "--quiet"]) == 0
    assert f"{tmp_path / 'elsewhere' / 's3rec' / 'Beauty.txt.gz'} is not there" in capsys.readouterr().out
