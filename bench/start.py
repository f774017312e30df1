"""The whole house on this machine: how soon its first page is there, and how much memory all of it holds.

    python -m bench.start [--settle 10]

Runs `till up` twice in a temporary folder: the first start makes the database and the demo people, the second finds
them. Prints, of each, the seconds until the first page and, after it has settled, the proportional set size of all
processes together, PostgreSQL's too (Linux). Promised: less than 900 MB.
"""

import argparse
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

MOST = 900.0  # MB
_PATIENCE = 600.0  # seconds: a busy machine is no fault of the house
_KB = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def pss(root: psutil.Process) -> float:
    """What a process and all that it has started hold, in MB; what several share is counted once."""
    total = 0
    for one in (root, *root.children(recursive=True)):
        with suppress(OSError):  # it has ended meanwhile
            found = _KB.search(Path(f"/proc/{one.pid}/smaps_rollup").read_text())
            total += int(found[1]) if found else 0
    return total * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="till bench start", description=__doc__.partition("\n")[0])
    parser.add_argument("--settle", type=float, default=10.0, help="seconds from the first page to the measurement")
    settle = parser.parse_args().settle
    with tempfile.TemporaryDirectory() as folder:
        held = [start(Path(folder), which, settle) for which in ("first", "second")]
    sys.exit(0 if max(held) < MOST else 1)


def start(folder: Path, which: str, settle: float) -> float:
    """Start the house, tell how it was, and stop it. Returns its memory in MB."""
    port = _free_port()
    command = [sys.executable, "-m", "tillhouse.apps.cli", "up", "--port", str(port), "--data", str(folder / "data")]
    begun = time.monotonic()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        seconds = _first_page(process, port, begun)
        time.sleep(settle)
        megabytes = pss(psutil.Process(process.pid))
        print(f"{which} start: first page after {seconds:.1f} s, {megabytes:.0f} MB together (PSS)")
        return megabytes
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _first_page(process: subprocess.Popen[bytes], port: int, begun: float) -> float:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client:
        while time.monotonic() < begun + _PATIENCE and process.poll() is None:
            with suppress(httpx.HTTPError):
                if client.get("/").status_code == 200:
                    return time.monotonic() - begun
            time.sleep(0.1)
    raise SystemExit("the house did not start")


def _free_port() -> int:
    """One whose neighbours, for the sandbox and its mail, are as good as certainly free, too."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
