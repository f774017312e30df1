"""E-mail by SMTP (RFC 5321), one connection per message."""

from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from tillhouse.kernel import clock
from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Outgoing, Refused, Taken
from tillhouse.parts.channels.settings import ChannelsSettings

_SECONDS = 20.0


class SmtpCarrier:
    """Hands mails to the server of the settings."""

    name = "smtp"
    channel: Channel = "email"

    def __init__(self, settings: ChannelsSettings) -> None:
        self._settings = settings

    async def greet(self) -> None:
        """See whether the server takes connections, without signing in. Raises what its client raises."""
        client = self._client()
        try:
            await client.connect()
            await client.quit()
        finally:
            client.close()

    async def carry(self, message: Outgoing) -> Taken:
        if in_transaction():
            raise RuntimeError("a mail while a transaction is open: commit the intent first")
        mail = self._mail(message)
        client = self._client()
        await self._connect(client)
        try:
            await client.send_message(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            _refuse(error.recipients[0].code)
        except aiosmtplib.SMTPResponseException as error:
            _refuse(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=self.name) from error
        finally:
            client.close()
        return Taken(mail["Message-ID"])

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
            if self._settings.smtp_user:
                await client.login(self._settings.smtp_user, self._settings.smtp_password)
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name) from error

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        tls = settings.smtp_security == "tls" or (settings.smtp_security == "auto" and settings.smtp_port == 465)
        start_tls = {"auto": None, "starttls": True}.get(settings.smtp_security, False)
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            use_tls=tls,
            start_tls=False if tls else start_tls,
            timeout=_SECONDS,
        )

    def _mail(self, message: Outgoing) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.email_from
        mail["To"] = message.address
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(clock.now())
        # The same id on every try of one message: whoever gets it twice can tell.
        domain = parseaddr(self._settings.email_from)[1].rpartition("@")[2]
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.unsubscribe:  # RFC 8058: mail programs show a button for it
            mail["List-Unsubscribe"] = f"<{message.unsubscribe}>"
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(message.text)
        mail.add_alternative(message.html, subtype="html")
        return mail


def _refuse(code: int) -> None:
    """A 4xx answer asks to come back (RFC 5321 4.2.1), any other refusal is final."""
    if 400 <= code < 500:
        raise NotSent(N_("{provider} cannot be reached right now."), provider="smtp")
    raise Refused(f"smtp_{code}")
