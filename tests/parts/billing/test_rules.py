"""The pure rules: calendars, prices, coupons, and what happens next to a subscription."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillhouse.kernel.money import Money
from tillhouse.parts.billing.domain import (
    LIVE,
    Coupon,
    CouponRefused,
    Discount,
    Dunning,
    Facts,
    Period,
    State,
    earned_share,
    next_look,
    next_step,
    period_of,
    tax_within,
    unused_share,
    window_of,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
DUNNING = Dunning(
    lead=timedelta(days=3),
    retries=[timedelta(days=day) for day in (1, 3, 7)],
    grace=timedelta(days=7),
    patience=timedelta(hours=48),
)
zones = st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Ho_Chi_Minh", "America/New_York", "Australia/Lord_Howe"])
instants = st.integers(0, 15 * 365 * 86_400).map(
    lambda after: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=after)
)


@pytest.mark.parametrize(
    ("index", "end"),
    [(0, "2026-02-28"), (1, "2026-03-31"), (2, "2026-04-30"), (12, "2027-02-28"), (24, "2028-02-29")],
)
def test_a_month_from_the_31st_ends_on_the_last_day_and_comes_back_to_the_31st(index: int, end: str) -> None:
    anchor = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert period_of(anchor, 1, index, "UTC").end.date().isoformat() == end


@given(instants, st.integers(1, 12), st.integers(0, 60), zones)
def test_periods_follow_each_other_without_gap_or_overlap(anchor: datetime, months: int, index: int, zone: str) -> None:
    one, after = period_of(anchor, months, index, zone), period_of(anchor, months, index + 1, zone)
    assert one.end == after.start
    assert one.start < one.end


@given(instants, st.sampled_from(["day", "month"]), zones)
def test_a_window_holds_its_instant_and_begins_at_midnight_of_the_zone(instant: datetime, kind: str, zone: str) -> None:
    window = window_of(instant, "day" if kind == "day" else "month", zone)
    assert window.start <= instant < window.end
    assert window.start.astimezone(ZoneInfo(zone)).hour == 0
    assert window_of(window.end, "day" if kind == "day" else "month", zone).start == window.end


def test_a_day_in_hanoi_begins_at_17_utc() -> None:
    window = window_of(datetime(2026, 3, 2, 18, tzinfo=UTC), "day", "Asia/Ho_Chi_Minh")
    assert window == Period(datetime(2026, 3, 2, 17, tzinfo=UTC), datetime(2026, 3, 3, 17, tzinfo=UTC))


@pytest.mark.parametrize(("day", "hours"), [(8, 23), (9, 24)])
def test_the_day_on_which_clocks_go_forward_has_23_hours(day: int, hours: int) -> None:
    window = window_of(datetime(2026, 3, day, 16, tzinfo=UTC), "day", "America/New_York")
    assert window.end - window.start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("total", "rate", "tax"), [(118_00, 1800, 18_00), (300_00, 1800, 45_76), (1, 1800, 0), (107, 700, 7), (500, 0, 0)]
)
def test_the_tax_within_a_price(total: int, rate: int, tax: int) -> None:
    assert tax_within(Money(total, "INR"), rate) == Money(tax, "INR")


@given(st.integers(0, 10**12), st.integers(0, 10_000_000), st.integers(1, 10_000_000))
def test_what_is_earned_and_what_is_unused_make_the_whole(total: int, after: int, length: int) -> None:
    period = Period(NOW, NOW + timedelta(seconds=length))
    at = NOW + timedelta(seconds=after)
    whole = Money(total, "INR")
    assert earned_share(whole, period, at) + unused_share(whole, period, at) == whole
    assert earned_share(whole, period, period.end) == whole
    assert not earned_share(whole, period, NOW)


def coupon(**more: object) -> Coupon:
    terms = {
        "code": "SPRING", "discount": Discount(basis_points=2500), "offers": (), "starts_at": None, "ends_at": None,
        "most": None, "redeemed": 0, "once_per_owner": True, "periods": 1, **more,
    }  # fmt: skip
    return Coupon(**terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "used", "code"),
    [
        ({"starts_at": NOW + timedelta(seconds=1)}, False, "not_yet"),
        ({"ends_at": NOW}, False, "expired"),
        ({"most": 3, "redeemed": 3}, False, "used_up"),
        ({"offers": ("shop.large",)}, False, "other_offer"),
        ({}, True, "used_before"),
    ],
)
def test_a_coupon_says_why_it_does_not_apply(changed: dict[str, object], used: bool, code: str) -> None:
    with pytest.raises(CouponRefused) as refused:
        coupon(**changed).check("shop.small", NOW, used_before=used)
    assert [error.code for error in refused.value.errors] == [code]


def test_a_discount_never_takes_more_than_the_price() -> None:
    price = Money(99, "INR")
    assert Discount(basis_points=2500).off(price) == Money(24, "INR")
    assert Discount(amount=Money(500, "INR")).off(price) == price
    with pytest.raises(CouponRefused):
        Discount(amount=Money(500, "THB")).off(price)


states = st.sampled_from(sorted(State))
facts = st.builds(
    Facts,
    state=states,
    begun_at=st.just(NOW - timedelta(days=40)),
    paid_until=st.integers(-30, 30).map(lambda days: NOW + timedelta(days=days)),
    ends_at_period_end=st.booleans(),
    asked=st.none() | st.integers(0, 6),
    charging=st.booleans(),
    lapses_at=st.none() | st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days)),
)


@given(facts)
def test_where_nothing_is_due_the_next_look_is_later_and_finds_something(known: Facts) -> None:
    if next_step(known, DUNNING, NOW) is not None:
        return
    look = next_look(known, DUNNING)
    if known.state not in LIVE:
        assert look is None
    else:
        assert look is not None
        assert look > NOW
        assert next_step(known, DUNNING, look) is not None


def test_nothing_falls_due_while_a_card_is_being_charged_for_it() -> None:
    def step(*, charging: bool) -> str | None:
        known = Facts(
            state=State.ACTIVE, begun_at=NOW, paid_until=NOW, ends_at_period_end=False, asked=1, charging=charging
        )
        return next_step(known, DUNNING, NOW + timedelta(hours=12))

    assert (step(charging=True), step(charging=False)) == (None, "fall_due")


def test_an_unpaid_period_is_asked_for_on_the_stated_days_then_goes_on_in_grace_then_ends() -> None:
    def step(state: State, asked: int, days: int) -> str | None:
        known = Facts(state=state, begun_at=NOW, paid_until=NOW, ends_at_period_end=False, asked=asked)
        return next_step(known, DUNNING, NOW + timedelta(days=days))

    assert step(State.ACTIVE, 0, -1) is None
    assert step(State.ACTIVE, 0, 0) == "ask"
    assert step(State.ACTIVE, 1, 0) == "fall_due"
    assert [step(State.PAST_DUE, 1, day) for day in (0, 1)] == [None, "ask"]
    assert [step(State.PAST_DUE, 3, day) for day in (6, 7)] == [None, "ask"]
    assert step(State.PAST_DUE, 4, 7) == "begin_grace"
    assert [step(State.GRACE, 4, day) for day in (13, 14)] == [None, "expire"]
