"""Accounts: found, and one of them looked at: what it holds, held, and how it came to that."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import InvalidInput, NotFound
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.charts import Chart, Series
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import Day, begin_of, end_of, filter_of, is_filtered, local, valid
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger.domain import AccountRef, AccountType, BalanceAt, StatementLine
from tillhouse.parts.ledger.domain.lists import Account, AccountFilter
from tillhouse.parts.ledger.pages.common import (
    BITE,
    PAGE,
    ROOT,
    TYPES,
    Reader,
    account_at,
    account_href,
    kind_options,
    number_of,
    words,
)
from tillhouse.parts.ledger.service import history, holding, lots_reading, reading

router = APIRouter()
_LOTS = 20
# Of how many days a curve is, and how many points of it are looked up.
_CURVES: dict[int, int] = {7: 8, 30: 16, 90: 16, 365: 14}


async def _named(owner: str, code: str, unit: str) -> AccountRef:
    return account_at(owner, code, unit)


Named = Annotated[AccountRef, Depends(_named)]


class AccountForm(BaseModel):
    """Which accounts, as it stands in the address."""

    code: str | None = Field(default=None, max_length=200)
    owner_kind: str | None = Field(default=None, max_length=60)
    owner: str | None = Field(default=None, max_length=254)
    unit: str | None = Field(default=None, max_length=40)
    type: AccountType | None = None


class StatementForm(BaseModel):
    """Which entries of one account."""

    first: Day | None = None
    last: Day | None = None
    direction: Literal["in", "out"] | None = None
    kind: str | None = Field(default=None, max_length=200)


class PointForm(BaseModel):
    """A point in both times; blank is no bound."""

    effective: Annotated[datetime, Field(ge=datetime(2000, 1, 1), le=datetime(2100, 1, 1))] | None = None  # noqa: DTZ001  as typed
    recorded: Annotated[datetime, Field(ge=datetime(2000, 1, 1), le=datetime(2100, 1, 1))] | None = None  # noqa: DTZ001  as typed


@router.get(f"{ROOT}/accounts")
async def accounts(
    request: Request, session: Read, pages: Pages, _reader: Reader, cursor: str | None = None
) -> Response:
    """Accounts that fit, in the order they were opened."""
    form = filter_of(request, AccountForm)
    wanted = await _wanted_accounts(session, form)
    found: Sequence[Account] = []
    if form.is_valid:
        found = await reading.accounts(session, wanted=wanted, limit=PAGE + 1, after=number_of(cursor))
    shown, following = cut(found, PAGE, lambda one: (one.id,))
    context = {
        **await words(session, [one.ref for one in shown]),
        "accounts": shown,
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
        "type_options": [Option(name, gettext(title)) for name, title in TYPES.items()],
    }
    return pages.render_form(request, "ledger/accounts.html", form, context, fragment="ledger/_accounts.html")


@router.get(f"{ROOT}/accounts.csv")
async def accounts_csv(request: Request, session: Read, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, AccountForm)
    wanted = await _wanted_accounts(session, form)
    valid(form)
    columns = ("opened_at", "owner_kind", "owner_id", "code", "unit", "type", "title", "entries", "posted", "held",
               "available", "closed")  # fmt: skip

    async def rows(fresh: ReadSession) -> AsyncIterator[Sequence[object]]:
        after: int | None = None
        while bite := await reading.accounts(fresh, wanted=wanted, limit=BITE, after=after):
            for one in bite:
                ref = one.ref
                yield (one.opened_at.isoformat(), ref.owner_kind, ref.owner_id or "", ref.code, ref.unit, one.type,
                       one.title or "", one.entries, one.posted, one.held, one.available, one.closed)  # fmt: skip
            after = bite[-1].id

    return csv_download("accounts", columns, house.database, rows)


# Before the account's own page, whose unit would be "statement.csv".
@router.get(ROOT + "/accounts/{owner}/{code:path}/{unit}/statement.csv")
async def statement_csv(request: Request, session: Read, house: TheHouse, _reader: Reader, ref: Named) -> Response:
    """The statement that fits, newest first, for a spreadsheet."""
    found = await _account(session, ref)
    form = valid(filter_of(request, StatementForm))
    columns = ("transaction", "sequence", "effective_at", "recorded_at", "kind", "amount", "balance", "reverses")

    async def rows(fresh: ReadSession) -> AsyncIterator[Sequence[object]]:
        before: int | None = None
        while bite := await _lines(fresh, found.ref, form, limit=BITE, before=before):
            for one in bite:
                yield (one.transaction_id, one.sequence, one.effective_at.isoformat(), one.recorded_at.isoformat(),
                       one.kind, one.amount, one.balance, one.reverses or "")  # fmt: skip
            before = bite[-1].transaction_id

    return csv_download("statement", columns, house.database, rows)


@router.get(ROOT + "/accounts/{owner}/{code:path}/{unit}")
async def account(
    request: Request,
    session: Read,
    pages: Pages,
    _reader: Reader,
    ref: Named,
    *,
    cursor: str | None = None,
    days: int = 30,
) -> Response:
    """One account: what it holds, the curve of that, its statement, holds and lots, and what was known when."""
    found = await _account(session, ref)
    form = filter_of(request, StatementForm)
    lines = await _lines(session, found.ref, form, limit=PAGE + 1, before=number_of(cursor)) if form.is_valid else []
    shown, following = cut(lines, PAGE, lambda one: (one.transaction_id,))
    point = Form.parse(FormData(dict(request.query_params)), PointForm, name="point")
    days = days if days in _CURVES else 30
    context = {
        **await words(session, [found.ref]),
        "account": found,
        "lines": shown,
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
        "kinds": kind_options(session),
        "directions": [Option("in", gettext(N_("More"))), Option("out", gettext(N_("Less")))],
        "chart": await _curve(session, found, days),
        "days": days,
        "ranges": _CURVES,
        "holds": await holding.open_holds(session, found.ref),
        "lots": await lots_reading.lots_of(session, found.ref, limit=_LOTS) if found.lots else (),
        "lots_summary": await lots_reading.lots_summary(session, found.ref) if found.lots else None,
        "point": point,
        "known": await _known(session, found.ref, point),
        "csv": f"{account_href(found.ref)}/statement.csv",
    }
    return pages.render_form(request, "ledger/account.html", form, context, fragment="ledger/_statement.html")


async def _account(session: ReadSession, ref: AccountRef) -> Account:
    wanted = AccountFilter(owner_kind=ref.owner_kind, owner_id=ref.owner_id, code=ref.code, unit=ref.unit)
    found = next(iter(await reading.accounts(session, wanted=wanted, limit=1)), None)
    if found is None or found.ref != ref:
        raise NotFound(N_("There is no such account. An account is there from its first posting or hold on."))
    return found


async def _wanted_accounts(session: ReadSession, form: Form[AccountForm]) -> AccountFilter:
    """What the form asks for; an owner who is not known says so in the form."""
    if not form.is_valid:
        return AccountFilter()
    asked = form.data
    return AccountFilter(
        owner_kind=asked.owner_kind,
        owner_id=await _owner(session, form, asked.owner) if asked.owner else None,
        code=f"{asked.code.rstrip('*')}*" if asked.code else None,
        unit=asked.unit.upper() if asked.unit else None,
        type=asked.type,
    )


async def _owner(session: ReadSession, form: Form[AccountForm], typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        pass
    try:
        person = await identity.person_by_identifier(session, identity.parse_identifier(typed))
    except InvalidInput:
        person = None
    if person is None:
        form.refuse_field("owner", gettext(N_("Nobody here has this address. Write an e-mail, a number or an id.")))
    return person.id if person else None


async def _lines(
    session: ReadSession, ref: AccountRef, form: Form[StatementForm], *, limit: int, before: int | None
) -> Sequence[StatementLine]:
    asked = form.data
    return await reading.statement(
        session,
        ref,
        limit=limit,
        before=before,
        since=begin_of(asked.first) if asked.first else None,
        until=end_of(asked.last) if asked.last else None,
        direction=asked.direction,
        kinds=(asked.kind,) if asked.kind else (),
    )


async def _curve(session: ReadSession, account: Account, days: int) -> Chart:
    """What the account held over some days, to now."""
    now, count = clock.now(), _CURVES[days]
    instants = [now - timedelta(days=days) * (count - 1 - n) / (count - 1) for n in range(count)]
    amounts = await history.curve(session, account.ref, instants)
    labels = [formats.short_day(instant.astimezone(reader().tz).date()) for instant in instants]
    held = Series(gettext(N_("Balance")), [amount.minor for amount in amounts])
    return Chart(gettext(N_("Balance over time")), labels, [held], kind="area", unit=account.ref.unit)


async def _known(session: ReadSession, ref: AccountRef, form: Form[PointForm]) -> BalanceAt | None:
    """What the account held at the point that was asked for."""
    if not is_filtered(form) or not form.is_valid:
        return None
    asked = form.data
    effective = local(asked.effective) if asked.effective else None
    recorded = local(asked.recorded) if asked.recorded else None
    return await history.balance_at(session, ref, effective=effective, recorded=recorded)
