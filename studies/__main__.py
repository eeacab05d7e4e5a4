"""Measure studies, and write the page and the README from what is kept.

python -m studies                   those that have no result of their settings, as far as their logs are there
python -m studies NAME ...          these
python -m studies --list            what there is
python -m studies --page            only fill docs/results.md and the README, and draw the figures

Interrupted, the same command goes on where it was.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seqdistill.cli.console import Terminal, print_error
from seqdistill.errors import SeqDistillError
from seqdistill.interruption import INTERRUPTION, Interrupted
from seqdistill.json_values import Json
from seqdistill.readable import duration
from studies import ablation, cross, page, published, scoreboard
from studies.keeping import RESULTS, ROOT, STUDIES, current, keep, kept_file, read_kept
from studies.logs import AbsentLogError, logs_folder
from studies.study import (
    AblationStudy,
    CrossStudy,
    PublishedStudy,
    ScoreboardStudy,
    Studies,
    Study,
    chosen,
    read_studies,
)
from studies.surroundings import Surroundings


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    arguments = _parser().parse_args(argv)
    with INTERRUPTION.listening():
        try:
            studies = read_studies(arguments.results / STUDIES)
            wanted = chosen(studies, arguments.names)
            if arguments.list:
                for study in wanted:
                    print(f"{study.name:26s} {_standing(arguments.results, study, studies):16s} {study.about}")
                return 0
            if not arguments.page:
                _measure_all(wanted, studies, arguments)
            for file in page.fill(arguments.results, ROOT if arguments.results == RESULTS else arguments.results):
                print(f"written: {file}")
        except SeqDistillError as error:
            print_error(str(error))
            return 1
        except Interrupted as stop:
            print_error(str(stop))
            return stop.status
    return 0


def measure(study: Study, around: Surroundings) -> Json:
    """What comes out of a study."""
    match study:
        case ScoreboardStudy():
            return scoreboard.measure(study, around)
        case CrossStudy():
            return cross.measure(study, around)
        case AblationStudy():
            return ablation.measure(study, around)
        case PublishedStudy():
            return published.measure(study, around)


def _measure_all(wanted: Sequence[Study], studies: Studies, arguments: argparse.Namespace) -> None:
    terminal = Terminal(as_json=False, quiet=arguments.quiet)
    around = Surroundings(
        studies,
        arguments.work,
        arguments.results,
        logs_folder(arguments.logs),
        arguments.workers,
        arguments.device,
        terminal.progress,
        terminal.notify,
        INTERRUPTION,
    )
    for study in wanted:
        if not arguments.again and current(around.results, study, studies) is not None:
            print(f"{study.name}: kept as {kept_file(around.results, study)}, of these settings", flush=True)
            continue
        if arguments.again and (folder := around.folder(study)).is_dir():
            shutil.rmtree(folder)
        print(f"{study.name}: {study.kind}, in {around.folder(study)}", flush=True)
        started = time.perf_counter()
        try:
            document = measure(study, around)
        except AbsentLogError as error:
            print(f"{study.name}: left out, as {error}", flush=True)
            continue
        file = keep(around.results, study, studies, document)
        print(f"{study.name}: {duration(time.perf_counter() - started)}; kept as {file}", flush=True)


def _standing(results: Path, study: Study, studies: Studies) -> str:
    if current(results, study, studies) is not None:
        return "kept"
    return "not measured" if read_kept(results, study) is None else "other settings"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies", description="Measure what docs/results.md says.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="studies; all by default")
    parser.add_argument("--list", action="store_true", help="say what there is, and do nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing; fill the page and the README")
    parser.add_argument("--again", action="store_true", help="measure anew what is kept or under way")
    parser.add_argument("--logs", type=Path, help="folder of the logs to bring; by default that of SEQDISTILL_LOGS")
    parser.add_argument("--work", type=Path, default=Path("runs/studies"), help="folder for what is under way")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of studies and results")
    parser.add_argument("--workers", type=int, help="processes of a comparison; by default one a core")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda[:N]")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser


if __name__ == "__main__":
    sys.exit(main())
