"""The server itself: made, started, watched and stopped."""

import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil
import psycopg

from tillhouse.apps import runtime
from tillhouse.apps.embedded import databases, errors, host
from tillhouse.apps.embedded.databases import APP, DATABASE, OWNER, SUPERUSER
from tillhouse.apps.embedded.errors import Damaged, DiskFull, EmbeddedError, PortInUse

READY_SECONDS = 60.0
FREE_BYTES_NEW = 256 * 2**20
FREE_BYTES_AGAIN = 64 * 2**20
LOG_BYTES = 5 * 2**20
SOCKET_PATH_BYTES = 103  # sun_path is 104 bytes on a mac, 108 on Linux, the final NUL included


class EmbeddedPostgres:
    """A PostgreSQL server on 127.0.0.1 whose life is bound to ours.

    `port` None takes a free one and keeps it for the life of this object, so that a restart changes no address.
    `durable=False` is for tests: nothing is forced to the disk. Every failure is an `EmbeddedError`.

    Start it in the main thread or in one that lives as long: on Linux the server is told to shut down when the thread
    that started it ends, which is also what happens when our process is killed.
    """

    name = "postgresql"

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log_file = self.folder / "server.log"
        self._port = port
        self._durable = durable
        self._passwords: dict[str, str] = {}
        self._lock: IO[str] | None = None
        self._account: host.Account | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def owner_url(self) -> str:
        """For migrations: owns the database and what is in it."""
        return f"postgresql+asyncpg://{OWNER}:{self._password(OWNER)}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def app_url(self) -> str:
        """For everything else: owns nothing; migrations grant what it may do."""
        return f"postgresql+asyncpg://{APP}:{self._password(APP)}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def superuser_dsn(self) -> str:
        """For backup, drill and tests that make databases; connects to `postgres`, in libpq's and asyncpg's form."""
        return f"postgresql://{SUPERUSER}:{self._password(SUPERUSER)}@127.0.0.1:{self.port}/postgres"

    @property
    def port(self) -> int:
        """Known once `start()` has returned, or from the beginning when it was given."""
        if self._port is None:
            raise EmbeddedError("The embedded database has no port before it is started.")
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def poll(self) -> int | None:
        """None while the server runs, otherwise its exit code (0 before the first start)."""
        return self._server.poll() if self._server else 0

    def start(self) -> None:
        """Make what is missing, start, wait until it answers (at most 60 s without a sign of life). Idempotent."""
        if self.pid is not None:
            return
        with errors.file_errors_as_sentences(self.folder, FREE_BYTES_NEW):
            try:
                self._open_folder()
                self._prepare()
                self._launch()
                self._make_databases()
            except BaseException:
                self.stop()
                raise

    def stop(self, timeout: float = 8.0) -> None:
        """Fast shutdown; immediate for what is left after three quarters of `timeout` seconds; then kill."""
        if self._server is not None:
            for how, seconds in (
                (signal.SIGINT, timeout * 0.75),
                (signal.SIGQUIT, timeout * 0.25),
                (signal.SIGKILL, 5),
            ):
                if self._server.poll() is None:
                    self._server.send_signal(how)
                    with suppress(subprocess.TimeoutExpired):
                        self._server.wait(seconds)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _password(self, role: str) -> str:
        if role not in self._passwords:
            raise EmbeddedError("The embedded database has no address before it is started.")
        return self._passwords[role]

    def _open_folder(self) -> None:
        """Make the folder and take its lock: from here on nobody else starts, mends or makes anything in it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            self.folder.chmod(0o711)  # PostgreSQL's account passes through, and lists nothing
        if self._lock is not None:
            return
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedError(
                f"The database in {self.folder} is already running (process {holder}): use that one, or stop it first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _prepare(self) -> None:
        new = not self.data.exists() or not any(self.data.iterdir())
        if not new:
            self._check_version()
        needed = FREE_BYTES_NEW if new else FREE_BYTES_AGAIN
        if shutil.disk_usage(self.folder).free < needed:
            raise DiskFull(self.folder, needed)
        self._account = host.Account.choose(self.data)
        self._binaries = host.reachable_binaries(self._account, self.folder)
        self._by_path = self._account is None or self._account.can(
            "/bin/sh", "-c", f"cd {shlex.quote(str(self.folder))}"
        )
        if not self._by_path and sys.platform != "linux":
            raise EmbeddedError(f"PostgreSQL refuses to run as root: run this as an account that owns {self.folder}.")
        self._read_secrets(new)
        if new:
            self._initialise()
        self._end_leftovers()

    def _check_version(self) -> None:
        marker = self.data / "PG_VERSION"
        if not marker.exists():
            raise Damaged(self.folder, "data/PG_VERSION is missing")
        found = marker.read_text(errors="replace").strip()
        if not found.isdecimal():
            raise Damaged(self.folder, "data/PG_VERSION is no version")
        if found != host.MAJOR:
            raise EmbeddedError(
                f"The database in {self.folder} was made by PostgreSQL {found}, this is {host.MAJOR}: take a backup "
                f"with the Tillhouse that made it, and start empty here: {errors.move_away(self.folder)}"
            )

    def _read_secrets(self, new: bool) -> None:
        path = self.folder / "secrets.json"
        if path.exists():
            try:
                self._passwords = {role: str(json.loads(path.read_text())[role]) for role in (SUPERUSER, OWNER, APP)}
            except (ValueError, KeyError, TypeError):
                raise Damaged(self.folder, "secrets.json, which holds its passwords, cannot be read") from None
        elif new:
            self._passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER, APP)}
            host.write_private(path, json.dumps(self._passwords))
        else:
            raise Damaged(self.folder, "secrets.json, which holds its passwords, is missing")

    def _initialise(self) -> None:
        """Initdb into a sibling, then rename: a kill in the middle leaves nothing that looks like a database."""
        building, password = self.folder / "data.new", self.folder / "initdb.password"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        host.write_private(password, self._password(SUPERUSER))
        if self._account is not None:
            for path in (building, password):
                os.chown(path, self._account.uid, self._account.gid)
        arguments = [f"--username={SUPERUSER}", "--auth=scram-sha-256", f"--pwfile=../{password.name}"]
        arguments += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += ["--no-instructions"] if self._durable else ["--no-instructions", "--no-sync"]
        try:
            done = subprocess.run(  # noqa: S603  the wheel's own program
                self._command("initdb", building, *arguments),
                check=False,
                cwd=building,
                env=host.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise self._refusal(done.stdout + done.stderr)
            building.rename(self.data)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(building, ignore_errors=True)

    def _command(self, program: str, data: Path, *arguments: str) -> list[str]:
        """The command that runs `program` on `data`, to be started inside that folder."""
        seen = str(data) if self._by_path else "/proc/self/cwd"
        account = self._account
        return runtime.command(
            [str(self._binaries / program), "-D", seen, *arguments],
            end_with=signal.SIGINT,
            uid=account.uid if account else None,
            gid=account.gid if account else None,
        )

    def _end_leftovers(self) -> None:
        """End what a killed owner of this folder left running (we hold the lock), and remove its pid files."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        postmaster = (pid_file.read_text(errors="replace").splitlines() or [""])[0].strip()
        left = [process for process in psutil.process_iter() if _works_in(process, self.data)]
        _end([process for process in left if str(process.pid) == postmaster], signal.SIGINT)
        # Without a postmaster nobody restarts what is killed here, and the write-ahead log holds what was committed.
        _end(left, signal.SIGKILL)
        for stale in (pid_file, *self.data.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def _launch(self) -> None:
        if self._port is not None:
            self._launch_on(self._port)
            return
        for attempts_left in (2, 1, 0):  # a free port can be taken before the server has it
            self._port = host.free_port()
            try:
                self._launch_on(self._port)
                break
            except PortInUse:
                self._port = None
                if not attempts_left:
                    raise

    def _launch_on(self, port: int) -> None:
        if not host.is_free(port):
            raise PortInUse(port)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES:
            self.log_file.replace(self.log_file.with_name("server.log.1"))
        with self.log_file.open("ab") as log:
            begin = log.tell()
            self._server = subprocess.Popen(  # noqa: S603  the wheel's own program
                self._command("postgres", self.data, *self._options(port)),
                cwd=self.data,
                env=host.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self._wait_until_ready(self._server, begin)

    def _options(self, port: int) -> list[str]:
        """A server for one laptop: small, quiet, and without a person's data in its log (no statements, no details)."""
        with_socket = self._by_path and len(os.fsencode(self.data / ".s.PGSQL.65535.lock")) <= SOCKET_PATH_BYTES
        durable = "on" if self._durable else "off"
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": self.data if with_socket else "",
            "max_connections": 100,
            "shared_buffers": "64MB",
            "io_method": "sync",
            "jit": "off",
            # Parallel queries need /dev/shm, of which a container has little, and processes that a laptop can spare.
            "max_parallel_workers_per_gather": 0,
            "max_parallel_maintenance_workers": 0,
            "wal_level": "replica",
            "max_wal_size": "512MB",
            "fsync": durable,
            "synchronous_commit": durable,
            "full_page_writes": durable,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
            "log_checkpoints": "off",
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_line_prefix": "%m [%p] ",
        }
        return [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

    def _wait_until_ready(self, server: subprocess.Popen[bytes], begin: int) -> None:
        """Until the postmaster's own status line says so; a log that grows (recovery does) is a sign of life."""
        seen, deadline = begin, time.monotonic() + READY_SECONDS
        while not _says_ready(self.data / "postmaster.pid", server.pid):
            if server.poll() is not None:
                raise self._refusal(self._log_since(begin))
            if (size := self.log_file.stat().st_size) > seen:
                seen, deadline = size, time.monotonic() + READY_SECONDS
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"PostgreSQL said nothing for {READY_SECONDS:.0f} s while starting "
                    f"({errors.last_line(self._log_since(begin))}): read {self.log_file}, then start it again."
                )
            time.sleep(0.01)

    def _log_since(self, begin: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(begin)
            return log.read(2**20).decode("utf-8", "replace")

    def _refusal(self, output: str) -> EmbeddedError:
        return errors.refusal(self.folder, output, port=self._port or 0, needed=FREE_BYTES_NEW)

    def _make_databases(self) -> None:
        try:
            databases.make(self.port, self._passwords)
        except psycopg.errors.DiskFull:
            raise DiskFull(self.folder, FREE_BYTES_NEW) from None
        except psycopg.Error as error:
            raise Damaged(self.folder, errors.last_line(str(error))) from None


def _says_ready(pid_file: Path, pid: int) -> bool:
    """Line 1 of postmaster.pid is the process id, line 8 the status (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_*)."""
    try:
        lines = pid_file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.name().startswith("postgres") and Path(process.cwd()).samefile(data)
    except (psutil.Error, OSError):
        return False


def _end(processes: list[psutil.Process], how: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(how)
    psutil.wait_procs(processes, timeout=10)
