"""The address of a database. Apart from `db`: a command that only looks at it need not load SQLAlchemy."""

from urllib.parse import urlsplit


def plain_dsn(url: str) -> str:
    """A database URL as libpq and asyncpg spell it, without SQLAlchemy's driver."""
    return urlsplit(url)._replace(scheme="postgresql").geturl()
