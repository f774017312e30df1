"""Models of the owner's own: a folder that a setting names, and a library that does not come with the house."""

from importlib.util import find_spec
from pathlib import Path

from tillhouse.kernel.settings import SettingsError


def require_weights(setting: str, folder: str, *, library: str, package: str, extra: str) -> None:
    """Check that a folder of weights and the module that loads it are here; nothing is loaded.

    `extra` is the project's extra that brings `package`, locked in `requirements-<extra>.lock`. Raises `SettingsError`
    with the command that installs it.
    """
    if not Path(folder).is_dir():
        raise SettingsError("{setting}: there is no folder {folder}.", setting=setting, folder=folder)
    if not find_spec(library):
        raise SettingsError(
            "{setting} is set, and {package} is not installed. Leave the setting empty, or install it: "
            ".venv/bin/python -m pip install --require-hashes --no-deps -r requirements-{extra}.lock",
            setting=setting,
            package=package,
            extra=extra,
        )
