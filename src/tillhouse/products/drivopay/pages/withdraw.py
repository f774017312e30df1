"""Withdrawing: an amount and where to, limits said before, and a page that follows the money until it has arrived."""

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import DomainError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.vault import UnreadableSecret
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import redirect
from tillhouse.parts.identity.api import AuthenticatorTooNew, StepUpRequired
from tillhouse.parts.ledger.api import InsufficientFunds
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.api import NameMatch, PayeeState, PayeeView, PayoutState, PayoutView
from tillhouse.parts.wallets import api as wallets
from tillhouse.products.drivopay.domain import UNIT
from tillhouse.products.drivopay.pages.outcomes import Outcome
from tillhouse.products.drivopay.pages.typed import plain_amount, typed_amount

router = APIRouter(prefix="/withdraw")
Driver = Annotated[Principal, Depends(require("drivopay.pay"))]

COOKIE = "withdrawal"  # what was typed, sealed, while the person shows who they are
_COOKIE_SECONDS = 600

_ON_ITS_WAY = Outcome(
    "info",
    "send",
    N_("On its way"),
    N_("The money is set aside in your wallet until the bank has confirmed. You need not wait here."),
    waiting=True,
)
_WORDS = {
    PayoutState.AWAITING_APPROVAL: Outcome(
        "warning",
        "clock",
        N_("Someone of ours looks at it first"),
        N_("Large withdrawals are looked at by a person. The money is set aside in your wallet meanwhile."),
        waiting=True,
    ),
    PayoutState.RESERVED: _ON_ITS_WAY,
    PayoutState.SENDING: _ON_ITS_WAY,
    PayoutState.UNKNOWN: Outcome(
        "warning",
        "clock",
        N_("Waiting for the bank's answer"),
        N_("The bank has not answered yet. The money stays set aside until it has, and is never sent twice."),
        waiting=True,
    ),
    PayoutState.PROCESSING: Outcome(
        "info",
        "landmark",
        N_("With the bank"),
        N_("Usually minutes, at times until the next working day. The money is set aside in your wallet."),
        waiting=True,
    ),
    PayoutState.PROCESSED: Outcome(
        "success", "check", N_("Paid out"), N_("The bank has confirmed: the money has arrived.")
    ),
    PayoutState.REVERSED: Outcome(
        "warning",
        "undo-2",
        N_("Sent back by the bank"),
        N_("The money is in your wallet again. Check where it should go, then try again."),
    ),
    PayoutState.FAILED: Outcome(
        "danger",
        "x",
        N_("The bank refused"),
        N_("The money is in your wallet again. Check where it should go, then try again."),
    ),
    PayoutState.REJECTED: Outcome(
        "danger", "x", N_("Not approved"), N_("The money is in your wallet again. Write to us if you wonder why.")
    ),
    PayoutState.CANCELLED: Outcome("neutral", "x", N_("Cancelled"), N_("The money is in your wallet again.")),
}
_AT_THE_BANK_FIRST = Outcome(
    "info",
    "landmark",
    N_("Checking the account"),
    N_("We are asking the bank whose account this is, which takes about a minute. Then the withdrawal goes by itself."),
    waiting=True,
)
_ICONS = {
    PayeeState.NEW: "wallet",
    PayeeState.CHECKING: "clock",
    PayeeState.VERIFIED: "check",
    PayeeState.REFUSED: "x",
}
_STEPS = (N_("Set aside"), N_("With the bank"), N_("Paid out"))
_STEP = {
    PayoutState.AWAITING_APPROVAL: 1,
    PayoutState.RESERVED: 1,
    PayoutState.SENDING: 2,
    PayoutState.UNKNOWN: 2,
    PayoutState.PROCESSING: 2,
    PayoutState.PROCESSED: 4,
}
_OPEN = frozenset(_STEP) - {PayoutState.PROCESSED}


class WithdrawForm(BaseModel):
    """How much, and where to. `request_key` makes sending the form twice one withdrawal."""

    amount: Annotated[str, Field(max_length=24)]
    kind: Literal["payee", "vpa", "bank_account"] = "vpa"
    payee: Annotated[str, Field(max_length=36)] = ""
    request_key: UUID
    vpa: Annotated[str, Field(max_length=320)] = ""
    name: Annotated[str, Field(max_length=120)] = ""
    account_number: Annotated[str, Field(max_length=60)] = ""
    ifsc: Annotated[str, Field(max_length=20)] = ""


@router.get("")
async def ask(
    request: Request, session: Read, pages: Pages, house: TheHouse, me: Driver, *, resume: bool = False
) -> Response:
    """How much, and where to?"""
    kept = _kept(house, request.cookies.get(COOKIE)) if resume else None
    known = await _payees(session, me)
    form = (
        Form.blank(WithdrawForm, **kept.model_dump())
        if kept
        else Form.blank(WithdrawForm, kind="payee" if known else "vpa", payee=_first(known), request_key=uuid4())
    )
    context = {**await _context(session, house, me), "confirmed": kept is not None}
    return pages.render_form(request, "drivopay/withdraw.html", form, context)


@router.post("", dependencies=[FromOurPage, Depends(rate_limit("20/minute", name="drivopay.withdraw"))])
async def withdraw(request: Request, pages: Pages, house: TheHouse, *, me: Driver, web: TheWeb) -> Response:
    """Set the money aside and send it on its way; above the limit for it, first ask for a code."""
    form = await Form.read(request, WithdrawForm)
    if form.is_valid:
        sent = form.data
        try:
            to, amount = _where(sent), Money.parse(plain_amount(sent.amount), UNIT)
            made = await payments.withdraw(house, me, amount, to, request_key=f"page:{sent.request_key}")
        except StepUpRequired:
            return _step_up(request, house, sent, secure=web.secure)
        except InsufficientFunds as refusal:
            there = formats.money(refusal.available)
            form.refuse_field("amount", gettext(N_("Only {available} is available."), available=there))
        except (AuthenticatorTooNew, payments.PayeeCooling, payments.OverVelocity, payments.PayeeRefused) as refusal:
            form.error = sentence_of(refusal)
        except DomainError as refusal:
            _refuse(form, refusal)
        else:
            answer = redirect(request, f"/drivopay/withdraw/{made.id}")
            answer.delete_cookie(COOKIE, path="/drivopay/withdraw")
            return answer
    async with house.database.reading() as session:
        context = {**await _context(session, house, me), "confirmed": False}
    return pages.render_form(request, "drivopay/withdraw.html", form, context)


@router.post("/payees/{payee_id}/remove", dependencies=[FromOurPage, Depends(rate_limit("20/minute"))])
async def remove_payee(request: Request, session: Write, me: Driver, payee_id: UUID) -> Response:
    """Take an account off the list."""
    await payments.remove_payee(session, me, payee_id)
    return redirect(request, "/drivopay/withdraw")


@router.get("/{payout_id}")
async def payout(request: Request, session: Read, pages: Pages, me: Driver, payout_id: UUID) -> Response:
    """Where a withdrawal stands."""
    found = await payments.payout(session, payout_id, person_id=me.person_id)
    return pages.render_page(request, "drivopay/payout.html", _told(found))


@router.get("/{payout_id}/state")
async def payout_state(
    request: Request, session: Read, pages: Pages, me: Driver, payout_id: UUID, *, seen: str = ""
) -> Response:
    """The outcome anew, or 204 while it is what the page shows already."""
    found = await payments.payout(session, payout_id, person_id=me.person_id)
    if found.state == seen:
        return Response(status_code=204)
    return pages.render_fragment(request, "drivopay/_payout.html", _told(found))


def _where(sent: WithdrawForm) -> payments.Destination | payments.SavedPayee:
    """Where the form says that the money goes. Raises `InvalidInput`."""
    if sent.kind == "payee":
        try:
            return payments.SavedPayee(UUID(sent.payee))
        except ValueError:
            raise InvalidInput(N_("Choose an account.")) from None
    return payments.destination_from(
        sent.kind, vpa=sent.vpa, name=sent.name, ifsc=sent.ifsc, account_number=sent.account_number
    )


async def _payees(session: Read, me: Principal) -> list[PayeeView]:
    """The caller's saved accounts that rupees can go to."""
    found, _ = await payments.payees_of(session, me.person_id, limit=50)
    return [payee for payee in found if payee.kind in ("vpa", "bank_account")]


def _first(known: Sequence[PayeeView]) -> str:
    able = [payee for payee in known if payee.state != PayeeState.REFUSED]
    return str(able[0].id) if able else ""


def _told_of(payee: PayeeView, limits: payments.Limits) -> str:
    """What is known of a saved account, and what may go there now, before an amount is typed."""
    if payee.state == PayeeState.REFUSED:
        return gettext(N_("The bank does not pay to this account"))
    if payee.state == PayeeState.CHECKING:
        known = gettext(N_("Being checked with the bank"))
    elif payee.name_match == NameMatch.MISMATCH:
        known = gettext(N_("Registered as {name}: we look at each withdrawal"), name=payee.registered_name)
    elif payee.state == PayeeState.VERIFIED and payee.registered_name:
        known = gettext(N_("Verified as {name}"), name=payee.registered_name)
    elif payee.state == PayeeState.VERIFIED:
        known = gettext(N_("Verified"))
    else:
        known = gettext(N_("Saved"))
    if payee.usable_from <= clock.now():
        return known
    until = gettext(
        N_("at most {most} until {when}"),
        most=formats.money(limits.new_account_most), when=formats.moment(payee.usable_from),
    )  # fmt: skip
    return f"{known} · {until}"


def _step_up(request: Request, house: House, sent: WithdrawForm, *, secure: bool) -> Response:
    """Off to show who they are, and back with what was typed: sealed in a cookie, not in an address."""
    answer = redirect(request, "/step-up?" + urlencode({"next": "/drivopay/withdraw?resume=1"}))
    answer.set_cookie(
        COOKIE,
        house.vault.seal(sent.model_dump_json()).decode(),
        max_age=_COOKIE_SECONDS,
        path="/drivopay/withdraw",
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return answer


def _kept(house: House, sealed: str | None) -> WithdrawForm | None:
    try:
        return WithdrawForm.model_validate_json(house.vault.open((sealed or "").encode()))
    except (UnreadableSecret, ValidationError):
        return None


def _refuse(form: Form[WithdrawForm], refusal: DomainError) -> None:
    """Refusals of the destination point below `/destination`; the form's fields carry the last part of that name."""
    known = False
    for wrong in refusal.errors:
        name = wrong.pointer.rpartition("/")[2]
        if name in WithdrawForm.model_fields:
            form.refuse_field(name, gettext(wrong.message))
            known = True
    if not known:
        form.refuse(refusal)


async def _context(session: Read, house: House, me: Principal) -> dict[str, object]:
    limits = payments.limits(house, UNIT)
    wallet = await wallets.wallet_of(session, me.person_id, UNIT)
    most = min(wallet.available.minor, limits.withdrawal_most.minor)
    known = await _payees(session, me)
    return {
        "wallet": wallet,
        "limits": limits,
        "quick": _quick(most),
        "limit_hint": gettext(
            N_("From {least} to {most} at a time."),
            least=formats.money(limits.withdrawal_least),
            most=formats.money(Money(max(most, limits.withdrawal_least.minor), UNIT)),
        ),
        "limit_facts": [
            (gettext(N_("Within 24 hours")), formats.money(limits.withdrawal_daily)),
            (
                gettext(N_("With a code to confirm")),
                gettext(N_("above {amount} in 24 hours"), amount=formats.money(limits.step_up_above)),
            ),
            (gettext(N_("Fee")), formats.money(Money(0, UNIT))),
        ],
        "payees": known,
        "payee_options": [
            Option(
                str(payee.id),
                payee.destination,
                _told_of(payee, limits),
                _ICONS[payee.state],
                disabled=payee.state == PayeeState.REFUSED,
            )
            for payee in known
        ],
        "new_account_hint": gettext(
            N_("A new account takes at most {most} in its first {hours} hours, after that any amount."),
            most=formats.money(limits.new_account_most),
            hours=limits.new_account_hours,
        )
        if limits.new_account_hours
        else "",
        "kinds": [
            *_saved(known),
            Option("vpa", gettext(N_("UPI id")), gettext(N_("Usually within a minute")), "smartphone"),
            Option("bank_account", gettext(N_("Bank account")), gettext(N_("By IMPS or NEFT")), "landmark"),
        ],
    }


def _saved(known: Sequence[PayeeView]) -> list[Option]:
    if not known:
        return []
    return [Option("payee", gettext(N_("Saved account")), gettext(N_("One you used before")), "wallet")]


def _quick(most: int) -> list[str]:
    """Round amounts that the wallet can give, and all of it."""
    amounts = [amount for amount in (200_00, 500_00, 1000_00) if amount < most] + ([most] if most > 0 else [])
    return [typed_amount(Money(amount, UNIT)) for amount in amounts]


def _told(found: PayoutView) -> dict[str, object]:
    """`facts` are message ids beside what the template writes in the reader's language and zone."""
    facts: list[tuple[str, object]] = [(N_("To"), found.destination), (N_("Asked for"), found.created_at)]
    if found.finished_at:
        facts.append((N_("Finished"), found.finished_at))
    if found.utr:
        facts.append((N_("Bank's reference (UTR)"), found.utr))
    if found.failure_code == "payee_refused":
        facts.append((N_("What the bank says"), N_("It does not pay to this account.")))
    elif found.failure_message and found.state not in _STEP:
        facts.append((N_("What the bank says"), found.failure_message))
    facts.append((N_("Number"), str(found.id)))
    return {
        "payout": found,
        "words": _AT_THE_BANK_FIRST if found.waits_for_bank else _WORDS[found.state],
        "open": found.state in _OPEN,
        "retry": found.state in (PayoutState.FAILED, PayoutState.REVERSED),
        "steps": _STEPS if found.state in _STEP else (),
        "step": _STEP.get(found.state, 0),
        "facts": facts,
    }
