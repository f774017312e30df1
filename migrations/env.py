"""One linear history for all schemas. Run by `till migrate` as the owner role."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel import models as _kernel_tables  # noqa: F401  # fills the metadata
from tillhouse.kernel.db import Base
from tillhouse.kernel.work import models as _work_tables  # noqa: F401  # fills the metadata

_ONE_AT_A_TIME = 7_414_155_001  # advisory lock: two deployments that migrate at once take turns

for _module in CATALOGUE:
    if _module.models:
        _module.models()


def _run() -> None:
    url = make_url(context.config.get_main_option("sqlalchemy.url")).set(drivername="postgresql+psycopg")
    engine = create_engine(url, connect_args={"connect_timeout": 10})
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=_ours,
            version_table_schema="public",
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Only our own schemas are compared; the broker's tables are its own."""
    if kind == "schema":
        return name in {table.schema for table in Base.metadata.tables.values()}
    return True


_run()
