"""Connect's `/v1/accounts` and `/v1/account_links`: who the platform pays, and how they are let in."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.connect_schemas import (
    Account,
    AccountBody,
    AccountLink,
    AccountLinkBody,
    AccountUpdate,
    BankAccountBody,
)
from tillhouse.sandbox.stripe.errors import missing
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, page_of, shown
from tillhouse.sandbox.stripe.schemas import ListQuery, Params, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1", route_class=StripeRoute)

LINK_LASTS_SECONDS = 5 * 60

_CURRENCY_OF = {"IN": "inr", "TH": "thb", "VN": "vnd", "JP": "jpy", "SG": "sgd", "GB": "gbp"}
_DUE: list[JsonValue] = ["external_account", "individual.first_name", "tos_acceptance.date"]

expandable("acct", Account)


@router.post("/accounts")
async def create_account(call: Calling, body: Annotated[AccountBody, Depends(params(AccountBody))]) -> Wire:
    """Make a connected account; it can be paid once it has been onboarded."""
    country = body.country.upper()
    kept = {"expand", "type", "country", "external_account", "capabilities", "controller", "company", "individual"}
    account_id = f"acct_{ids.token(16)}"
    account = Account(
        id=account_id,
        created_at=call.world.clock.now_s(),
        account=account_id,
        capabilities={name: "inactive" for name, wish in body.capabilities.items() if wish.get("requested")},
        controller=body.controller or {"type": "application", "is_controller": True},
        country=country,
        requirements=_requirements(_DUE),
        type=body.type or "none",
        **{
            **body.model_dump(exclude=kept),
            "default_currency": body.default_currency or _CURRENCY_OF.get(country, "usd"),
        },
    )
    _take_bank_account(account, body.external_account)
    with call.world.store.transaction():
        call.world.store.put(account)
        emit(call.world, "account.updated", account)
    return shown(call, account, body)


@router.get("/account")
async def get_own_account(call: Calling, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """The account that calls: the platform's own, or the connected one of `Stripe-Account`."""
    connected = call.world.store.get(Account, call.account)
    return shown(call, connected or _platform(call.world), query)


@router.get("/accounts")
async def list_accounts(call: Calling, query: Annotated[ListQuery, Depends(params(ListQuery))]) -> Wire:
    """Connected accounts, newest first."""
    return page_of(call, call.world.store.find(Account, limit=100_000), query, "/v1/accounts")


@router.get("/accounts/{account_id}")
async def get_account(call: Calling, account_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One connected account."""
    if account_id == call.world.settings.stripe_account_id:
        return shown(call, _platform(call.world), query)
    return shown(call, find(call.world, Account, account_id, None), query)


@router.post("/accounts/{account_id}")
async def update_account(
    call: Calling, account_id: str, body: Annotated[AccountUpdate, Depends(params(AccountUpdate))]
) -> Wire:
    """Change a connected account."""
    account = find(call.world, Account, account_id, None)
    account.metadata = merged(account.metadata, body.metadata)
    account.email = body.email or account.email
    account.business_type = body.business_type or account.business_type
    account.business_profile = {**account.business_profile, **body.business_profile}
    for name, wish in body.capabilities.items():
        if wish.get("requested"):
            account.capabilities.setdefault(name, "active" if account.details_submitted else "inactive")
    _take_bank_account(account, body.external_account)
    with call.world.store.transaction():
        call.world.store.put(account)
        emit(call.world, "account.updated", account)
    return shown(call, account, body)


@router.post("/account_links")
async def create_account_link(
    call: Calling, body: Annotated[AccountLinkBody, Depends(params(AccountLinkBody))]
) -> Wire:
    """A way into the onboarding page, for five minutes and one visit."""
    account = call.world.store.get(Account, body.account)
    if account is None:
        raise missing("account", body.account, "account")
    token = ids.token(20)
    link = AccountLink(
        id=token,
        created_at=call.world.clock.now_s(),
        account=account.id,
        expires_at=call.world.clock.now_s() + LINK_LASTS_SECONDS,
        url=f"{call.base}/_sandbox/stripe/onboard/{token}",
        refresh_url=body.refresh_url,
        return_url=body.return_url,
    )
    call.world.store.put(link)
    return link.wire()


def onboard(world: World, account: Account, *, outcome: Literal["complete", "restricted"] = "complete") -> Account:
    """The person has told Stripe who they are; `restricted` when Stripe wants more before it pays."""
    account.details_submitted = True
    account.payouts_enabled = account.charges_enabled = outcome == "complete"
    account.requirements = _requirements([] if account.payouts_enabled else ["individual.verification.document"])
    state: Literal["active", "inactive"] = "active" if account.payouts_enabled else "inactive"
    account.capabilities = dict.fromkeys([*account.capabilities, "transfers"], state)
    account.tos_acceptance = {"date": world.clock.now_s()}
    account.bank = account.bank or ids.stripe_id("ba")
    with world.store.transaction():
        world.store.put(account)
        emit(world, "account.updated", account, {"details_submitted": False, "payouts_enabled": False})
    return account


def _take_bank_account(account: Account, given: BankAccountBody | None) -> None:
    if given is not None:
        account.bank, account.account_number = ids.stripe_id("ba"), given.account_number


def _requirements(due: list[JsonValue]) -> dict[str, JsonValue]:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": "requirements.past_due" if due else None,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    }


def _platform(world: World) -> Account:
    """The platform's own account."""
    settings = world.settings
    return Account(
        id=settings.stripe_account_id,
        created_at=0,
        account=settings.stripe_account_id,
        capabilities={"card_payments": "active", "transfers": "active"},
        business_profile={"name": settings.stripe_account_name},
        charges_enabled=True,
        country="US",
        default_currency="usd",
        details_submitted=True,
        payouts_enabled=True,
        requirements=_requirements([]),
        type="standard",
    )
