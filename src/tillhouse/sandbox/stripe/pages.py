"""Stripe's pages: the hosted Checkout, the payer's bank (3-D Secure, PromptPay), and an account's onboarding."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.rendering import page
from tillhouse.sandbox.stripe import accounts, charging, methods, sessions
from tillhouse.sandbox.stripe.cards import TEST_CARDS
from tillhouse.sandbox.stripe.connect_schemas import Account, AccountLink
from tillhouse.sandbox.stripe.listing import find
from tillhouse.sandbox.stripe.payment_schemas import BillingDetails, Charge, MethodData, PaymentIntent, PaymentMethod
from tillhouse.sandbox.stripe.promptpay import qr_payload
from tillhouse.sandbox.stripe.session_schemas import Session
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/stripe")


class PayForm(BaseModel):
    """What the person fills in."""

    method: Literal["card", "promptpay", "us_bank_account"] = "card"
    email: str = ""
    name: str = ""
    number: str = ""
    expiry: str = ""
    cvc: str = ""


class BankForm(BaseModel):
    """What the person tells their bank."""

    answer: Literal["complete", "fail"]


class OnboardForm(BaseModel):
    """How far the person gets with their onboarding."""

    outcome: Literal["complete", "restricted"]


# --- hosted Checkout ------------------------------------------------------------------------------------------------


@router.get("/checkout/{session_id}")
async def checkout(world: Here, session_id: str) -> Response:
    """Where a person pays; a session that is no longer open says so."""
    session = find(world, Session, session_id, None)
    intent = world.store.get(PaymentIntent, session.payment_intent or "")
    error = _last_error(intent)
    return _checkout(world, session, PayForm(email=session.customer_email or ""), error, status=200)


@router.post("/checkout/{session_id}")
async def press_pay(world: Here, session_id: str, form: Annotated[PayForm, Form()]) -> Response:
    """The person presses Pay: on to the shop, to their bank, or back to the form with the reason."""
    session = find(world, Session, session_id, None)
    if session.status != "open":
        return RedirectResponse(f"/_sandbox/stripe/checkout/{session.id}", 303)
    number = "".join(form.number.split())
    if "@" not in form.email.strip("@"):
        return _checkout(world, session, form, "Enter an e-mail address: the receipt goes there.", status=422)
    if form.method == "card" and number not in TEST_CARDS:
        return _checkout(world, session, form, "Use one of the test cards listed below the form.", status=422)
    if session.mode == "setup":
        refused = sessions.keep(world, session, _method(world, session, form, number))
        if refused is not None:
            return _checkout(world, session, form, refused, status=402)
        return RedirectResponse(session.after_paying(), 303)
    declined = sessions.pay(world, session, _method(world, session, form, number))
    if declined is not None:
        return _checkout(world, session, form, str(declined.error["message"]), status=402)
    session = find(world, Session, session_id, None)
    intent = find(world, PaymentIntent, session.payment_intent or "", None)
    if intent.status == "requires_action":
        return RedirectResponse(f"/_sandbox/stripe/authorize/{intent.id}", 303)
    return RedirectResponse(session.after_paying(), 303)


# --- the payer's bank -----------------------------------------------------------------------------------------------


@router.get("/authorize/{intent_id}")
async def bank(world: Here, intent_id: str) -> Response:
    """The page of the payer's bank: confirm with 3-D Secure, or scan a PromptPay code."""
    intent = find(world, PaymentIntent, intent_id, None)
    method = world.store.get(PaymentMethod, intent.payment_method or "")
    session = world.store.get(Session, intent.session or "")
    context = {
        "intent": intent,
        "method": method,
        "back": _after_bank(intent, session),
        "shop": world.settings.stripe_account_name,
        "card": str((method.card or {}).get("last4", "")) if method else "",
    }
    return page("stripe/authorize.html", context, form_action=_origins(intent.return_url, *_urls(session)))


@router.post("/authorize/{intent_id}")
async def answer_bank(world: Here, intent_id: str, form: Annotated[BankForm, Form()]) -> Response:
    """The person confirms or refuses, and goes back where they came from."""
    intent = find(world, PaymentIntent, intent_id, None)
    if intent.status == "requires_action":
        with world.store.transaction():
            charging.authenticated(world, intent, succeeds=form.answer == "complete")
    intent = find(world, PaymentIntent, intent_id, None)
    back = _after_bank(intent, world.store.get(Session, intent.session or ""))
    return RedirectResponse(back or f"/_sandbox/stripe/authorize/{intent.id}", 303)


@router.get("/qr/{intent_id}.{form}")
async def qr(world: Here, intent_id: str, form: Literal["svg", "png"]) -> Response:
    """The PromptPay code of an intent, as an image."""
    intent = find(world, PaymentIntent, intent_id, None)
    text = qr_payload(intent.amount, intent.id)
    return qr_image(text, form, {"Cross-Origin-Resource-Policy": "cross-origin"})


@router.get("/receipts/{charge_id}")
async def receipt(world: Here, charge_id: str) -> Response:
    """What the payer gets by mail."""
    charge = find(world, Charge, charge_id, None)
    return page("stripe/receipt.html", {"charge": charge, "shop": world.settings.stripe_account_name})


# --- onboarding -----------------------------------------------------------------------------------------------------


@router.get("/onboard/{token}")
async def onboarding(world: Here, token: str) -> Response:
    """Where a connected account says who it is; an old or used link leads to the platform for a new one."""
    link = _link(world, token)
    if world.clock.now_s() >= link.expires_at:
        return RedirectResponse(link.refresh_url, 303)
    account = find(world, Account, link.account, None)
    context = {"account": account, "link": link, "shop": world.settings.stripe_account_name}
    return page("stripe/onboard.html", context, form_action=_origins(link.return_url, link.refresh_url))


@router.post("/onboard/{token}")
async def finish_onboarding(world: Here, token: str, form: Annotated[OnboardForm, Form()]) -> Response:
    """The person is done; the link is used up."""
    link = _link(world, token)
    if world.clock.now_s() >= link.expires_at:
        return RedirectResponse(link.refresh_url, 303)
    accounts.onboard(world, find(world, Account, link.account, None), outcome=form.outcome)
    link.expires_at = world.clock.now_s()
    world.store.put(link)
    return RedirectResponse(link.return_url, 303)


def _checkout(world: World, session: Session, form: PayForm, error: str | None, *, status: int) -> Response:
    context = {
        "session": session,
        "form": form,
        "error": error,
        "cards": TEST_CARDS,
        "shop": world.settings.stripe_account_name,
    }
    return page("stripe/checkout.html", context, status=status, form_action=_origins(*_urls(session)))


def _method(world: World, session: Session, form: PayForm, number: str) -> PaymentMethod:
    billing = BillingDetails(email=form.email.strip(), name=form.name.strip() or None)
    if form.method == "card":
        return methods.of_card(world, session.account, number, billing)
    return methods.from_data(world, session.account, MethodData(type=form.method, billing_details=billing))


def _after_bank(intent: PaymentIntent, session: Session | None) -> str | None:
    if session is None:
        return charging.return_address(intent)
    return session.after_paying() if session.status == "complete" else f"/_sandbox/stripe/checkout/{session.id}"


def _last_error(intent: PaymentIntent | None) -> str | None:
    return str(intent.last_payment_error["message"]) if intent and intent.last_payment_error else None


def _link(world: World, token: str) -> AccountLink:
    link = world.store.get(AccountLink, token)
    if link is None:
        raise HTTPException(404, "There is no such onboarding link.")
    return link


def _urls(session: Session | None) -> list[str | None]:
    return [session.success_url, session.cancel_url] if session else []


def _origins(*urls: str | None) -> str:
    """Where forms of the page may lead: here, and to the shop's own addresses."""
    parts = [urlsplit(url) for url in urls if url]
    return " ".join(["'self'", *sorted({f"{part.scheme}://{part.netloc}" for part in parts})])
