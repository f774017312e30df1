"""Processes of ours that need not load anything: forks of one that has loaded it all.

    nursery = Nursery("tillhouse.apps.loaded")
    nursery.warm()
    Supervisor([ProcessSpec("web", [sys.executable, "-m", …], environment, fork=True)], folder, nursery=nursery).run()

A process that starts by itself spends three seconds on imports and has 100 MB of its own; a fork has them at once and
shares them. The forking is multiprocessing's: its fork server has no threads, no connections and no event loop. On a
mac a fork of a process that has loaded the system's libraries may crash, so there every process starts by itself.
"""

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Protocol

from tillhouse.apps import runtime
from tillhouse.apps.supervise.specs import ProcessSpec

PR_SET_NAME = 15  # linux/prctl.h
_NAME_BYTES = 15  # what the kernel keeps
_LOADED_IN = os.getpid()  # in a fork: the process that it was forked from
_FORKER = "tillhouse.apps.supervise.forker"


class Child(Protocol):
    """What is kept of a process: `subprocess.Popen`, or a `Fork`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


class Fork:
    """A fork, seen as `subprocess.Popen` is."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None  # it was started
        return pid

    def poll(self) -> int | None:
        """Its exit code as `Popen` has it, or None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM, if it still runs."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL, if it still runs."""
        self._process.kill()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        self._process.join()
        code = self._process.exitcode
        assert code is not None  # it was joined
        return code


class Nursery:
    """Forks of a process that has imported the module `preload`, whose import must start nothing."""

    available = sys.platform == "linux"

    def __init__(self, preload: str) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_FORKER, __name__, preload])

    def warm(self) -> None:
        """Begin loading, beside what this process does meanwhile. It ends when this process does, however that ends."""
        if self.available:
            forkserver.ensure_running()

    def start(self, spec: ProcessSpec, output: int) -> Fork:
        """Run `spec`, whose `argv` is `python -m MODULE words…`, writing to the descriptor `output`.

        Blocks until all is loaded. Raises `OSError` when there can be no fork.
        """
        _python, _m, *words = spec.argv
        with Connection(os.dup(output), readable=False) as write:
            process = self._context.Process(target=_become, args=(spec.name, words, dict(spec.env), write))
            try:
                process.start()
            except EOFError:  # the fork server ended; the next start makes another
                raise ConnectionResetError("what its processes are forked from has ended") from None
        return Fork(process)


def _become(name: str, words: Sequence[str], env: Mapping[str, str], output: Connection) -> None:
    """In the fork: be the process that `python -m *words` would be, as `KeptProcess` starts one."""
    os.setpgid(0, 0)
    runtime.end_with_parent(_LOADED_IN, signal.SIGTERM)
    ctypes.CDLL(None).prctl(PR_SET_NAME, f"till {name}".encode()[:_NAME_BYTES])
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    os.environ.clear()
    os.environ.update(env)
    module, *_ = sys.argv = list(words)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
