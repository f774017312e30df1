"""Failures as people read them: what happened, what it means for their money, what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.formats import moment, money
from tillhouse.kernel.web.i18n import gettext


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something to do about a failure: a link, the first one shown as a button."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """A failure in the reader's words. All sentences are translated already."""

    status: int
    title: str
    detail: str
    what_it_means_for_your_money: str | None = None
    next_steps: Sequence[NextStep] = ()
    tone: Literal["danger", "warning", "info"] = "danger"
    icon: str = "circle-x"


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    detail: str
    tone: Literal["danger", "warning", "info"] = "warning"
    icon: str = "triangle-alert"
    money: str | None = None


_UNTOUCHED = N_("No money moved.")
_LOOK_FIRST = N_(
    "If you were moving money, look at your movements before you repeat it. A payment is never booked twice."
)
_KINDS: Mapping[int, _Kind] = {
    400: _Kind(N_("We could not read that"), N_("The request was not complete. Go back and try again.")),
    401: _Kind(N_("Sign in first"), N_("This page is for people who are signed in."), "info", "lock"),
    403: _Kind(N_("This is not open to you"), N_("Your account may not do this."), "info", "ban", _UNTOUCHED),
    404: _Kind(N_("There is nothing here"), N_("The address is wrong, or what was here has gone."), "info", "search"),
    405: _Kind(N_("That does not work here"), N_("Go back and use the buttons of the page.")),
    409: _Kind(
        N_("Something changed in the meantime"),
        N_("Load the page again and look before you repeat it."),
        money=N_("Nothing was done a second time."),
    ),
    413: _Kind(N_("That is too large"), N_("Send a smaller file.")),
    422: _Kind(N_("Some fields need another look"), N_("Correct them and send the form again."), money=_UNTOUCHED),
    429: _Kind(N_("Slow down a little"), N_("There were many tries in a short time. Wait a moment."), icon="timer"),
    500: _Kind(
        N_("That went wrong on our side"),
        N_("We have noted it and are looking into it."),
        "danger",
        "wrench",
        _LOOK_FIRST,
    ),
    503: _Kind(
        N_("We cannot answer right now"),
        N_("Try again in a minute."),
        "danger",
        "cloud-off",
        _LOOK_FIRST,
    ),
}


def describe(failure: DomainError, *, next_steps: Sequence[NextStep] = ()) -> ErrorPage:
    """A refusal as a page: its own sentence under the title of its kind, unless it says the same."""
    kind = _KINDS.get(failure.status)
    repeats = kind is not None and failure.message.rstrip(".") == kind.title
    return error_page(failure.status, detail=None if repeats else sentence_of(failure), next_steps=next_steps)


def sentence_of(failure: DomainError) -> str:
    """What a refusal says, in the reader's language, with amounts and times as the reader writes them."""
    return gettext(failure.message, **shown_fields(failure))


def shown_fields(failure: DomainError) -> dict[str, object]:
    """What the sentences of a refusal are filled with, as the reader writes it."""
    return {name: _shown(value) for name, value in failure.fields.items()}


def _shown(value: object) -> object:
    if isinstance(value, Money):
        return money(value)
    return moment(value) if isinstance(value, datetime) else value


def error_page(status: int, *, detail: str | None = None, next_steps: Sequence[NextStep] = ()) -> ErrorPage:
    """The page of a status; 500's for one that has no words of its own."""
    kind = _KINDS.get(status) or _KINDS[400 if 400 <= status < 500 else 500]
    return ErrorPage(
        status,
        gettext(kind.title),
        detail or gettext(kind.detail),
        gettext(kind.money) if kind.money else None,
        next_steps or _default_steps(status),
        kind.tone,
        kind.icon,
    )


def _default_steps(status: int) -> Sequence[NextStep]:
    if status == 401:
        return [NextStep(gettext("Sign in"), "/sign-in"), NextStep(gettext("Start page"), "/")]
    return [NextStep(gettext("Start page"), "/")]
