"""Which revision of the database this build needs. Apart from `migrate`: the web process need not load Alembic."""

from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"


@cache
def head() -> str:
    """The newest revision: revisions are the zero-padded numbers that the files' names begin with."""
    return max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
