"""What providers call back: the status of messages."""

from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.http import TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import status_of_twilio
from tillhouse.parts.channels.providers.twilio import is_signed
from tillhouse.parts.channels.service import messages
from tillhouse.parts.channels.settings import ChannelsSettings

router = APIRouter(prefix="/channels")


@router.post(
    "/webhook/twilio",
    status_code=204,
    dependencies=[Depends(open_to_all("Twilio signs its callbacks")), Depends(rate_limit("600/minute", by="ip"))],
)
async def twilio_status(request: Request, house: TheHouse, session: Write, message: UUID) -> None:
    """What became of a text. The signature covers our public address, so that a proxy in between does not matter."""
    form = [(name, value) for name, value in (await request.form()).multi_items() if not isinstance(value, UploadFile)]
    url = f"{house.settings.base_url.rstrip('/')}{request.url.path}?{request.url.query}"
    token = house.settings_of(ChannelsSettings).twilio_auth_token
    if not is_signed(token, url, form, request.headers.get("x-twilio-signature", "")):
        raise Forbidden(N_("This callback is not signed by Twilio."))
    values = dict(form)
    status = status_of_twilio(values.get("MessageStatus", ""))
    if status:
        await messages.record(
            session,
            message,
            status,
            provider="twilio",
            provider_id=values.get("MessageSid"),
            error_code=f"twilio_{values['ErrorCode']}" if values.get("ErrorCode") else None,
        )
