"""Who can reach a web process that is not in production: this machine alone, unless someone says otherwise.

Outside production the keys are known to everyone and /dev/sign-in lets anyone in: what is right on a laptop is an open
house on a network.
"""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise
from pathlib import PurePath

import psutil

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.settings import KernelSettings


class OpenHouse(DomainError):
    """The web process would answer to a network with development's keys and sign-ins."""

    code = "open_house"
    status = 500


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def warning(settings: KernelSettings, host: str, *, allowed: bool) -> str | None:
    """What to say before listening on `host`, if anything. Raises `OpenHouse` unless `allowed`."""
    if settings.production or is_loopback(host):
        return None
    if not allowed:
        raise OpenHouse(
            "ENVIRONMENT is {environment}, where keys are known and anyone signs in as anyone: not listening on "
            "{host}. Set ENVIRONMENT=production, listen on 127.0.0.1, or say --expose-development.",
            environment=settings.environment,
            host=host,
        )
    return f"WARNING: {settings.environment}, not production: whoever reaches {host} signs in as anyone."


def open_houses(settings: KernelSettings) -> Iterator[str]:
    """Addresses (`0.0.0.0:8000`) on which a `till serve` of this account answers to a network outside production."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # ended meanwhile, or another account's
            if _serves(process.cmdline()) and _environment_of(process, settings) != "production":
                for socket in process.net_connections("tcp"):
                    if socket.status == psutil.CONN_LISTEN and not is_loopback(socket.laddr.ip):
                        yield f"{socket.laddr.ip}:{socket.laddr.port}"


def _serves(words: list[str]) -> bool:
    """Whether this is the command line of a `till serve`, however it was started."""
    return any(
        command == "serve" and (program == "tillhouse.apps.cli" or PurePath(program).name == "till")
        for program, command in pairwise(words)
    )


def _environment_of(process: psutil.Process, settings: KernelSettings) -> str:
    given = process.environ()
    return given.get("ENVIRONMENT") or given.get("NODE_ENV") or settings.environment
