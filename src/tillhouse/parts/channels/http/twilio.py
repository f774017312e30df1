"""What providers call back: the status of messages."""

import json
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import UploadFile

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.errors import Forbidden, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import status_of_twilio
from tillhouse.parts.channels.providers.twilio import is_signed, signed_by
from tillhouse.parts.channels.service import inbound, messages
from tillhouse.parts.channels.settings import ChannelsSettings

router = APIRouter(prefix="/channels")


_SIGNED = [Depends(open_to_all("Twilio signs its callbacks")), Depends(rate_limit("30000/minute", by="ip"))]
Fields = list[tuple[str, str]]


@router.post("/webhook/twilio", status_code=204, dependencies=_SIGNED)
async def twilio_status(request: Request, house: TheHouse, session: Write, message: UUID) -> None:
    """What became of a text. The signature covers our public address, so that a proxy in between does not matter."""
    values = dict(await _signed(request, house))
    status = status_of_twilio(values.get("MessageStatus", ""))
    if status:
        code = f"twilio_{values['ErrorCode']}" if values.get("ErrorCode") else None
        await messages.record(
            session, message, status, provider="twilio", provider_id=values.get("MessageSid"), error_code=code
        )


@router.post("/webhook/twilio/inbound", status_code=204, dependencies=_SIGNED)
async def twilio_inbound(request: Request, house: TheHouse) -> None:
    """What somebody wrote, by SMS or WhatsApp. The answer is empty: ours goes out as a message of its own."""
    values = dict(await _signed(request, house))
    if not values.get("MessageSid") or not values.get("From"):
        raise InvalidInput(N_("A message has MessageSid and From."))
    async with house.database.transaction() as session:
        await inbound.keep(session, "twilio", json.dumps(values))


async def _signed(request: Request, house: House) -> Fields:
    """The form of a call, once its signature is right. Raises `Forbidden`."""
    found = await request.form()
    form = [(name, value) for name, value in found.multi_items() if not isinstance(value, UploadFile)]
    query = f"?{request.url.query}" if request.url.query else ""
    url = house.settings.address(f"{request.url.path}{query}")
    settings, named = house.settings_of(ChannelsSettings), request.headers.get("x-twilio-webhooks-signature-settings")
    secret, algorithm = signed_by(named or "", settings.twilio_auth_token, settings.twilio_shared_keys)
    if not is_signed(secret, url, form, request.headers.get("x-twilio-signature", ""), algorithm=algorithm):
        raise Forbidden(N_("This callback is not signed by Twilio."))
    return form
