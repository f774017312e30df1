"""The environment of the house that `till up` runs in this folder, so that other commands find its database and keys.

Kept beside the data with mode 0600. What the environment or `.env` says wins; with a DATABASE_URL of one's own nothing
of it is used.
"""

import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from tillhouse.kernel.settings import environment

_FILE = "environment.json"


def adopt(data: Path) -> None:
    """Let this process see the house that runs (or last ran) in `data`, unless it was given a database of its own."""
    if environment().get("DATABASE_URL"):
        return
    for name, value in _read(data / _FILE).items():
        if name not in environment():
            os.environ[name] = value


def remember(data: Path, values: Mapping[str, str]) -> None:
    """Keep `values` for `adopt`, readable by this user alone."""
    _write(data / _FILE, values)


def keys(data: Path) -> dict[str, str]:
    """This machine's own SECRET_KEY and ENCRYPTION_KEYS, made once; those in the environment win."""
    path = data / "keys.json"
    if not path.exists():
        encryption_key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        _write(path, {"SECRET_KEY": secrets.token_urlsafe(48), "ENCRYPTION_KEYS": encryption_key})
    return {name: environment().get(name, value) for name, value in _read(path).items()}


def _read(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _write(path: Path, values: Mapping[str, str]) -> None:
    """All or nothing: a kill in the middle leaves what was there."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(dict(values)), encoding="utf-8")
    unfinished.replace(path)
