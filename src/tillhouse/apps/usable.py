"""Whether a database can be used at all. Apart from `migrate`, which brings Alembic."""

import psycopg

from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.errors import DomainError

_OLDEST = 16


class DatabaseUnusable(DomainError):
    """The database that DATABASE_URL names cannot be used. The sentence says why and what to do."""

    code = "database_unusable"
    status = 500


def require_usable(url: str) -> None:
    """Connect once. Raises `DatabaseUnusable` for one that does not answer, refuses the role, or is too old."""
    try:
        with psycopg.connect(plain_dsn(url), connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise DatabaseUnusable(
            "DATABASE_URL cannot be used: {reason}. Correct it, or take it away to use the embedded database.",
            reason=reason,
        ) from None
    if version < _OLDEST:
        raise DatabaseUnusable(
            "DATABASE_URL is PostgreSQL {version}; version {oldest} or newer is needed.",
            version=version,
            oldest=_OLDEST,
        )
