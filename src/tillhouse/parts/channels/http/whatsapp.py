"""Meta's webhook: subscribing it, and what it delivers. Stored once the signature is right, answered, read by a job."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import PlainTextResponse, Response

from tillhouse.kernel.access import open_to_all
from tillhouse.kernel.errors import Forbidden, InvalidInput
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.providers.whatsapp import is_signed
from tillhouse.parts.channels.service import inbound
from tillhouse.parts.channels.settings import ChannelsSettings

router = APIRouter(prefix="/channels/webhook/whatsapp")

_MOST = Depends(rate_limit("30000/minute", by="ip"))  # Meta calls from few addresses, with all that everybody writes


@router.get("", dependencies=[Depends(open_to_all("Meta subscribes by a word")), _MOST])
async def subscribe(
    house: TheHouse,
    mode: Annotated[str, Query(alias="hub.mode")] = "",
    token: Annotated[str, Query(alias="hub.verify_token")] = "",
    challenge: Annotated[str, Query(alias="hub.challenge", max_length=200)] = "",
) -> Response:
    """Meta asks whether this address is ours: the word of the settings makes it so."""
    ours = house.settings_of(ChannelsSettings).whatsapp_verify_token
    if mode != "subscribe" or not ours or not hmac.compare_digest(token.encode(), ours.encode()):
        raise Forbidden(N_("This is not the word that the settings name."))
    return PlainTextResponse(challenge)


@router.post("", dependencies=[Depends(open_to_all("Meta signs its deliveries")), _MOST])
async def deliver(request: Request, house: TheHouse) -> dict[str, str]:
    """Messages and statuses. The signature covers the raw bytes."""
    body = await request.body()
    secret = house.settings_of(ChannelsSettings).whatsapp_app_secret
    if not is_signed(secret, body, request.headers.get("x-hub-signature-256", "")):
        raise Forbidden(N_("This delivery is not signed by Meta."))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInput(N_("This is not UTF-8.")) from None
    if "\0" in text:
        raise InvalidInput(N_("This is not UTF-8."))
    async with house.database.transaction() as session:
        await inbound.keep(session, "whatsapp", text)
    return {"status": "received"}
