"""Datasets known by name: who owns them, under what terms, where their file comes from, and how it is told to be right.

A file is taken only with the SHA-256 written here, whichever way it came, and is kept in a cache folder:
`$SEQDISTILL_CACHE`, else `$XDG_CACHE_HOME/seqdistill`, else `~/.cache/seqdistill`.
"""

import difflib
import hashlib
import http.client
import io
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from seqdistill.errors import SeqDistillError

CACHE_VARIABLE = "SEQDISTILL_CACHE"

_ANSWER_SECONDS = 4.0
_DOWNLOAD_SECONDS = 120.0
_CHUNK_BYTES = 1 << 16


class _UnavailableError(Exception):
    """Why a source did not give its file; the next one is tried."""


class Source(Protocol):
    """A way to come by an owner's file."""

    @property
    def label(self) -> str:
        """A few words that name the source in messages."""
        ...

    def obtain(self) -> bytes:
        """The file's bytes, unverified; raises `_UnavailableError`."""
        ...


@dataclass(frozen=True)
class ZipDownload:
    """A member of a zip archive on a web server.

    Attributes:
        url: address of the archive.
        member: path of the file inside it.
        answer_seconds: how long the server may take to start answering.
    """

    url: str
    member: str
    answer_seconds: float = _ANSWER_SECONDS

    @property
    def label(self) -> str:
        """The archive's address."""
        return self.url

    def obtain(self) -> bytes:
        """Download the archive and return the member."""
        return _zip_member(_download(self.url, self.answer_seconds), self.member)


@dataclass(frozen=True)
class WheelDownload:
    """A data file inside a wheel, fetched by pip with whatever index and proxy the user's pip is set up for.

    Attributes:
        requirement: the wheel, with its exact version.
        member: path of the file inside it.
    """

    requirement: str
    member: str

    @property
    def label(self) -> str:
        """The pip command's short form."""
        return f"pip download {self.requirement}"

    def obtain(self) -> bytes:
        """Download the wheel, without its dependencies and without installing it, and return the member."""
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
            command += ["--no-input", "--disable-pip-version-check", "--timeout=30", "--retries=1"]
            try:
                done = subprocess.run(
                    [*command, f"--dest={folder}", self.requirement],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_DOWNLOAD_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise _UnavailableError(_reason(error)) from error
            wheels = list(Path(folder).glob("*.whl"))
            if done.returncode != 0 or not wheels:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                raise _UnavailableError(lines[-1].strip() if lines else "pip gave no file")
            return _zip_member(wheels[0].read_bytes(), self.member)


@dataclass(frozen=True)
class NamedDataset:
    """What is known about a dataset before it is here.

    Attributes:
        name: what the user types.
        title: full name.
        interactions: number of rows of the whole log.
        users: number of users in it.
        items: number of items in it.
        licence: the owner's terms in one or two sentences.
        address: the owner's page, for people.
        owner_file: name of the file as the owner gives it.
        header: what is put before the owner's bytes to name their columns; empty where they have a header.
        file_name: name in the cache; its suffix says the format.
        sha256: digest of the owner's bytes.
        sources: tried in this order.
    """

    name: str
    title: str
    interactions: int
    users: int
    items: int
    licence: str
    address: str
    owner_file: str
    header: bytes
    file_name: str
    sha256: str
    sources: tuple[Source, ...]

    def canonical(self, content: bytes) -> bytes | None:
        """The file as the cache keeps it, from the owner's bytes with or without the header; None if they differ."""
        body = content.removeprefix(self.header)
        return self.header + body if hashlib.sha256(body).hexdigest() == self.sha256 else None


NAMED_DATASETS: Mapping[str, NamedDataset] = {
    dataset.name: dataset
    for dataset in (
        NamedDataset(
            name="ml-100k",
            title="MovieLens 100K",
            interactions=100_000,
            users=943,
            items=1_682,
            licence=(
                "MovieLens 100K belongs to GroupLens, University of Minnesota: research use, with acknowledgement"
                " (Harper and Konstan 2015); no redistribution and no commercial use without their permission."
            ),
            address="https://grouplens.org/datasets/movielens/100k/",
            owner_file="u.data",
            header=b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n",
            file_name="ml-100k.inter",
            sha256="06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
            sources=(
                ZipDownload("https://files.grouplens.org/datasets/movielens/ml-100k.zip", "ml-100k/u.data"),
                # RecBole ships the same file as an example, for those who reach a package index and not the owner.
                WheelDownload("recbole==1.2.1", "recbole/dataset_example/ml-100k/ml-100k.inter"),
            ),
        ),
    )
}
"""Name -> dataset. A new one is an entry here and, where it comes another way, a new kind of `Source`."""


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """The folder fetched files are kept in; it need not exist yet."""
    if cache_dir is not None:
        return Path(cache_dir)
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own)
    if common := os.environ.get("XDG_CACHE_HOME"):
        return Path(common) / "seqdistill"
    return Path.home() / ".cache" / "seqdistill"


def find_named(name: str) -> NamedDataset:
    """The dataset of that name.

    Raises:
        SeqDistillError: there is none; the nearest names are offered.
    """
    if name in NAMED_DATASETS:
        return NAMED_DATASETS[name]
    raise SeqDistillError(f"no dataset is called {name!r}; {suggest_names(name)}")


def suggest_names(name: str) -> str:
    """The nearest known names as the end of a message, or all of them where none is near."""
    near = difflib.get_close_matches(name.lower(), NAMED_DATASETS)
    return f"did you mean {' or '.join(near)}?" if near else f"the known ones are {', '.join(NAMED_DATASETS)}"


def cached(dataset: str | NamedDataset, cache_dir: str | Path | None = None) -> Path | None:
    """The verified file in the cache, or None if it is not there or not whole."""
    known = find_named(dataset) if isinstance(dataset, str) else dataset
    path = cache_folder(cache_dir) / known.file_name
    return path if known.canonical(_read_if_there(path)) is not None else None


def fetch(
    dataset: str | NamedDataset, cache_dir: str | Path | None = None, notify: Callable[[str], None] | None = None
) -> Path:
    """The dataset's file, from the cache, else from the first of its sources that has it.

    A file in the cache is verified again each time, and fetched again if it is damaged. The owner's own file, put into
    the cache folder by hand, is taken as well.

    Args:
        dataset: a name of `NAMED_DATASETS`, or a description.
        cache_dir: folder to keep files in; by default `cache_folder()`.
        notify: gets the licence note, once, when the file arrives; by default it is logged as a warning.

    Raises:
        SeqDistillError: the name is unknown, no source has the right file, or the cache cannot be written.
    """
    known = find_named(dataset) if isinstance(dataset, str) else dataset
    path = cache_folder(cache_dir) / known.file_name
    by_hand = path.with_name(known.owner_file)
    try:
        if known.canonical(_read_if_there(path)) is not None:
            return path
        content = known.canonical(_read_if_there(by_hand)) or _obtain(known, path, by_hand)
        _write_atomically(path, content)
    except OSError as error:
        raise SeqDistillError(
            f"{path}: cannot be kept there ({_reason(error)}); set {CACHE_VARIABLE} to a folder you can write to"
        ) from error
    (notify or logging.getLogger(__name__).warning)(f"{known.licence} Kept in {path}")
    return path


def _obtain(known: NamedDataset, path: Path, by_hand: Path) -> bytes:
    failures: list[str] = []
    for source in known.sources:
        try:
            content = known.canonical(source.obtain())
            if content is not None:
                return content
            failures.append(f"{source.label}: its file has another SHA-256 and was refused")
        except _UnavailableError as error:
            failures.append(f"{source.label}: {error}")
    # Not the reader's mistake to make twice: a file that was put there by hand and is another one must be named.
    failures += [f"{file}: another SHA-256" for file in (path, by_hand) if file.exists()]
    raise SeqDistillError(
        f"{known.name} cannot be had ({'; '.join(failures)}); get {known.owner_file} from {known.address}"
        f" and put it at {by_hand}, or put {known.file_name} at {path}"
    )


def _download(url: str, answer_seconds: float) -> bytes:
    """Read a whole address, giving up early on a server that does not start to answer."""
    deadline = time.monotonic() + _DOWNLOAD_SECONDS
    try:
        with _open(url, answer_seconds) as response:
            chunks: list[bytes] = []
            while chunk := response.read(_CHUNK_BYTES):
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise _UnavailableError(f"not finished after {_DOWNLOAD_SECONDS:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise _UnavailableError(_reason(error)) from error
    return b"".join(chunks)


def _open(url: str, seconds: float) -> IO[bytes]:
    """`urlopen` that returns within `seconds`.

    Its own timeout does not bound the name look-up, which may hang far longer, so the call runs in a thread. The thread
    is a daemon: a look-up that is still hanging does not keep the program from ending.
    """
    outcome: queue.SimpleQueue[IO[bytes] | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put(urllib.request.urlopen(url, timeout=seconds))
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that can act on it
            outcome.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        answer = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.0f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _zip_member(archive: bytes, member: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            return file.read(member)
    # RuntimeError and NotImplementedError: an encrypted member, a compression zipfile does not know.
    except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
        raise _UnavailableError(f"the archive is damaged or has no {member}") from error


def _read_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _write_atomically(path: Path, content: bytes) -> None:
    """Write so that the name holds either all of the content or what it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        error = error.reason if isinstance(error.reason, Exception) else error
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not finished after {error.timeout:.0f} s"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
