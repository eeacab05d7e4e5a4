"""What turns whatever a user has, a name, a log, a table or a prepared folder, into a `Dataset`."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from seqdistill import __version__
from seqdistill.artifacts import MANIFEST, check_writable, write_artifact
from seqdistill.config import DataConfig, parse_config
from seqdistill.data.build import NUM_STAGES, build
from seqdistill.data.fetch import NamedDataset, fetch
from seqdistill.data.layout import FORMAT_VERSION, KIND
from seqdistill.data.log import Log, open_log
from seqdistill.data.named import NAMED_DATASETS, suggest_names
from seqdistill.data.prepared import PreparedDataset, open_prepared
from seqdistill.data.report import reporting, stages
from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError
from seqdistill.json_values import Json
from seqdistill.progress import SILENT, Progress

Notify = Callable[[str], None]


def load_dataset(
    source: object,
    *,
    config: DataConfig | None = None,
    name: str | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress = SILENT,
    notify: Notify | None = None,
    verify: bool = False,
    **settings: object,
) -> PreparedDataset:
    """Load a named dataset, a log, a table or a prepared folder.

    A known name wins over a file called the same; `./ml-100k`, or a `Path`, always means the file.

    Args:
        source: a name of `NAMED_DATASETS`; the path of a log, a pattern of paths, a folder of parquet files, a saved
            Hugging Face data set or a prepared folder; a polars or pandas frame or an Arrow table.
        config: how to read, filter and split a log; see `seqdistill.config.DataConfig`.
        name: to call it by; by default that of the file.
        cache_dir: where named datasets are kept; by default the user's cache folder.
        progress: where to report the reading of a large log.
        notify: gets the licence note of a named dataset when it is first fetched; by default it is logged.
        verify: of a prepared folder, read all files and compare their SHA-256; see `open_prepared`.
        **settings: of the section `data`, over `config`: `load_dataset("log.csv", min_count=1)`.

    Raises:
        SeqDistillError: neither a known name nor a log, or the log cannot be used; one line that says why.
    """
    chosen = _settings(config, settings)
    if isinstance(source, (str, Path)) and source not in NAMED_DATASETS and (Path(source) / MANIFEST).is_file():
        dataset = open_prepared(Path(source), verify=verify)
        _refuse_other_settings(dataset, chosen)
        return dataset
    log, chosen = _find_log(source, chosen, name, lambda known: fetch(known, cache_dir, notify, progress))
    folder = Path(tempfile.mkdtemp(prefix="seqdistill-"))
    try:
        built, manifest = _build(log, chosen, folder, progress)
        write_prepared(folder / "dataset", built, manifest)
        dataset = open_prepared(folder / "dataset", source=log.source)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(dataset, shutil.rmtree, folder, ignore_errors=True)
    return dataset


def prepare(
    source: object,
    out: str | Path,
    *,
    config: DataConfig | None = None,
    name: str | None = None,
    overwrite: bool = False,
    cache_dir: str | Path | None = None,
    progress: Progress = SILENT,
    notify: Notify | None = None,
    **settings: object,
) -> PreparedDataset:
    """Read, filter and split a log once, into a folder that opens in milliseconds.

    Args:
        source: see `load_dataset`.
        out: the folder; written under another name beside it and renamed when it is whole.
        config: see `load_dataset`.
        name: see `load_dataset`.
        overwrite: replace a prepared folder that is there.
        cache_dir: see `load_dataset`.
        progress: see `load_dataset`.
        notify: see `load_dataset`.
        **settings: see `load_dataset`.

    Raises:
        SeqDistillError: the log cannot be used, or `out` is taken or cannot be written.
    """
    target = Path(out)
    chosen = _settings(config, settings)
    check_writable(target, KIND)
    if (target / MANIFEST).is_file() and not overwrite:
        raise SeqDistillError(
            f"{target} holds a prepared dataset; choose another folder, or overwrite it (--overwrite)"
        )
    log, chosen = _find_log(source, chosen, name, lambda known: fetch(known, cache_dir, notify, progress))
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)
    with work as folder:
        built, manifest = _build(log, chosen, Path(folder), progress)
        write_prepared(target, built, manifest)
    return open_prepared(target)


def _build(log: Log, config: DataConfig, folder: Path, progress: Progress) -> tuple[Path, Json]:
    """`build` in a folder, with reports."""
    with (
        _room(folder),
        reporting(progress, f"reading {log.name}") as on_bytes,
        stages(progress, f"preparing {log.name}", NUM_STAGES, log.num_bytes) as on_stage,
    ):
        return build(log, config, folder, on_bytes=lambda done: on_bytes(done, log.num_bytes), on_stage=on_stage)


def write_prepared(target: Path, built: Path, manifest: Json) -> None:
    """Move the files that `build` made into their folder, under its manifest."""
    write_artifact(
        target,
        kind=KIND,
        version=FORMAT_VERSION,
        tensors={},
        manifest={"versions": {"seqdistill": __version__}, **manifest},
        extra_files={file.name: file.replace for file in sorted(built.iterdir())},
    )


def _settings(config: DataConfig | None, settings: dict[str, object]) -> DataConfig:
    if not settings:
        return config or DataConfig()
    given = config.model_dump(exclude_unset=True) if config is not None else {}
    return parse_config({"data": {**given, **settings}}).data


def _find_log(
    source: object, config: DataConfig, name: str | None, obtain: Callable[[NamedDataset], Path]
) -> tuple[Log, DataConfig]:
    """The log, and the settings for it: a named dataset has its own where the user said nothing."""
    if isinstance(source, str) and source in NAMED_DATASETS:
        known = NAMED_DATASETS[source]
        config = _settings(DataConfig(), {**known.settings, **config.model_dump(exclude_unset=True)})
        return open_log(obtain(known), config, name=name or source), config
    if isinstance(source, str) and not Path(source).exists() and not set(source) & set("*?["):
        raise SeqDistillError(f"{source}: no such file, and no dataset is called that; {suggest_names(source)}")
    return open_log(source, config, name=name), config


def _refuse_other_settings(dataset: PreparedDataset, config: DataConfig) -> None:
    """A prepared folder has been read, filtered and split: settings that ask for something else come too late.

    Raises:
        SeqDistillError: naming them.
    """
    made = DataConfig.model_validate(dict(dataset.provenance.settings))
    asked = config.model_fields_set - {"memory"}
    if other := sorted(key for key in asked if getattr(config, key) != getattr(made, key)):
        key = other[0]
        raise SeqDistillError(
            f"{dataset.provenance.source} was prepared with data.{key} = {getattr(made, key)}, and"
            f" {getattr(config, key)} is asked for; prepare the log again, or leave the setting out"
        )


@contextmanager
def _room(folder: Path) -> Generator[None]:
    """A full disk is something the user can mend.

    Raises:
        SeqDistillError: naming the disk.
    """
    try:
        yield
    except OSError as error:
        raise SeqDistillError(
            f"{folder.parent}: cannot be written ({error.strerror or error}); make room there, or set TMPDIR"
            " to a folder on another disk"
        ) from error
