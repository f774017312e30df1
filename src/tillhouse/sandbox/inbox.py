"""The inbox: every message anyone was sent, by e-mail, SMS or chat."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import ClassVar, Literal

from pydantic import BaseModel

from tillhouse.sandbox import ids
from tillhouse.sandbox.clock import Clock
from tillhouse.sandbox.store import Record, Store

Channel = Literal["email", "sms", "whatsapp"]


class Message(Record):
    """One message as it reached one person."""

    kind: ClassVar[str] = "message"

    to: str
    sender: str
    channel: Channel
    subject: str | None
    body: str
    html: str | None = None
    unsubscribe: str | None = None


class MessageOut(BaseModel):
    """A message as `GET /_sandbox/inbox` answers it. `html` is there for HTML mails, `unsubscribe` for those whose
    headers let a mail program end them with one POST (RFC 8058)."""

    id: str
    to: str
    sender: str
    channel: Channel
    subject: str | None
    body: str
    html: str | None
    unsubscribe: str | None
    at: datetime


class Inbox:
    """All messages, newest first."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def receive(
        self,
        *,
        to: str,
        sender: str,
        channel: Channel,
        body: str,
        subject: str | None = None,
        html: str | None = None,
        unsubscribe: str | None = None,
    ) -> Message:
        """Keep one message. A mail that has only HTML gets its text from it."""
        message = Message(
            id=f"msg_{ids.token(14)}",
            created_at=self._clock.now_s(),
            to=to.strip().lower() if channel == "email" else to.strip(),
            sender=sender,
            channel=channel,
            subject=subject,
            body=body or text_of(html or ""),
            html=html,
            unsubscribe=unsubscribe,
        )
        self._store.put(message)
        return message

    def messages(self, to: str | None = None, limit: int = 200) -> list[MessageOut]:
        """Messages to one address (case does not matter for mail), or to anyone; newest first."""
        wanted = to.strip() if to else None
        if wanted and "@" in wanted:
            wanted = wanted.lower()
        return [_out(message) for message in self._store.find(Message, {"to": wanted}, limit=limit)]

    def get(self, message_id: str) -> MessageOut | None:
        """One message, or None."""
        message = self._store.get(Message, message_id)
        return _out(message) if message else None

    def clear(self) -> None:
        """Empty the inbox."""
        self._store.delete_all(Message)


def _out(message: Message) -> MessageOut:
    return MessageOut(**message.model_dump(exclude={"created_at"}), at=datetime.fromtimestamp(message.created_at, UTC))


def text_of(html: str) -> str:
    """The readable text of an HTML mail."""
    parser = _TextOf()
    parser.feed(html)
    return "\n".join(line for line in (" ".join(row.split()) for row in "".join(parser.parts).splitlines()) if line)


class _TextOf(HTMLParser):
    _BREAKS = frozenset({"p", "br", "div", "tr", "li", "h1", "h2", "h3", "table"})
    _SILENT = frozenset({"style", "script", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silenced = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._BREAKS:
            self.parts.append("\n")
        if tag in self._SILENT:
            self._silenced += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT and self._silenced:
            self._silenced -= 1

    def handle_data(self, data: str) -> None:
        if not self._silenced:
            self.parts.append(data)
