"""Plain files and nothing that only looks like one: no link, pipe or device is opened inside a folder that is read."""

import hashlib
import os
import re
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from seqdistill.errors import SeqDistillError

PLAIN_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._ -]{0,127}$"
"""Names that artifacts may give their files: no separator, no `..`, nothing hidden, nothing a shell minds."""

CHUNK_BYTES = 1 << 20


class OpenFolder:
    """A folder held open, so that all files come from the same one even where another takes its name meanwhile.

    Args:
        path: the folder; it may itself be reached through links, which are the user's own.

    Raises:
        SeqDistillError: if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise SeqDistillError(f"cannot open the folder {str(path)!r}: {_why(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._descriptor)

    def open(self, name: str) -> BinaryIO:
        """A plain file of the folder, opened for reading and without a buffer.

        Raises:
            SeqDistillError: the name is no plain one, or there is no plain file under it.
        """
        file = self.path / name if re.fullmatch(PLAIN_NAME, name) else None
        if file is None:
            raise SeqDistillError(f"{self.path}: {name[:80]!r} is no plain file name; the folder was altered")
        try:
            # Looked at before it is opened: opening a device may already do something.
            _refuse_special(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False), file)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            stream = os.fdopen(os.open(name, flags, dir_fd=self._descriptor), "rb", buffering=0)
        except FileNotFoundError as error:
            raise SeqDistillError(f"{file} is missing; restore the whole folder {self.path}") from error
        except OSError as error:
            raise SeqDistillError(f"cannot read {file}: {_why(error)}") from error
        try:
            _refuse_special(os.fstat(stream.fileno()), file)
        except SeqDistillError:
            stream.close()
            raise
        return stream

    def holds(self, name: str) -> bool:
        """Whether there is anything under a name."""
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True


def file_size(stream: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(stream.fileno()).st_size


def read_bounded(stream: BinaryIO, limit: int, file: Path) -> bytes:
    """All of a file that is to be no longer than a limit; not a byte beyond it is read.

    Raises:
        SeqDistillError: if it is longer, or cannot be read.
    """
    parts: list[bytes] = []
    left = limit + 1
    try:
        while left > 0 and (part := stream.read(min(left, CHUNK_BYTES))):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise SeqDistillError(f"cannot read {file}: {_why(error)}") from error
    if left <= 0:
        raise SeqDistillError(f"{file} is larger than the {limit:,} bytes it may have; it is damaged or was altered")
    return b"".join(parts)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def reach_disk(path: Path) -> None:
    """Wait until a file, or what a folder lists, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_special(status: os.stat_result, file: Path) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise SeqDistillError(f"{file} is a symbolic link, which a folder of this kind never holds; put the file there")
    if not stat.S_ISREG(status.st_mode):
        raise SeqDistillError(f"{file} is no plain file; restore the whole folder {file.parent}")


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
