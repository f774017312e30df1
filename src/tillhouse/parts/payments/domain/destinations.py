"""Where a payout goes: a UPI id or a bank account. Checked here, before anything is reserved."""

import re
from dataclasses import dataclass
from typing import Literal

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.text import N_

# NPCI: username@handle. RazorpayX takes the same characters.
_VPA = re.compile(r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")
# Reserve Bank of India: four letters of the bank, a zero, six letters or digits of the branch.
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
# Omise's names of the banks of Thailand, and the lengths of their account numbers.
_THAI_BANK = re.compile(r"[a-z]{2,12}")
_THAI_ACCOUNT = re.compile(r"[0-9]{10,15}")
_STRIPE_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{8,64}")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{5,35}")
_NAME_LENGTH = range(3, 51)  # RazorpayX: name of a contact


@dataclass(frozen=True, slots=True)
class Vpa:
    """A UPI id, such as `asha@okbank`."""

    address: str
    kind: Literal["vpa"] = "vpa"

    @property
    def masked(self) -> str:
        """Enough to recognise it by: `as…@okbank`."""
        user, _, handle = self.address.partition("@")
        return f"{user[:2]}…@{handle}"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An Indian bank account."""

    name: str
    ifsc: str
    account_number: str
    kind: Literal["bank_account"] = "bank_account"

    @property
    def masked(self) -> str:
        """Enough to recognise it by: `HDFC …6789`."""
        return f"{self.ifsc[:4]} …{self.account_number[-4:]}"


@dataclass(frozen=True, slots=True)
class ThaiBankAccount:
    """A Thai bank account. `bank` is Omise's name of the bank, such as `kbank` or `scb`."""

    name: str
    bank: str
    account_number: str
    kind: Literal["thai_bank_account"] = "thai_bank_account"

    @property
    def masked(self) -> str:
        """Enough to recognise it by: `KBANK …6789`."""
        return f"{self.bank.upper()} …{self.account_number[-4:]}"


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """A connected account at Stripe, which pays out to the bank by itself."""

    account_id: str
    kind: Literal["stripe_account"] = "stripe_account"

    @property
    def masked(self) -> str:
        """Enough to recognise it by: `Stripe …9aBc`."""
        return f"Stripe …{self.account_id[-4:]}"


Destination = Vpa | BankAccount | ThaiBankAccount | StripeAccount


def destination_from(
    kind: str,
    *,
    vpa: str = "",
    name: str = "",
    ifsc: str = "",
    account_number: str = "",
    bank: str = "",
    account_id: str = "",
) -> Destination:
    """The destination that a person wrote, with spaces and case tidied. Raises `InvalidInput` naming each wrong field.

    Pointers start at `/destination`.
    """
    if kind == "vpa":
        return _vpa(vpa)
    if kind == "bank_account":
        return _bank_account(name, ifsc, account_number)
    if kind == "thai_bank_account":
        return _thai_bank_account(name, bank, account_number)
    if kind == "stripe_account":
        return _stripe_account(account_id)
    raise _refused(_field("type", "unknown_type", N_("Choose a UPI id or a bank account.")))


def _vpa(address: str) -> Vpa:
    tidy = address.strip()
    if not _VPA.fullmatch(tidy):
        raise _refused(_field("vpa", "bad_vpa", N_("A UPI id looks like name@bank.")))
    return Vpa(tidy)


def _bank_account(name: str, ifsc: str, account_number: str) -> BankAccount:
    account = BankAccount(" ".join(name.split()), ifsc.strip().upper(), re.sub(r"[\s-]", "", account_number))
    errors = []
    if len(account.name) not in _NAME_LENGTH or not account.name.isprintable():
        errors.append(_field("name", "bad_name", N_("Write the account holder's name, 3 to 50 letters.")))
    if not _IFSC.fullmatch(account.ifsc):
        message = N_("An IFSC has 11 characters and a zero in the fifth place, such as HDFC0001234.")
        errors.append(_field("ifsc", "bad_ifsc", message))
    if not _ACCOUNT.fullmatch(account.account_number):
        message = N_("An account number has 5 to 35 digits or letters.")
        errors.append(_field("account_number", "bad_account_number", message))
    if errors:
        raise _refused(*errors)
    return account


def _thai_bank_account(name: str, bank: str, account_number: str) -> ThaiBankAccount:
    account = ThaiBankAccount(" ".join(name.split()), bank.strip().lower(), re.sub(r"[\s-]", "", account_number))
    errors = []
    if len(account.name) not in _NAME_LENGTH or not account.name.isprintable():
        errors.append(_field("name", "bad_name", N_("Write the account holder's name, 3 to 50 letters.")))
    if not _THAI_BANK.fullmatch(account.bank):
        errors.append(_field("bank", "bad_bank", N_("Write the bank's short name, such as kbank or scb.")))
    if not _THAI_ACCOUNT.fullmatch(account.account_number):
        message = N_("An account number in Thailand has 10 to 15 digits.")
        errors.append(_field("account_number", "bad_account_number", message))
    if errors:
        raise _refused(*errors)
    return account


def _stripe_account(account_id: str) -> StripeAccount:
    tidy = account_id.strip()
    if not _STRIPE_ACCOUNT.fullmatch(tidy):
        raise _refused(_field("account_id", "bad_account_id", N_("An account at Stripe begins with acct_.")))
    return StripeAccount(tidy)


def _field(name: str, code: str, message: str) -> FieldError:
    return FieldError(f"/destination/{name}", code, message)


def _refused(*errors: FieldError) -> InvalidInput:
    return InvalidInput(N_("Check where the money should go."), errors=errors)
