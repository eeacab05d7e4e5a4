"""One process a folder: a lock that ends with the process that holds it, however it ends."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from seqdistill.disk import writing
from seqdistill.errors import SeqDistillError

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None

LOCK = ".lock"
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}

Notify = Callable[[str], None]


@contextmanager
def locked(folder: Path, notify: Notify | None = None) -> Generator[None]:
    """Hold a folder against other processes; it is made if need be.

    The lock is the kernel's on the file `.lock`, so it is gone when the process is. The file stays: were it removed,
    two processes could hold locks on two files of that name.

    Args:
        folder: to be worked in.
        notify: gets a line where the file system knows no locks; then nothing is held.

    Raises:
        SeqDistillError: if another process holds it, naming it, or the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, folder, notify)
        with contextlib.suppress(OSError):  # On a full disk the lock holds, if without a name.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, notify: Notify | None) -> None:
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SeqDistillError(
            f"{folder} is in use by {_holder(descriptor)}; wait for it, stop it, or choose another folder"
        ) from error
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise SeqDistillError(f"{folder} cannot be locked: {error.strerror}") from error
        if notify is not None:
            notify(f"{folder} cannot be locked on this file system: make sure that no other process works in it")


def _holder(descriptor: int) -> str:
    """Who wrote the file; by pid, and by host where that is another one."""
    words = os.pread(descriptor, 200, 0).decode(errors="replace").split()
    if len(words) != 2:
        return "another process"
    pid, host = words
    return f"process {pid}" + ("" if host == socket.gethostname() else f" on {host}")
