"""The files of a log: found by path, folder or pattern, read from end to end, decompressed and hashed on the way."""

import glob
import gzip
import hashlib
import io
import re
import sys
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from seqdistill.errors import SeqDistillError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
COMPRESSIONS = (".gz", ".zst", ".zstd")
_UNPACK = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "a 7z archive"}

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)


class UnreadableError(Exception):
    """Why a log cannot be read, without the file's name, which only its reader knows."""


@dataclass
class Meter:
    """Counts and hashes the bytes that are read of all files of a log.

    Attributes:
        done: bytes read.
        on_bytes: told `done` whenever it has grown.
    """

    on_bytes: Callable[[int], None] | None = None
    done: int = 0
    _digests: list[str] = field(default_factory=list[str])

    def count(self, num_bytes: int) -> None:
        """So many more bytes have been read."""
        self.done += num_bytes
        if self.on_bytes is not None:
            self.on_bytes(self.done)

    def add_digest(self, hexadecimal: str) -> None:
        """A file has been read whole and has this SHA-256."""
        self._digests.append(hexadecimal)

    @property
    def sha256(self) -> str:
        """Of the log: that of its file or, of several, the digest of theirs in order; empty where there is none."""
        if len(self._digests) <= 1:
            return "".join(self._digests)
        return hashlib.sha256("\n".join(self._digests).encode()).hexdigest()


class _Metered(io.RawIOBase):
    """A file that reports what is read from it."""

    def __init__(self, file: IO[bytes], meter: Meter) -> None:
        self._file = file
        self._meter = meter
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        num_bytes = cast("io.FileIO", self._file).readinto(view)
        self._digest.update(view[:num_bytes])
        self._meter.count(num_bytes)
        return num_bytes

    def finish(self) -> None:
        """Read what a decompressor left unread, so that the digest is the file's."""
        while self.read(1 << 20):
            pass
        self._meter.add_digest(self._digest.hexdigest())


@contextmanager
def open_bytes(path: Path, meter: Meter | None = None) -> Generator[IO[bytes]]:
    """A file's bytes, decompressed.

    Args:
        path: the file.
        meter: counts and hashes all of the file by the time the block ends; without one, the block may read as little
            as it likes.

    Raises:
        UnreadableError: empty, damaged, or compressed in a way that has to be undone first.
        SeqDistillError: it cannot be opened.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise SeqDistillError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    with file:
        head = file.read(6)
        file.seek(0)
        if not head:
            raise UnreadableError("is empty; give a log with at least one row")
        for magic, what in _UNPACK.items():
            if head.startswith(magic):
                raise UnreadableError(
                    f"is {what}; unpack it, and give the log in it (gzip and zstd are read as they are)"
                )
        raw = _Metered(cast("IO[bytes]", file), meter or Meter())
        try:
            yield _decompressed(raw, head, path.suffix.lower())
            if meter is not None:
                raw.finish()
        except DAMAGED as error:
            kind = "zstd" if head.startswith(ZSTD) else "gzip"
            reason = "it ends too soon" if isinstance(error, EOFError) else one_line(error)
            raise UnreadableError(f"the {kind} data is damaged ({reason}); fetch or compress it again") from error
        except OSError as error:
            raise UnreadableError(f"cannot be read ({error.strerror or one_line(error)})") from error


def _decompressed(raw: _Metered, head: bytes, suffix: str) -> IO[bytes]:
    stream = io.BufferedReader(raw, 1 << 20)
    if head.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    if head.startswith(ZSTD):
        return cast("IO[bytes]", zstd.ZstdFile(stream))
    if suffix in COMPRESSIONS:
        kind = "gzip" if suffix == ".gz" else "zstd"
        raise UnreadableError(f"is no {kind} data, as its name says; rename it or fetch it again")
    return cast("IO[bytes]", stream)


def split_suffixes(path: Path) -> tuple[str, str, str]:
    """Split a log's file name: `("beauty", ".txt", ".gz")` for `beauty.txt.gz`; the suffixes in lower case."""
    compression = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    bare = Path(path.stem) if compression else Path(path.name)
    return bare.stem, bare.suffix.lower(), compression


def find_files(path: Path) -> list[Path]:
    """The file itself, the parquet files of a folder in order, or the files of a pattern.

    Raises:
        SeqDistillError: there is none.
    """
    if path.is_dir():
        found = sorted(file for file in path.rglob("*.parquet") if file.is_file() and not _hidden(file, path))
        if not found:
            raise SeqDistillError(
                f"{path}: a folder without parquet files; give a log file, a folder of parquet files, a data set that"
                " `datasets` saved to disk, or a folder that `seqdistill prepare` made"
            )
        return found
    if path.exists():
        return [path]
    if re.search(r"[*?\[]", str(path)):
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())  # noqa: PTH207 - takes absolute patterns too
        if found:
            return found
        raise SeqDistillError(f"{path}: no file matches the pattern; check the path")
    raise SeqDistillError(f"{path}: no such file; check the path")


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def one_line(error: BaseException) -> str:
    """An error of another library, fit for a part of a line."""
    return re.sub(r"\s+", " ", str(error)).strip()[:120]


def quoted(value: str) -> str:
    """A value of the log, fit for a one-line message: control characters escaped, long ones cut."""
    return repr(value if len(value) <= 40 else value[:37] + "...")
