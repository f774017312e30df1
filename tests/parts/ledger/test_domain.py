"""Rules that need no database."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.domain import (
    Chart,
    check_posting,
    hold_hash,
    natural_sign,
    posting_hash,
    recorded_at_of,
)

WALLET = ledger.AccountRef("person", UUID(int=7), "wallet", "INR")
BANK = ledger.house_account("bank", "INR")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def posting(**changed: object) -> ledger.Posting:
    legs = (ledger.debit(BANK, Money(100, "INR")), ledger.credit(WALLET, Money(100, "INR")))
    given: dict[str, object] = {
        "key": "k",
        "kind": "shop.move",
        "legs": legs,
        "metadata": {"b": 2, "a": "₹"},
        **changed,
    }
    return ledger.Posting(**given)  # type: ignore[arg-type]  # a table of keyword arguments


def test_the_hash_of_an_input_never_changes_between_versions() -> None:
    # Keys are kept for ever: another canonical form would turn every replay of an old key into a refusal.
    assert posting_hash(posting()).hex() == "7eb6d414f0accc4ca6b4e54227e825c42988a63e8160f5693bebfdfb86d1875b"
    assert (
        hold_hash(WALLET, Money(5, "INR"), MOMENT, {"a": 1}).hex()
        == "1d834ec6080e21f14ad4bb027e0c33557aeb98acff5f2c4dc23b88322d191e5d"
    )


_texts = st.text(max_size=8)
_refs = st.builds(
    ledger.AccountRef,
    st.sampled_from(["person", 'a"b']),
    st.one_of(st.none(), st.uuids()),
    _texts,
    st.sampled_from(["INR", "USD"]),
)
_legs = st.lists(st.tuples(_refs, st.builds(Money, st.integers(-5, 5), st.sampled_from(["INR", "USD"]))), max_size=3)


@given(
    kind=_texts,
    legs=_legs,
    metadata=st.dictionaries(_texts, st.one_of(_texts, st.integers(), st.none()), max_size=3),
    effective_at=st.sampled_from([None, MOMENT]),
    reverses=st.sampled_from([None, 3]),
)
def test_the_text_that_is_hashed_is_the_canonical_json_of_the_input(
    kind: str,
    legs: list[ledger.Leg],
    metadata: dict[str, object],
    effective_at: datetime | None,
    reverses: int | None,
) -> None:
    instant = None if effective_at is None else effective_at.isoformat(timespec="microseconds")
    named = sorted([str(account), amount.minor] for account, amount in legs)
    canonical = ["post", kind, named, instant, metadata, reverses, None]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    wish = posting(kind=kind, legs=legs, metadata=metadata, effective_at=effective_at)
    assert posting_hash(wish, reverses=reverses) == hashlib.sha256(text.encode()).digest()


def refused(wish: ledger.Posting) -> bool:
    try:
        check_posting(wish)
    except DomainError:
        return True
    return False


@given(key=st.text(max_size=3), legs=_legs)
def test_the_short_way_to_a_sound_posting_lets_nothing_else_through(key: str, legs: list[ledger.Leg]) -> None:
    """With metadata every rule is asked one by one; without, a posting of two legs is judged at once."""
    assert refused(posting(key=key, legs=legs, metadata={})) == refused(posting(key=key, legs=legs, metadata={"a": 1}))


@given(a=_refs, b=_refs)
def test_accounts_are_equal_when_all_of_their_name_is(a: ledger.AccountRef, b: ledger.AccountRef) -> None:
    def name(ref: ledger.AccountRef) -> tuple[object, ...]:
        return ref.owner_kind, ref.owner_id, ref.code, ref.unit

    again = ledger.AccountRef(a.owner_kind, a.owner_id and UUID(bytes=a.owner_id.bytes), a.code, a.unit)
    assert (a == again, hash(a) == hash(again), a == b, a == "a") == (True, True, name(a) == name(b), False)


def test_an_instant_is_the_same_in_every_zone() -> None:
    india = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert posting_hash(posting(effective_at=MOMENT)) == posting_hash(posting(effective_at=india))


def test_what_a_posting_does_besides_is_part_of_its_input() -> None:
    hashes = {posting_hash(posting()), posting_hash(posting(), reverses=1), posting_hash(posting(), captures=1)}
    assert len(hashes) == 3


def test_the_key_is_not_part_of_its_own_input() -> None:
    assert posting_hash(posting(key="a")) == posting_hash(posting(key="b"))


def test_a_number_begins_with_its_recorded_time() -> None:
    assert recorded_at_of(0) == datetime(2024, 1, 1, tzinfo=UTC)
    assert recorded_at_of((1_000_001 << 12) | 4095) == datetime(2024, 1, 1, 0, 0, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("account_type", "sign"), [("asset", 1), ("expense", 1), ("liability", -1), ("equity", -1), ("income", -1)]
)
def test_the_natural_sign_follows_the_type(account_type: ledger.AccountType, sign: int) -> None:
    assert natural_sign(account_type) == sign


def test_an_exact_line_of_the_chart_wins_over_a_starred_one() -> None:
    starred = ledger.AccountKind(owner_kind="house", code="clearing:*", type="asset", title="Clearing")
    exact = ledger.AccountKind(owner_kind="house", code="clearing:omise", type="liability", title="Omise")
    chart = Chart([starred, exact], [])
    assert chart.account_kind(ledger.house_account("clearing:omise", "THB")) == exact
    assert chart.account_kind(ledger.house_account("clearing:stripe", "THB")) == starred
    with pytest.raises(ledger.UnknownAccount):
        chart.account_kind(ledger.house_account("clearin", "THB"))


def test_two_kinds_of_one_name_are_a_mistake() -> None:
    one = ledger.TransactionKind(name="shop.move", title="Moved", legs=("house/*",))
    assert Chart([], [one, one]).transaction_kind("shop.move") == one
    with pytest.raises(ValueError, match=r"shop\.move"):
        Chart([], [one, ledger.TransactionKind(name="shop.move", title="Moved", legs=("person/*",))])
