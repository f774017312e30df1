"""The tables of background work, in schema `kernel`. The jobs table is the truth; a broker message only says "run job id"."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject


class EventRow(Base):
    """An event, and whether the relay has made its handlers' jobs yet."""

    __tablename__ = "events"
    __table_args__ = {"schema": "kernel"}

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    payload: Mapped[JsonObject]
    request_id: Mapped[str | None] = mapped_column(Text)
    emitted_at: Mapped[datetime]
    dispatched_at: Mapped[datetime | None]


class JobRow(Base):
    """A job and where it stands."""

    __tablename__ = "jobs"
    __table_args__ = {"schema": "kernel"}

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text)
    payload: Mapped[JsonObject]
    unique_key: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    run_at: Mapped[datetime]
    created_at: Mapped[datetime]
