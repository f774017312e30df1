"""What kyc asks of others. Several checks of one kind of number may be provided: all are made, and all are shown."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tillhouse.kernel.house import House
from tillhouse.parts.kyc.domain import Details, Finding, IdKind, Owner


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is checked."""

    owner: Owner
    details: Details


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """Checks numbers of one kind (PAN, Thai ID, GSTIN). No transaction is open: it may ask over the network.

    Raises `TransientError` to be asked again later.
    """

    id_kind: IdKind
    check: Callable[[House, Subject], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class BankAccountCheck:
    """Checks whether a bank account of the subject is theirs. Under the same rules as `NumberCheck`."""

    check: Callable[[House, Subject], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class PaperReader:
    """Draws every page of a paper anew as a picture, whatever it came as: nothing that could run is kept, nor where a
    picture was taken. Slow: for a thread. Raises `InvalidInput` for what it cannot read.
    """

    read: Callable[[bytes], Sequence[bytes]]
