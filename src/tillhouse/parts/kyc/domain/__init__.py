"""What a case is: its states, its levels, its papers, and the reasons that a person can act on.

    not_started ─► submitted ─► in_review ─► approved ─► expired
         ▲             │            │  │         │
         └── withdrawn ┴────────────┘  └─► rejected ◄─┘ taken back
                                              └─► submitted   handed in again

`submitted`: handed in, the checks are running. `in_review`: people decide. One case of an owner and level is open at a
time; an approved one stays as it is while the next is prepared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal
from uuid import UUID

from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.text import N_


class State(StrEnum):
    """Where a case stands."""

    NOT_STARTED = "not_started"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


_NEXT: Mapping[State, frozenset[State]] = {
    State.NOT_STARTED: frozenset({State.SUBMITTED}),
    State.SUBMITTED: frozenset({State.IN_REVIEW, State.NOT_STARTED}),
    State.IN_REVIEW: frozenset({State.APPROVED, State.REJECTED, State.NOT_STARTED}),
    State.APPROVED: frozenset({State.EXPIRED, State.REJECTED}),
    State.REJECTED: frozenset({State.SUBMITTED}),
    State.EXPIRED: frozenset(),
}
OPEN = frozenset({State.NOT_STARTED, State.SUBMITTED, State.IN_REVIEW, State.REJECTED})
EDITABLE = frozenset({State.NOT_STARTED, State.REJECTED})
WAITING = frozenset({State.SUBMITTED, State.IN_REVIEW})

_SENTENCES = {
    State.NOT_STARTED: N_("Not handed in yet."),
    State.SUBMITTED: N_("Handed in. We are checking what can be checked at once."),
    State.IN_REVIEW: N_("A person is looking at it. This usually takes a working day."),
    State.APPROVED: N_("Approved."),
    State.REJECTED: N_("Not accepted yet: see below what to do, then hand it in again."),
    State.EXPIRED: N_("This has expired: hand it in anew."),
}


class WrongState(Conflict):
    """What was asked for does not fit where the case stands."""

    code = "wrong_state"


def step(current: State, to: State) -> State:
    """The next state. Raises `WrongState` for a step that there is not."""
    if to not in _NEXT[current]:
        raise WrongState(N_("This cannot be done now: load the page again to see where it stands."))
    return to


def sentence(state: State) -> str:
    """What the state means for the person: an English message id."""
    return _SENTENCES[state]


OwnerKind = Literal["person", "organisation"]
LevelName = Literal["basic", "payout"]
IdKind = Literal["pan", "thai_id", "gstin", "passport", "registration"]
PaperKind = Literal["id_front", "id_back", "selfie", "bank_proof", "registration"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose case it is."""

    kind: OwnerKind
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What is asked for a level. `needs` has to stand first; `persons` different ones approve."""

    name: LevelName
    title: str
    text: str
    asks_details: bool
    persons: int
    needs: LevelName | None
    papers: Mapping[OwnerKind, tuple[PaperKind, ...]]
    more_papers: Mapping[OwnerKind, tuple[PaperKind, ...]]


# In the order in which they are reached. Where money follows, two persons look.
LEVELS: Mapping[LevelName, Level] = {
    "basic": Level(
        name="basic",
        title=N_("Who you are"),
        text=N_("Your name, date of birth and an identity document."),
        asks_details=True,
        persons=1,
        needs=None,
        papers={"person": ("id_front",), "organisation": ("registration",)},
        more_papers={"person": ("id_back", "selfie"), "organisation": ("id_front",)},
    ),
    "payout": Level(
        name="payout",
        title=N_("Where your money goes"),
        text=N_("A picture of yourself and a proof of your bank account, so that money can be paid out to you."),
        asks_details=False,
        persons=2,
        needs="basic",
        papers={"person": ("selfie", "bank_proof"), "organisation": ("bank_proof",)},
        more_papers={"person": (), "organisation": ()},
    ),
}

PAPERS: Mapping[PaperKind, str] = {
    "id_front": N_("Identity document, front"),
    "id_back": N_("Identity document, back"),
    "selfie": N_("A picture of yourself holding the document"),
    "bank_proof": N_("Bank statement or cancelled cheque"),
    "registration": N_("Certificate of registration"),
}

ID_KINDS: Mapping[IdKind, str] = {
    "pan": N_("PAN (India)"),
    "thai_id": N_("Thai national ID"),
    "passport": N_("Passport"),
    "gstin": N_("GSTIN (India)"),
    "registration": N_("Registration number"),
}
IDS_OF: Mapping[OwnerKind, tuple[IdKind, ...]] = {
    "person": ("pan", "thai_id", "passport"),
    "organisation": ("gstin", "pan", "registration"),
}

# Why something is not accepted: code → what the person does about it.
REASONS: Mapping[str, str] = {
    "blurred": N_("A picture is blurred. Take it again in good light, holding still."),
    "glare": N_("Light is reflected on a picture. Take it again from another angle."),
    "cropped": N_("A part is cut off. Take the picture again with all four corners in it."),
    "wrong_document": N_("This is not the document that was asked for. Send the one that is named."),
    "document_expired": N_("The document has expired. Send one that is valid."),
    "missing_side": N_("A side or a page is missing. Send all of them."),
    "name_differs": N_("The name differs from the document. Write it exactly as it is there."),
    "birth_date_differs": N_("The date of birth differs from the document. Correct it."),
    "number_differs": N_("The number differs from the document. Correct it."),
    "selfie_unclear": N_("We cannot recognise you beside the document. Take the picture again with both in full view."),
    "account_differs": N_("The bank account is in another name. Send a proof of an account of your own."),
    "not_eligible": N_("We cannot accept this. Write to us if you think that this is a mistake."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a person or an organisation says of itself, as on the document. `birth_date`: of registration, for one."""

    name: str
    birth_date: date
    country: str
    id_kind: IdKind
    id_number: str

    @property
    def masked_number(self) -> str:
        """Enough to recognise it by."""
        return f"…{self.id_number[-3:]}"


# `well_formed`: the number is one that can exist, and nothing in it speaks against the name; nobody was asked.
Result = Literal["passed", "well_formed", "failed", "unsure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `reason` is a code of the check's own; no personal data in any of it."""

    check: str
    result: Result
    reason: str = ""


FINDINGS: Mapping[str, str] = {
    "name_fits": N_("The number is well formed and its letter fits the name; nobody was asked."),
    "name_initial": N_("The letter in the number is not the first of the name."),
    "name_order": N_("The letter in the number fits another word of the name."),
    "not_latin": N_("The name is not in Latin letters, so the number cannot be compared with it."),
    "wrong_holder": N_("The number belongs to another kind of holder."),
    "check_digit": N_("The number is well formed; nobody was asked."),
    "no_check": N_("Nothing checks numbers of this kind: compare it with the document."),
    "same_number": N_("The same number was given for another account."),
    "number_new": N_("No other account gave this number."),
    "no_account": N_("No bank account is saved."),
    "account_unchecked": N_("No saved bank account is confirmed by a bank."),
    "account_match": N_("A bank confirmed an account in this name."),
    "account_partial": N_("A bank confirmed an account in a similar name."),
    "account_mismatch": N_("A bank confirmed an account, in another name."),
    "failed": N_("The check could not be made."),
}
