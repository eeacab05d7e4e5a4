"""Putting a new folder in the place of an old one, so that one of the two is there at every moment.

Where the system can exchange two names in one step, it does. Elsewhere the old folder steps aside first, under a name
that readers and writers know to look for.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any, cast

from seqdistill.artifacts.documents import read_json
from seqdistill.artifacts.manifest import MANIFEST
from seqdistill.artifacts.plain import reach_disk
from seqdistill.errors import SeqDistillError

AT_FDCWD = -100
RENAME_EXCHANGE = 2
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def check_writable(path: Path, kind: str) -> None:
    """Make sure that an artifact may be written under a name, before the work that makes it.

    Raises:
        SeqDistillError: if the name is taken by anything but an artifact of the same kind or an empty folder.
    """
    recover(path)
    if os.path.lexists(path) and not _holds(path, kind):
        raise SeqDistillError(f"{path} exists and is not a {kind}; choose another folder or remove it")


def recover(path: Path) -> None:
    """Bring back a folder that stepped aside for one that never came, where a writer was killed in between."""
    aside = _aside(path)
    if aside.is_dir() and not os.path.lexists(path):
        with suppress(OSError):  # another process was quicker, or the disk cannot be written: then it stays aside
            aside.rename(path)


@contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """A folder beside `path` to write in; it is removed at the end unless it was renamed.

    What writers that were killed have left there is removed as well: a writer locks its folder as long as it lives.

    Raises:
        OSError: if it cannot be made.
    """
    prefix = f".{path.name}.new-"
    for leftover in path.parent.glob(f"{escape(prefix)}*"):
        _remove_unlocked(leftover)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def put_in_place(new: Path, path: Path) -> None:
    """Rename a complete folder to its final name; what had that name is removed.

    Raises:
        OSError: if it cannot be; then the old folder is still there.
    """
    reach_disk(new)
    if not path.exists():
        new.rename(path)
    elif exchange(new, path):
        shutil.rmtree(new, ignore_errors=True)
    else:
        aside = _aside(path)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        try:
            new.rename(path)
        except OSError:
            aside.rename(path)
            raise
    reach_disk(path.parent)
    shutil.rmtree(_aside(path), ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the disk cannot.

    Raises:
        OSError: if it can, and failed.
    """
    rename: Any = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number))


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _remove_unlocked(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # its writer is alive, or there are no locks here to tell by
        pass
    finally:
        os.close(descriptor)


def _holds(path: Path, kind: str) -> bool:
    try:
        if not any(path.iterdir()):
            return True
        content: object = read_json(path / MANIFEST)
    except (OSError, SeqDistillError):
        return False
    return isinstance(content, dict) and cast("dict[str, object]", content).get("format") == f"seqdistill/{kind}"
