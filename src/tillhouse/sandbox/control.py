"""The sandbox's own doors, under `/_sandbox/`: see and steer the outside world. Every page has an API twin."""

import json

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tillhouse.sandbox.faults import CALL_FAULTS, WEBHOOK_FAULTS, Fault, FaultRequest
from tillhouse.sandbox.inbox import Message
from tillhouse.sandbox.players import APIS, PLAYERS, SENDERS
from tillhouse.sandbox.razorpay.transactions import Transaction
from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import Here

router = APIRouter()

_SHOWN = 100
_INBOX_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


class EventBody(BaseModel):
    """An event of any content, rightly signed, to see it refused or parked. `payload` is what the provider wraps
    (Razorpay's `payload`, Omise's `data`), or, for SePay, the whole body."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field("razorpay", description="Whose webhook: " + ", ".join(f"`{api}`" for api in SENDERS) + ".")
    event: str
    payload: dict[str, JsonValue] = Field(description="Of Stripe's events: `data.object`.")
    event_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Liveness, for the supervisor."""
    return {"status": "ok"}


@router.get("/", include_in_schema=False)
async def root() -> Response:
    """Lead whoever comes to the bare address to the home page."""
    return RedirectResponse("/_sandbox/", 307)


@router.get("/_sandbox/")
async def home(request: Request, world: Here) -> Response:
    """Who is played here, and how much of everything there is."""
    counts = world.store.counts()
    settings = world.settings
    players = [
        {
            "name": player.name,
            "about": player.about,
            "pages": [
                {"path": page.path, "label": page.label, "count": counts.get(page.counts.kind, 0)}
                for page in player.pages
            ],
            "facts": player.facts(settings),
        }
        for player in PLAYERS
    ]
    around = {
        "bank_transactions": counts.get(Transaction.kind, 0),
        "webhooks_pending": world.store.count(Delivery, {"status": "pending"}),
        "webhooks_delivered": world.store.count(Delivery, {"status": "delivered"}),
        "webhooks_failed": world.store.count(Delivery, {"status": "failed"}),
        "faults": counts.get(Fault.kind, 0),
        "messages": counts.get(Message.kind, 0),
    }
    rest = {"around": around, "smtp_port": settings.smtp_port, "clock_scale": settings.clock_scale}
    return answer(request, "home.html", {"played": players, **rest}, {"players": players, **rest})


# --- inbox ----------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/inbox")
async def inbox(request: Request, world: Here, to: str | None = None) -> Response:
    """Messages, newest first, to one address (`?to=`) or to anyone."""
    messages = world.inbox.messages(to)
    return answer(request, "inbox.html", {"messages": messages, "to": to or ""}, messages)


@router.delete("/_sandbox/inbox", status_code=204)
async def clear_inbox(world: Here) -> None:
    """Empty the inbox."""
    world.inbox.clear()


@router.get("/_sandbox/inbox/{message_id}")
async def message(request: Request, world: Here, message_id: str) -> Response:
    """One message."""
    found = world.inbox.get(message_id)
    if found is None:
        raise HTTPException(404, "There is no such message.")
    return answer(request, "message.html", {"message": found}, found)


@router.get("/_sandbox/inbox/{message_id}/html")
async def message_html(world: Here, message_id: str) -> Response:
    """The HTML of a mail, in a box that runs no script and loads nothing."""
    found = world.inbox.get(message_id)
    if found is None or found.html is None:
        raise HTTPException(404, "There is no such HTML mail.")
    return HTMLResponse(found.html, headers={"Content-Security-Policy": _INBOX_CSP})


# --- faults ---------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/faults")
async def list_faults(request: Request, world: Here) -> Response:
    """The faults in force."""
    faults = world.faults.all()
    context = {"faults": faults, "webhook_faults": WEBHOOK_FAULTS, "call_faults": CALL_FAULTS, "apis": APIS}
    return answer(request, "faults.html", context, faults)


@router.post("/_sandbox/faults")
async def add_fault(request: Request, world: Here) -> Response:
    """Put a fault in force (JSON or form)."""
    fault = world.faults.add(await wish_of(request, FaultRequest))
    response = done(request, fault, "/_sandbox/faults")
    if response.status_code == 200:
        response.status_code = 201
    return response


@router.delete("/_sandbox/faults", status_code=204)
async def clear_faults(world: Here) -> None:
    """Lift every fault."""
    world.faults.clear()


@router.delete("/_sandbox/faults/{fault_id}", status_code=204)
async def remove_fault(world: Here, fault_id: str) -> None:
    """Lift one fault."""
    if not world.faults.remove(fault_id):
        raise HTTPException(404, "There is no such fault.")


@router.post("/_sandbox/faults/{fault_id}/remove", include_in_schema=False)
async def remove_fault_by_form(world: Here, fault_id: str) -> Response:
    """Lift one fault from the page."""
    world.faults.remove(fault_id)
    return RedirectResponse("/_sandbox/faults", 303)


# --- webhooks -------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/webhooks")
async def list_webhooks(request: Request, world: Here, status: str | None = None) -> Response:
    """The last webhooks, of one state (`?status=`) or of any, and the providers whose webhook is disabled."""
    deliveries = world.store.find(Delivery, {"status": status}, limit=_SHOWN)
    disabled = world.webhooks.disabled()
    context = {"deliveries": deliveries, "disabled": disabled, "status": status or ""}
    return answer(request, "webhooks.html", context, {"items": deliveries, "disabled": disabled})


@router.post("/_sandbox/webhooks", status_code=201)
async def send_event(world: Here, body: EventBody) -> Delivery:
    """Queue an event of any content, rightly signed."""
    send = SENDERS.get(body.provider)
    if send is None:
        raise HTTPException(422, f"Nobody here sends webhooks as {body.provider!r}.")
    return send(world, body.event, body.payload, body.event_id)


@router.post("/_sandbox/deliver")
async def deliver(world: Here) -> dict[str, int]:
    """Do and send everything due now, and wait for it."""
    return {"tries": await world.deliver_due()}


@router.get("/_sandbox/webhooks/{delivery_id}")
async def get_webhook(request: Request, world: Here, delivery_id: str) -> Response:
    """One webhook with its tries, headers and body."""
    delivery = world.store.get(Delivery, delivery_id)
    if delivery is None:
        raise HTTPException(404, "There is no such webhook.")
    return answer(request, "webhook.html", {"delivery": delivery, "body": _pretty(delivery.body)}, delivery)


@router.post("/_sandbox/webhooks/{delivery_id}/redeliver")
async def redeliver(request: Request, world: Here, delivery_id: str, as_new_event: bool = False) -> Response:
    """Send a webhook again: same event id, or another with `?as_new_event=true`."""
    delivery = world.webhooks.redeliver(delivery_id, as_new_event=as_new_event)
    if delivery is None:
        raise HTTPException(404, "There is no such webhook.")
    return done(request, delivery, f"/_sandbox/webhooks/{delivery.id}")


@router.post("/_sandbox/webhooks/{provider}/enable")
async def enable_webhook(request: Request, world: Here, provider: str) -> Response:
    """Switch a disabled webhook on again."""
    world.webhooks.enable(provider)
    return done(request, {"disabled": world.webhooks.disabled()}, "/_sandbox/webhooks")


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
