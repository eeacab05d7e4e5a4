"""What is committed: the page and the README say what the results say, and no more."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

from comparisons import comparison
from seqdistill.evaluation.verdict import verdict
from studies import page
from studies.book import Book
from studies.cross_table import demanded
from studies.demands import counted, demands_table, failures, over_all_logs
from studies.first_screen import first_screen
from studies.keeping import FOLDERS, RESULTS, ROOT
from studies.study import CrossStudy, ScoreboardStudy, digest, read_studies


@pytest.fixture(scope="module")
def book() -> Book:
    return Book.open(RESULTS)


@pytest.mark.parametrize("name", page.PAGES)
def test_a_page_is_what_the_committed_results_make_of_it(name: str, book: Book) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- results:" in text
    assert page.filled(text, book) == text


def test_the_committed_figures_are_those_of_the_committed_results(book: Book) -> None:
    drawn = page.drawings(book)
    assert {file.name for file in (ROOT / page.FIGURES).iterdir()} == drawn.keys()
    for name, drawing in drawn.items():
        assert (ROOT / page.FIGURES / name).read_text(encoding="utf-8") == drawing
        root = ElementTree.fromstring(drawing)
        described = [entry.text for entry in root if entry.tag.endswith(("title", "desc"))]
        assert len(described) == 2
        assert all(described)


def test_every_committed_result_says_where_it_comes_from_and_names_no_item() -> None:
    files = [file for folder in FOLDERS.values() for file in (RESULTS / folder).glob("*.json")]
    assert files
    for file in files:
        kept = json.loads(file.read_text(encoding="utf-8"))
        assert kept["versions"].keys() >= {"seqdistill", "torch", "python"}
        assert kept["machine"]
        assert kept["seed"] == 0
        assert "/" not in kept["dataset"]["name"]
        if "study" in kept:
            assert (file.stem, f"make results STUDIES={file.stem}") == (kept["study"]["name"], kept["study"]["command"])
        # No list is as long as the log has users or items.
        assert max(map(len, lists_of(kept))) < min(kept["dataset"]["users"], kept["dataset"]["items"])


def test_every_sentence_about_a_comparison_follows_from_its_figures(book: Book) -> None:
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for held in book.scoreboards():
        assert held.kept["verdict"] == verdict(held.kept)
        assert all(sentence in text for sentence in held.kept["verdict"])


def made_up(**shares: float) -> Book:
    """A log whose summary reaches these percentages, by regime, and beats the best soft-target row by as much."""
    kept = comparison("films")
    for row in kept["rows"]:
        if row["group"] == "distilled" and row["targets"] == "soft":
            row["percent_of_full"] = dict.fromkeys(row["percent_of_full"], shares[row["regime"]])
    kept["contests"] = []
    for regime in ("shared", "fresh"):
        best = max(
            (row for row in kept["rows"] if (row["group"], row["size"], row["regime"]) == ("soft", "n", regime)),
            key=lambda row: row["metrics"]["ndcg@10"]["mean"],
        )
        mean = (shares[regime] - 100) / 1000
        contest = {"key": f"distilled/{regime}", "against": best["key"], "metric": "ndcg@10", "mean": mean}
        kept["contests"].append({**contest, "low": mean - 0.001, "high": mean + 0.001})
    studies = {"films": ScoreboardStudy(name="films", kind="scoreboard", data="films", about="Films.")}
    return Book(dict(studies), {"films": kept})


def test_a_cell_is_met_exactly_where_its_figure_is_what_was_demanded() -> None:
    lines = demands_table(made_up(shared=102.0, fresh=97.9), ten=False).splitlines()
    cells = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[2].removesuffix(" |") for line in lines}
    assert cells["SASRec, shared, NDCG@10"] == "**102.0%**, met"
    assert cells["SASRec, fresh, NDCG@10"] == "97.9%, not met"
    assert cells["GRU4Rec, better regime, NDCG@10"] == "not measured"
    assert cells["minus the best as many soft-target sequences, shared"].endswith("met")
    assert "not met" in cells["minus the best as many soft-target sequences, fresh"]


def test_a_figure_that_falls_just_short_does_not_read_like_the_mark() -> None:
    table = demands_table(made_up(shared=101.961, fresh=98.04), ten=False)
    assert "| SASRec, shared, NDCG@10 | 102% | 101.96%, not met |" in table
    assert "| SASRec, fresh, NDCG@10 | 98% | **98.0%**, met |" in table


def test_a_tie_with_soft_targets_is_neither_met_nor_lost_on_one_log_but_not_enough_over_all() -> None:
    tied = made_up(shared=100.0, fresh=103.0)
    assert "beats the best as many soft-target sequences on 0 of 1 measured logs and loses on 0" in over_all_logs(
        tied, "shared"
    )
    assert over_all_logs(tied, "fresh").endswith("three and none are demanded: not met.")
    assert not [line for line in failures(tied) if "soft-target" in line]


def of_learner(shared: float, fresh: float, seconds: float) -> dict[str, Any]:
    rows = [{"key": "full/fresh", "metrics": {"ndcg@10": {"mean": 0.1}}, "seconds_train": 100.0}]
    rows += [
        {"key": f"distilled/{regime}", "percent_of_full": {"ndcg@10": share}}
        for regime, share in (("shared", shared), ("fresh", fresh))
    ]
    points = [{"seconds": seconds / 2, "ndcg@10": 0.0949}, {"seconds": seconds, "ndcg@10": 0.095}]
    return {"rows": rows, "curves": [{"key": "full/fresh", "points": []}, {"key": "distilled/fresh", "points": points}]}


def test_the_architectures_that_fall_short_are_named() -> None:
    found = {"sasrec": of_learner(97.9, 99.0, 5.0), "narm": of_learner(80.0, 89.9, 5.1)}
    assert demanded(found) == [
        "At least 90% in the better regime: not met by NARM (89.9%).",
        "20 times faster to 95%: not met by NARM (19.6x).",
        "At least 98% by SASRec, shared: not met by SASRec (97.9%).",
    ]
    assert demanded({"gru4rec": of_learner(90.0, 0.0, 1.0)}) == [
        "At least 90% in the better regime: met.",
        "20 times faster to 95%: met.",
    ]


def test_architectures_that_are_measured_one_by_one_stand_in_the_same_column() -> None:
    book = made_up(shared=100.0, fresh=100.0)
    for learner, shares in {"gru4rec": (98.0, 91.0), "narm": (90.0, 96.0)}.items():
        study = CrossStudy(name=f"films-{learner}", kind="cross", of="films", about="One.", learners={learner: {}})
        book.studies[study.name] = study
        found = of_learner(*shares, 5.0)
        for row in found["rows"][1:]:
            row["regime"] = row["key"].removeprefix("distilled/")
        book.kept[study.name] = {"learners": {learner: found}}
    table = demands_table(book, ten=False)
    assert "| GRU4Rec, better regime, NDCG@10 | 97% | **98.0% (shared)**, met |" in table
    assert "| NARM, better regime, NDCG@10 | 97% | 96.0% (fresh), not met |" in table
    assert "| BERT4Rec, better regime, NDCG@10 | 97% | not measured |" in table


def test_a_learner_that_passes_the_mark_and_falls_again_has_not_reached_it() -> None:
    found = of_learner(99.0, 99.0, 50.0)
    found["curves"][1]["points"] = [
        {"seconds": float(second), "ndcg@10": score}
        for second, score in enumerate((0.096, 0.094, 0.096, 0.097, 0.093, 0.095, 0.099, 0.096, 0.05), start=1)
    ]
    reached = "20 times faster to 95%: not met by SASRec"
    assert f"{reached} (16.7x)." in demanded({"sasrec": found})  # After six seconds, the first of three in a row.
    found["curves"][1]["points"][6]["ndcg@10"] = 0.094
    assert f"{reached} (0.0x)." in demanded({"sasrec": found})


def test_a_result_of_other_settings_than_the_present_ones_is_named_as_such() -> None:
    book = made_up(shared=102.0, fresh=98.0)
    studies = book.studies
    of_now = {"films": {**book.kept["films"], "study": {"digest": digest(studies["films"], studies)}}}
    of_before = {"films": {**book.kept["films"], "study": {"digest": "another"}}}
    assert Book(studies, of_now).outdated == set()
    assert "changed since" not in first_screen(Book(studies, of_now))
    assert Book(studies, of_before).outdated == {"films"}
    assert "Measured with defaults that have changed since: films." in first_screen(Book(studies, of_before))
    listed = page.BLOCKS["studies"]
    assert "| kept |" in listed(Book(studies, of_now))
    assert "| kept, of earlier settings |" in listed(Book(studies, of_before))


def test_what_is_not_measured_is_said_to_be_so_and_counted() -> None:
    empty = Book(made_up(shared=1, fresh=1).studies, {})
    lines = demands_table(empty, ten=True).splitlines()[2:]
    assert {line.split(" | ")[2].removesuffix(" |") for line in lines} == {"not measured"}
    assert "0 are met, 0 are not, 0 are reported" in counted(empty)
    assert first_screen(empty) == "Nothing is measured yet."
    assert not failures(empty)


def test_every_study_that_is_committed_can_be_read_and_has_settings_that_work() -> None:
    studies = read_studies(RESULTS / "studies")
    assert {"ml-100k", "ml-100k-10", "ml-1m", "magazine", "beauty", "retailrocket", "ml-1m-gru4rec", "size"} <= set(
        studies
    )
    for name in ("ml-100k", "magazine"):
        study = studies[name]
        assert isinstance(study, ScoreboardStudy)
        papers = study.papers
        assert papers is not None
        assert papers.distill.targets == "tied"
        assert papers.distill.num_sequences == 30


def test_a_figure_that_changes_changes_the_page(book: Book) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    other = copy.deepcopy(book.kept)
    (row,) = [row for row in other["ml-100k"]["rows"] if row["key"] == "distilled/shared"]
    row["percent_of_full"]["ndcg@10"] += 1
    assert page.filled(text, Book(book.studies, other)) != text


def lists_of(value: object) -> Iterator[list[object]]:
    if isinstance(value, list):
        yield value
    if isinstance(value, (list, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from lists_of(entry)


def test_no_result_and_no_study_names_a_folder_of_a_machine() -> None:
    files = [file for folder in (*FOLDERS.values(), "studies") for file in (RESULTS / folder).glob("*")]
    assert len(files) > len(FOLDERS)
    for file in files:
        assert re.search(r"""["'\s=]/\w+/""", file.read_text(encoding="utf-8")) is None, file
