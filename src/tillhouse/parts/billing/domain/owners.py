"""Whose a wallet, a plan or an invoice is."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Owner:
    """A person, or an organisation."""

    kind: str
    id: UUID


def person(person_id: UUID) -> Owner:
    """A person as an owner."""
    return Owner("person", person_id)


def organisation(organisation_id: UUID) -> Owner:
    """An organisation as an owner."""
    return Owner("organisation", organisation_id)


def page_of(owner: Owner, path: str) -> str:
    """The page of billing at `path`, of what `owner` has."""
    return f"{path}?organisation_id={owner.id}" if owner.kind == "organisation" else path
