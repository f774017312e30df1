"""The SMTP port: takes every mail, asks for nothing, and puts it into the inbox."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tillhouse.sandbox.inbox import Inbox


@asynccontextmanager
async def smtp_server(inbox: Inbox, host: str, port: int) -> AsyncIterator[int]:
    """Serve SMTP on `host:port` (0: a free one) in the running loop; yields the port.

    Raises:
        OSError: the port is taken.
    """
    handler = _IntoInbox(inbox)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, enable_SMTPUTF8=True, auth_require_tls=False, authenticator=_anyone), host, port
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


class _IntoInbox:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        mail = email.message_from_bytes(content, policy=email.policy.default)
        for recipient in envelope.rcpt_tos:
            self._inbox.receive(
                to=recipient,
                sender=envelope.mail_from or "",
                channel="email",
                subject=str(mail.get("Subject", "")),
                body=_part(mail, "plain") or "",
                html=_part(mail, "html"),
                unsubscribe=_one_click(mail),
            )
        return "250 OK"


def _one_click(mail: EmailMessage) -> str | None:
    """Where a mail program posts for whoever wants no more of these, where both headers are as RFC 8058 has them."""
    if mail.get("List-Unsubscribe-Post", "").strip() != "List-Unsubscribe=One-Click":
        return None
    offered = [one.strip().strip("<>") for one in str(mail.get("List-Unsubscribe", "")).split(",")]
    return next((one for one in offered if one.startswith(("https://", "http://"))), None)


def _part(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return None
    text: str = part.get_content()
    return text.strip()


def _anyone(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    return AuthResult(success=True)
