"""The door of kyc: who has shown who they are.

    await kyc.require_level(session, "person", person_id, "payout")    goes on, or refuses with what to do
    await kyc.level_of(session, "organisation", organisation_id)       "basic", "payout" or None

A module that can check more than the house does offline provides a `NumberCheck` or a `BankAccountCheck`.
"""

from tillhouse.parts.kyc.domain import Details, Finding, IdKind, LevelName, Owner
from tillhouse.parts.kyc.ports import BankAccountCheck, NumberCheck, Subject
from tillhouse.parts.kyc.service.levels import KycRequired, level_of, require_level

__all__ = [
    "BankAccountCheck",
    "Details",
    "Finding",
    "IdKind",
    "KycRequired",
    "LevelName",
    "NumberCheck",
    "Owner",
    "Subject",
    "level_of",
    "require_level",
]
