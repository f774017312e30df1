"""The tables of background work. The jobs table is the truth; a broker message only says "run job id"."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject


class EventRow(Base):
    """An event, and whether its handlers' jobs exist yet."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_undispatched", "id", postgresql_where=text("dispatched_at IS NULL")),
        {"schema": "kernel"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    payload: Mapped[JsonObject]
    request_id: Mapped[str | None] = mapped_column(Text)
    emitted_at: Mapped[datetime]
    dispatched_at: Mapped[datetime | None]


class JobRow(Base):
    """A job and where it stands: queued → sent → running → done, dead or cancelled.

    `attempt` counts those begun, `sends` the messages of the present attempt. `wake_at` is when the relay looks at an
    unfinished job again: when it is due, when it is sent again, or when its lease ends.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_wake_at", "wake_at", postgresql_where=text("state IN ('queued', 'sent', 'running')")),
        Index("ix_jobs_dead", "finished_at", postgresql_where=text("state = 'dead'")),
        Index(
            "uq_jobs_name_unique_key",
            "name",
            "unique_key",
            unique=True,
            postgresql_where=text("unique_key IS NOT NULL"),
        ),
        {"schema": "kernel"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text)
    payload: Mapped[JsonObject]
    unique_key: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default="queued")
    attempt: Mapped[int] = mapped_column(server_default="0")
    sends: Mapped[int] = mapped_column(server_default="0")
    run_at: Mapped[datetime]
    wake_at: Mapped[datetime]
    lease_holder: Mapped[str | None] = mapped_column(Text)
    deadline: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    progress_done: Mapped[int | None]
    progress_total: Mapped[int | None]
    progress_note: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ScheduleRow(Base):
    """The last instant for which a schedule made its job."""

    __tablename__ = "schedules"
    __table_args__ = ({"schema": "kernel"},)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    fired_at: Mapped[datetime]
