"""Fill docs/results.md and the README, and draw the figures, from what is kept.

What stands between `<!-- results:NAME -->` and `<!-- /results:NAME -->` is replaced; the rest is written by hand.
"""

import re
from collections.abc import Callable
from pathlib import Path

from seqdistill.config import REGIMES
from seqdistill.evaluation.report import render_report
from seqdistill.evaluation.report.document import LOG_LIKELIHOOD, Row
from seqdistill.readable import duration, metric_value, size
from studies.ablation_table import ablation_tables
from studies.book import METRIC, Book, Scoreboard
from studies.cross_table import cross_tables
from studies.demands import NOT_MEASURED, counted, demands_table, failures, over_all_logs
from studies.figures import plots, standalone
from studies.first_screen import first_screen
from studies.markdown import table
from studies.published import published_tables

BLOCK = re.compile(r"(<!-- results:(?P<name>[\w-]+) -->\n).*?(<!-- /results:(?P=name) -->)", re.DOTALL)
PAGES = ("docs/results.md", "README.md")
FIGURES, EXAMPLE = "docs/figures", "docs/example-report.html"


def fill(results: Path, root: Path) -> list[Path]:
    """Write pages and figures that are not as they should be.

    Args:
        results: folder of studies and what is kept of them.
        root: the project's folder; pages that are not there are passed over.

    Returns:
        What was written.
    """
    book = Book.open(results)
    wanted = {
        root / name: filled((root / name).read_text(encoding="utf-8"), book)
        for name in PAGES
        if (root / name).is_file()
    }
    if wanted:
        wanted |= {root / name: report for name, report in reports(book).items()}
        wanted |= {root / FIGURES / name: drawing for name, drawing in drawings(book).items()}
    written = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in written:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[file], encoding="utf-8")
    return written


def filled(page: str, book: Book) -> str:
    """A page with what is kept between its markers."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block['name']](book).strip()}\n\n{block[3]}", page)


def reports(book: Book) -> dict[str, str]:
    """The example of a report; what the summary's sequences say is left out, as it would name items of the log."""
    held = book.scoreboard("ml-100k")
    return {} if held is None else {EXAMPLE: render_report(held.kept, None)}


def drawings(book: Book) -> dict[str, str]:
    """File name -> SVG, of every log whose default recipe was measured."""
    return {
        f"{log}-{name}.svg": standalone(figure)
        for log in book.logs
        if (held := book.scoreboard(log)) is not None
        for name, figure in plots(held.comparison).items()
    }


def _demands(book: Book) -> str:
    return "\n".join(
        [
            counted(book),
            "",
            "At the size of the default recipe:",
            "",
            demands_table(book, ten=False),
            *(over_all_logs(book, regime) for regime in REGIMES),
            "",
            "With at most 10 sequences:",
            "",
            demands_table(book, ten=True),
        ]
    )


def _scoreboards(book: Book) -> str:
    held = [_scoreboard(book, one) for one in book.scoreboards()]
    absent = [name for name, study in book.studies.items() if study.kind == "scoreboard" and name not in book.kept]
    missing = f"Not measured: {', '.join(absent)}." if absent else ""
    return "\n\n".join([*held, missing])


def _scoreboard(book: Book, held: Scoreboard) -> str:
    comparison, kept = held.comparison, held.kept
    dataset, summary = kept["dataset"], kept["summary"]
    spent = comparison.costs.seconds
    cost = ""
    if spent.teacher is not None and spent.distill is not None:
        cost = f" Teacher {duration(spent.teacher)}, distillation {duration(spent.distill)}."
    facts = (
        f"{held.study.about} {dataset['users']:,} users, {dataset['items']:,} items, {dataset['interactions']:,} "
        f"interactions; {summary['num_sequences']} sequences of {summary['length']} positions, d3 = {summary['dim']}; "
        f"{kept['config']['train']['learner']}, {kept['seeds']} seeds a row.{cost}"
    )
    pictures = [
        f"![{figure.title}, {held.study.name}. {figure.description}](figures/{held.study.name}-{name}.svg)"
        for name, figure in (plots(comparison).items() if held.study.name in book.logs else ())
    ]
    sentences = "\n".join(f"- {sentence}" for sentence in comparison.verdict)
    return "\n\n".join(
        part
        for part in (
            f"### {held.study.name}",
            facts,
            _rows_table(held),
            *pictures,
            held.study.conclusion,
            f"<details><summary>What its figures say, sentence by sentence</summary>\n\n{sentences}\n\n</details>",
            _source(held),
        )
        if part
    )


def _rows_table(held: Scoreboard) -> str:
    header = [
        "learners trained on",
        "regime",
        "sequences",
        "NDCG@10",
        "% of full data (95%)",
        "HR@10",
        "% of full data",
    ]
    header += ["log-likelihood", "bytes", "training"]
    return table(header, [_row(held, row) for row in held.comparison.rows if _shown(row)]).rstrip()


def _shown(row: Row) -> bool:
    """All rows at n, and random ones in every number; the report of a comparison has the others."""
    return row.group not in ("hard", "soft") or row.size == "n" or row.key.startswith(("random/", "every/"))


def _row(held: Scoreboard, row: Row) -> list[str]:
    value, low, high = held.comparison.percent(row, METRIC)
    share = "" if value is None else f"{value:.1f}"
    if low is not None and high is not None:
        share += f" ({low:.1f} to {high:.1f})"
    hits = row.percent_of_full.get("hr@10")
    number = "" if row.sequences is None else f"{row.sequences:,.0f}" + (f" ({row.size})" if row.size else "")
    targets = f", {row.targets} targets" if row.group in ("hard", "soft") else ""
    return [
        f"**{row.name}**" if row.key.startswith("distilled/") else f"{row.name}{targets}",
        row.regime or "",
        number,
        _spread(row, METRIC),
        share,
        _spread(row, "hr@10"),
        "" if hits is None else f"{hits:.1f}",
        _spread(row, LOG_LIKELIHOOD),
        "" if row.bytes is None else size(row.bytes),
        "" if not row.seconds_train else duration(row.seconds_train),
    ]


def _spread(row: Row, metric: str) -> str:
    found = row.metrics.get(metric)
    if found is None or found.mean is None:
        return ""
    return metric_value(metric, found.mean) + (
        f" ± {metric_value(metric, found.std)}" if found.std and metric != LOG_LIKELIHOOD else ""
    )


def _source(held: Scoreboard) -> str:
    kept, name = held.kept, held.study.name
    seconds, versions = kept["costs"]["seconds"], kept["versions"]
    made = f"`{kept['study']['command']}`: " if "study" in kept else ""
    lines = [f"{made}`{kept['summary']['command']}`, then  ", f"`{kept['command']}`,  "]
    lines.append(
        f"in {seconds['compare'] / 60:.0f} min, {seconds['compare_processors'] / 60:.0f} min of processor time, on "
        f"{kept['machine']}; python {versions['python']}, torch {versions['torch']}, seqdistill "
        f"{versions['seqdistill']}; seed {kept['seed']}; [results/compare/{name}.json](../results/compare/{name}.json)"
    )
    return "\n".join(lines)


def _failures(book: Book) -> str:
    lost = [
        f"{held.study.name}: {sentence}"
        for held in book.scoreboards()
        for sentence in held.comparison.verdict
        if " loses to " in sentence or "never pays" in sentence or "not smaller than the log" in sentence
    ]
    lines = [*failures(book), *lost]
    return "\n".join(f"- {line}" for line in lines) if lines else "Nothing that was measured falls short."


def _studies(book: Book) -> str:
    lines = [[f"`{name}`", study.kind, study.about, _standing(book, name)] for name, study in book.studies.items()]
    return table(["study", "kind", "what", "result"], lines, numeric=False)


def _standing(book: Book, name: str) -> str:
    if name not in book.kept:
        return NOT_MEASURED
    return "kept, of earlier settings" if name in book.outdated else "kept"


BLOCKS: dict[str, Callable[[Book], str]] = {
    "first": first_screen,
    "demands": _demands,
    "scoreboards": _scoreboards,
    "cross": cross_tables,
    "published": published_tables,
    "ablations": ablation_tables,
    "failures": _failures,
    "studies": _studies,
}
