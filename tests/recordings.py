"""The bodies of `tests/recorded/`: what providers send and answer, as they publish it. Its README says where from."""

from pathlib import Path
from urllib.parse import parse_qsl

HERE = Path(__file__).parent / "recorded"


def names_of(provider: str) -> set[str]:
    """All that is recorded of a provider, by the names of the files without their endings."""
    return {path.name.rpartition(".")[0] for path in (HERE / provider).iterdir()}


def body(provider: str, name: str) -> bytes:
    """A body as it came: JSON, or a stream."""
    (path,) = [one for one in (HERE / provider).iterdir() if one.name.rpartition(".")[0] == name]
    return path.read_bytes()


def form(provider: str, name: str) -> list[tuple[str, str]]:
    """A body of fields. Fields that are empty are fields all the same."""
    return parse_qsl(body(provider, name).decode().strip(), keep_blank_values=True, strict_parsing=True)
