"""What can go wrong with the embedded database: each one sentence with the way out."""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tillhouse.kernel.errors import DomainError


class EmbeddedError(DomainError):
    """The embedded database cannot run; the message is one sentence with the way out."""

    code = "embedded_database"
    status = 500


class PortInUse(EmbeddedError):
    """Somebody else listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} of 127.0.0.1 is in use: stop the program that holds it, or choose another port.")


class DiskFull(EmbeddedError):
    """`needed` bytes are not free where `folder` is."""

    def __init__(self, folder: Path, needed: int) -> None:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(there).free // 2**20
        super().__init__(
            f"The disk of {folder} is full ({free} MB free, {needed // 2**20} MB needed): free some space and start "
            "again; what is stored is kept."
        )


class NotWritable(EmbeddedError):
    """The folder belongs to somebody else, or is mounted read-only."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} cannot be written by this account: make it yours (sudo chown -R $(id -u) '{folder}'), "
            "or run this as the account it belongs to."
        )


class Damaged(EmbeddedError):
    """What lies in the folder is no longer a whole database."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The database in {folder} is damaged ({reason}; log: {folder / 'server.log'}): put a backup of that "
            f"folder back, or move it away and start empty: {move_away(folder)}"
        )


def move_away(folder: Path) -> str:
    """The command that makes room for a new database and loses nothing of the old one."""
    return f"mv '{folder}' '{folder}.damaged'"


def refusal(folder: Path, output: str, *, port: int, needed: int) -> EmbeddedError:
    """What PostgreSQL said when it would not start (or be made), as one sentence with the way out."""
    if re.search("No space left on device|Disk quota exceeded|Check free disk space", output):
        return DiskFull(folder, needed)
    if "could not create any TCP/IP sockets" in output:
        return PortInUse(port)
    if re.search(r"Permission denied|has wrong ownership|Operation not permitted", output):
        return NotWritable(folder)
    return Damaged(folder, last_line(output))


def last_line(output: str) -> str:
    """The last line that says why: a FATAL or PANIC one, else whatever came last; without its time stamp."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    grave = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    last = (grave or lines or ["it said nothing"])[-1]
    return re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", last)


@contextmanager
def file_errors_as_sentences(folder: Path, needed: int) -> Iterator[None]:
    """Raise failures of the file system as `EmbeddedError`."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(folder, needed) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise NotWritable(folder) from error
        raise EmbeddedError(f"The database in {folder} cannot be used: {error}.") from error
