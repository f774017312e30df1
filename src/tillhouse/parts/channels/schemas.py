"""Requests and responses of channels: webhooks out, and how a person is reached."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.channels.domain.destinations import LONGEST_URL
from tillhouse.parts.channels.domain.messages import Channel, Purpose
from tillhouse.parts.channels.domain.webhooks import DeliveryState, EndpointStatus

Url = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL, pattern=r"^[!-~]+$")]
EventTypes = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^(\*|[a-z0-9_.]+)$")]],
    Field(min_length=1, max_length=100, description="Types of events, or `*` alone for all."),
]
Description = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class EndpointIn(Strict):
    """An endpoint to make."""

    url: Url
    event_types: EventTypes = ["*"]
    description: Description = ""


class EndpointChange(Strict):
    """What to change; what is left out stays."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    status: Literal["enabled", "paused"] | None = None


class EndpointOut(BaseModel):
    """An endpoint without its secret. `paused`: events wait for it. `disabled`: they do not."""

    id: UUID
    url: str
    description: str
    event_types: list[str]
    status: EndpointStatus
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


class NewEndpointOut(EndpointOut):
    """An endpoint with its secret; shown once."""

    secret: str


class RotateIn(Strict):
    """How long the former secret signs beside the new one."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class SecretOut(BaseModel):
    """A secret; shown once."""

    secret: str


class DeliveryOut(BaseModel):
    """One event for one endpoint. `message_id` is the `webhook-id` that is sent."""

    id: UUID
    endpoint_id: UUID
    message_id: UUID
    type: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryQuery(BaseModel):
    """Which deliveries to list."""

    endpoint_id: UUID | None = None
    state: DeliveryState | None = None
    cursor: str | None = None
    limit: int = 50


class AttemptOut(BaseModel):
    """One try. Without `finished_at` its end is not known: it may have arrived."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    status: int | None
    error: str | None
    answer: str


class DeliveryDetailsOut(DeliveryOut):
    """A delivery with what is sent and every try, newest first."""

    body: str
    tries: list[AttemptOut]


class EventTypeOut(BaseModel):
    """A type of event that can be sent."""

    type: str
    title: str


# How a person is reached.

Key = Annotated[str, StringConstraints(min_length=16, max_length=200, pattern=r"^[A-Za-z0-9_=-]+$")]


class PushTokenIn(Strict):
    """A phone, by the token that FCM gave the app."""

    token: Annotated[str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[A-Za-z0-9_:.-]+$")]


class WebPushKeysIn(Strict):
    """The two keys of a browser's subscription."""

    p256dh: Key
    auth: Key


class WebPushIn(BaseModel):
    """A browser, as `PushSubscription.toJSON()` writes it."""

    model_config = ConfigDict(extra="ignore")

    endpoint: Url
    keys: WebPushKeysIn


class DeviceOut(BaseModel):
    """A registered phone or browser."""

    id: UUID


class WebPushKeyOut(BaseModel):
    """Our public VAPID key."""

    key: str


class ConsentIn(Strict):
    """What is allowed from now on."""

    channel: Channel
    purpose: Purpose
    allowed: bool


class ConsentOut(BaseModel):
    """What is allowed on one channel for one purpose."""

    channel: Channel
    purpose: Purpose
    allowed: bool


class ConsentsOut(BaseModel):
    """What is allowed, for every channel and purpose."""

    items: list[ConsentOut]


class NoticeOut(BaseModel):
    """A message inside the house."""

    id: UUID
    title: str
    body: str
    url: str
    created_at: datetime
    read_at: datetime | None


class NoticesOut(BaseModel):
    """A page of notices, and how many of all are unread."""

    items: list[NoticeOut]
    next_cursor: str | None
    unread: int


class UnreadOut(BaseModel):
    """How many notices are unread."""

    unread: int
