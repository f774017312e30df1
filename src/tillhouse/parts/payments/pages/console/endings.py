"""What became of a payout or refund that nobody can tell the end of: said by one person, and asked of another."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.payments import api
from tillhouse.parts.payments.pages.console.common import ROOT, Effect, Question, account_href
from tillhouse.parts.payments.service.endings import Case, Moves, case_of, moves_of


class EndingForm(BaseModel):
    """What became of it, what the provider calls it where it did happen, and how one knows."""

    outcome: Literal["never_happened", "happened"]
    provider_id: Annotated[str | None, Field(max_length=200)] = None
    explanation: str = Field(min_length=10, max_length=1000)


async def case_or_none(session: ReadSession, exception_id: UUID) -> Case | None:
    """The payout or refund that an exception is about, where it ends by a word."""
    try:
        return await case_of(session, exception_id)
    except (Conflict, NotFound):
        return None


async def ending_question(session: ReadSession, one: api.ExceptionView) -> Question:
    """What is asked once more before somebody agrees to what another said of a payout or refund."""
    resolution, here = one.resolution, f"{ROOT}/exceptions/{one.id}"
    assert resolution
    assert resolution.ending
    found = await moves_of(session, await case_of(session, one.id))
    never = resolution.ending.outcome == api.Outcome.NEVER_HAPPENED
    amount = formats.money(found.amount)
    return Question(
        title=gettext("Did {amount} never leave?", amount=amount)
        if never
        else gettext("Did {amount} leave?", amount=amount),
        warning=gettext("If this is wrong, the money may leave twice")
        if never
        else gettext("This money is booked as gone"),
        text=gettext("The provider was asked just now, and is asked a last time when you agree."),
        effects=(
            *(_freed(found) if never else _gone(found)),
            *([Effect(gettext("As the provider knows it"), code=resolution.ending.provider_id)]
              if resolution.ending.provider_id else []),
            Effect(gettext("Account"), code=account_href(found.account).rpartition("/accounts/")[2]),
            Effect(gettext("Explanation"), text=resolution.explanation),
        ),
        action=f"{here}/approve",
        back=here,
        submit=gettext("Agree: it never happened") if never else gettext("Agree: it did happen"),
        keep=gettext("Let it wait"),
        crumb=(gettext("Exceptions"), f"{ROOT}/exceptions"),
        destructive=True,
    )  # fmt: skip


def _freed(found: Moves) -> list[Effect]:
    free = found.balance.available
    title = gettext("Set aside, free again") if found.held else gettext("Comes back")
    return [Effect(title, found.amount), Effect(gettext("Free"), before=free, after=free + found.amount)]


def _gone(found: Moves) -> list[Effect]:
    if found.held:
        before = found.balance.posted
        return [
            Effect(gettext("Set aside, gone"), found.amount),
            Effect(gettext("Balance"), before=before, after=before - found.amount),
        ]
    missing = found.amount - min(found.balance.available, found.amount)
    lent = [Effect(gettext("Lent by the house: the owner of the wallet owes it"), missing)] if missing else []
    before = found.balance.posted
    return [
        Effect(gettext("Was free again, is taken now"), found.amount),
        Effect(gettext("Balance"), before=before, after=before - found.amount + missing),
        *lent,
    ]
