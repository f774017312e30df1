"""Start a foreign program that ends when we end, as an account that is not root where it must not be.

`command()` wraps an argument list. The wrapped command runs this file, which arranges both and then becomes the program
(exec: same process id). Doing so in a `preexec_fn` would run Python between fork and exec, which is unsafe beside
threads; a program that is not ours cannot be asked to do it itself.
"""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(
    argv: Sequence[str], *, end_with: signal.Signals, uid: int | None = None, gid: int | None = None
) -> list[str]:
    """`argv`, wrapped: it gets `end_with` when the thread that started it ends, and runs as `uid`:`gid` where given.

    On Linux the kernel sends the signal, however we ended. Elsewhere nothing does: keep a record of the process, and
    end it at the next start. Start it from a thread that lives as long as the program should.
    """
    account = f"{uid}:{gid}" if uid is not None else ""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(end_with)), account, *argv]


def become(parent: int, end_with: int, account: str, argv: list[str]) -> None:
    """Turn this process into the program. Returns only by raising `OSError`."""
    if account:
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    end_with_parent(parent, end_with)  # after setuid, which clears it
    os.execvp(argv[0], argv)  # noqa: S606  no shell is wanted


def end_with_parent(parent: int, end_with: int) -> None:
    """Have the kernel send us `end_with` when the thread of process `parent` that made us ends. Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, end_with)
        if os.getppid() != parent:  # it had ended before, and nobody would send the signal
            sys.exit(128 + end_with)


def keep_out_of_collections() -> None:
    """Spare the garbage collector what is there now and stays: half a million objects of modules, routes and models.

    Walked again and again, they cost the web process a tenth of its time, in pauses; and in a fork every page of them
    would be touched, and so copied.
    """
    gc.collect()
    gc.freeze()


def main(arguments: Sequence[str]) -> None:
    """Read what `command()` wrote. Exit codes as in a shell: 127 not found, 126 not allowed."""
    parent, end_with, account, *argv = arguments
    try:
        become(int(parent), int(end_with), account, argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


if __name__ == "__main__":
    main(sys.argv[1:])
