"""What is inside a new server: two roles, one database, one extension, and who may do what."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

DATABASE = "tillhouse"
OWNER = "till_owner"
APP = "till_app"
SUPERUSER = "postgres"


def make(port: int, passwords: Mapping[str, str]) -> None:
    """Make what is missing, leave what is there: a kill in the middle is mended by the next call.

    `till_app` may connect and nothing else: migrations grant it what it may do in each schema.
    Raises `psycopg.Error`.
    """
    with _connect(port, "postgres", passwords) as connection:
        for role in (OWNER, APP):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(create.format(sql.Identifier(role), sql.Literal(passwords[role])))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    with _connect(port, DATABASE, passwords) as connection:
        if not connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
            # The extension comes last: where it is, all is.
            connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}")
            connection.execute("CREATE EXTENSION vector")


def _connect(port: int, database: str, passwords: Mapping[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    """Every option that a PG* variable of the caller could change is named."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=SUPERUSER,
        password=passwords[SUPERUSER],
        dbname=database,
        autocommit=True,
        connect_timeout=10,
        sslmode="disable",
        gssencmode="disable",
        options="",
    )
