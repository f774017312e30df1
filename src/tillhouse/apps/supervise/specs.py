"""What a caller describes: the processes and how patient to be with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process to keep running.

    `env` is the whole environment it gets. `ready` is an http URL that answers 2xx once it can work; the next process
    starts after that. None: it is ready when started. `restart=False`: its end is final; the next process starts after
    it, and an exit code that is not 0 ends everything. `fork`: `argv` is `python -m MODULE …` of ours, and a `Nursery`
    may run it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: str | None = None
    restart: bool = True
    fork: bool = False


class Service(Protocol):
    """Something that runs a process of its own, such as `EmbeddedPostgres`."""

    @property
    def name(self) -> str: ...

    def start(self) -> None:
        """Return when it is ready. Raises `DomainError`."""

    def poll(self) -> int | None:
        """None while it runs, otherwise its exit code."""

    def stop(self, timeout: float) -> None:
        """End it, by force after `timeout` seconds. Nothing to do when it does not run."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Seconds. The pause doubles from `pause` to `longest_pause`, and starts over for one that ran for `healthy`.

    One that ends within `early` of its start, `most_early_deaths` times in a row, ends everything. One that is not
    ready within `ready` is ended and counts as one that ended by itself.
    """

    pause: float = 1.0
    longest_pause: float = 30.0
    healthy: float = 60.0
    early: float = 10.0
    most_early_deaths: int = 5
    ready: float = 60.0
