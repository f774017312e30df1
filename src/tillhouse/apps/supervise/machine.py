"""Questions to the machine: is the port free, does it answer, who was left behind, is another supervisor here."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psutil

from tillhouse.apps.embedded import host
from tillhouse.kernel.errors import DomainError

PROBE_SECONDS = 2.0
LEFTOVER_SECONDS = 5.0


class SupervisorError(DomainError):
    """The processes cannot be started; the message is one sentence with the way out."""

    code = "supervisor"
    status = 500


def check_port(port: int) -> None:
    """Raise `SupervisorError` unless a server could listen on this port of 127.0.0.1 now."""
    if not 0 < port < 65536:
        raise SupervisorError(f"{port} is no port: choose one from 1024 to 65535 with --port.")
    if not host.is_free(port):
        raise SupervisorError(
            f"Port {port} of 127.0.0.1 is in use or not allowed: stop the program that holds it, "
            "or choose others with --port (for example --port 9000)."
        )


async def answers(url: str) -> bool:
    """Whether a GET of this http URL is answered with 2xx, within two seconds."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write(request.encode("ascii"))
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status[9:10] == b"2"


def lock_folder(folder: Path) -> IO[str]:
    """Hold the folder until the returned file is closed. Raises `SupervisorError` when another supervisor has it."""
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        lock = (folder / "supervisor.lock").open("a+")
    except OSError as error:
        raise SupervisorError(
            f"{folder} cannot be written ({error.strerror}): free some space there, or make it yours "
            f"(sudo chown -R $(id -u) '{folder}'), and start again."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise SupervisorError(
            f"Tillhouse is already running in {folder} (process {holder}): use it, or stop it with Ctrl-C there "
            f"or with kill {holder}."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def write_record(path: Path, pids: list[int]) -> None:
    """Note which processes run, for `end_leftovers`. A disk too full for it is no reason to stop them."""
    record = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            record.append((pid, psutil.Process(pid).create_time()))
    building = path.with_suffix(".new")
    with suppress(OSError):
        building.write_text(json.dumps(record))
        building.replace(path)


def end_leftovers(path: Path) -> None:
    """End what a killed supervisor left running: recorded processes, if they are still the same, and their groups."""
    try:
        record = {int(pid): float(created) for pid, created in json.loads(path.read_text())}
    except (OSError, ValueError, TypeError):
        return
    left = [process for process in psutil.process_iter() if _was_left(process, record)]
    for process in left:
        if process.pid in record:
            with suppress(psutil.Error):
                process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=LEFTOVER_SECONDS if left else 0)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    path.unlink(missing_ok=True)


def _was_left(process: psutil.Process, record: dict[int, float]) -> bool:
    """Ours by process id and start time, or started later in the group of one that is ours or gone."""
    try:
        group = os.getpgid(process.pid)
        if group not in record:
            return False
        if process.pid == group:
            return abs(process.create_time() - record[group]) < 1
        with suppress(psutil.NoSuchProcess):
            return abs(psutil.Process(group).create_time() - record[group]) < 1
        return process.create_time() >= record[group]
    except (psutil.Error, OSError):
        return False


def say(sentence: str) -> None:
    """Tell the person at the terminal, if there is still one."""
    with suppress(OSError):
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()


def exit_as_words(code: int) -> str:
    """`exit code 3`, `SIGKILL`."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
