"""What the tables of all kinds of studies have in common."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from seqdistill.json_values import Json
from studies.book import Book
from studies.demands import NOT_MEASURED
from studies.keeping import FOLDERS
from studies.study import AblationStudy, CrossStudy, PublishedStudy, Study

S = TypeVar("S", AblationStudy, CrossStudy, PublishedStudy)


def kept_and_missing(book: Book, studies: Sequence[S], draw: Callable[[S, Json], str]) -> str:
    """A table for each study that is kept, and the names of the others."""
    held = [draw(study, book.kept[study.name]) for study in studies if study.name in book.kept]
    absent = [study.name for study in studies if study.name not in book.kept]
    return "\n\n".join([*held, *([f"{NOT_MEASURED.capitalize()}: {', '.join(absent)}."] if absent else [])])


def source(study: Study, kept: Json) -> str:
    """The command, machine, versions and seed behind a table, and its file."""
    versions, file = kept["versions"], f"results/{FOLDERS[study.kind]}/{study.name}.json"
    return (
        f"`{kept['study']['command']}` on {kept['machine']}; torch {versions['torch']}, seqdistill "
        f"{versions['seqdistill']}; seed {kept['seed']}; [{file}](../{file})"
    )
