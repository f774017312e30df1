"""Checks that ask nobody outside: what a number itself says, and what the house knows of bank accounts already."""

from tillhouse.kernel.house import House
from tillhouse.parts.kyc.domain import Finding, OwnerKind
from tillhouse.parts.kyc.domain.numbers import check_pan
from tillhouse.parts.kyc.ports import BankAccountCheck, NumberCheck, Subject
from tillhouse.parts.wallets.api import PayoutAccounts


async def _pan(house: House, subject: Subject) -> Finding:
    return check_pan(subject.details.id_number, subject.details.name, subject.owner.kind)


async def _thai_id(house: House, subject: Subject) -> Finding:
    """Its check digit was looked at when it was written down; it says nothing of the name."""
    return Finding("thai_id", "well_formed", "check_digit")


async def _gstin(house: House, subject: Subject) -> Finding:
    """The PAN inside says what kind of holder it is, and the first letter of the name."""
    pan = subject.details.id_number[2:12]
    holder: OwnerKind = "person" if pan[3] == "P" else "organisation"  # a sole trader's own
    found = check_pan(pan, subject.details.name, holder)
    return Finding("gstin", found.result, found.reason)


async def _bank_account(house: House, subject: Subject) -> Finding:
    """The best of what banks have said of the accounts that the owner saved."""
    async with house.database.reading() as session:
        found = [
            account
            for source in house.provided(PayoutAccounts)
            for account in await source.of(session, subject.owner.kind, subject.owner.id, subject.details.name)
        ]
    if not found:
        return Finding("bank_account", "unsure", "no_account")
    names = {account.name for account in found if account.confirmed}
    if "match" in names:
        return Finding("bank_account", "passed", "account_match")
    if "partial" in names:
        return Finding("bank_account", "unsure", "account_partial")
    if "mismatch" in names:
        return Finding("bank_account", "failed", "account_mismatch")
    return Finding("bank_account", "unsure", "account_unchecked")


CHECKS = (
    NumberCheck("pan", _pan),
    NumberCheck("thai_id", _thai_id),
    NumberCheck("gstin", _gstin),
    BankAccountCheck(_bank_account),
)
