from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.products.drivopay.conftest import Depot, Driver
from tillhouse.products.drivopay import store
from tillhouse.products.drivopay.models import DriverRow

TRIP = {"platform": "uber", "gross": "1450.00", "commission": "319", "tip": "20", "trips": 10, "minutes": 480}


async def add(driver: Driver, **changes: object) -> dict[str, Any]:
    answer = await driver.api.post("/api/v1/earnings", json={**TRIP, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def move_to(depot: Depot, person: UUID, zone: str) -> None:
    async with depot.house.database.transaction() as session:
        row: DriverRow = await store.ensure_driver(session, person)
        row.zone = zone


async def test_an_earning_is_written_read_changed_and_removed(driver: Driver) -> None:
    made = await add(driver, distance_km="62.5")
    assert made["net"] == "1151.00"
    assert made["business_date"] == "2026-11-18"
    path = f"/api/v1/earnings/{made['id']}"
    assert (await driver.api.get(path)).json() == made
    changed = (await driver.api.put(path, json={**TRIP, "tip": "50"})).json()
    assert (changed["net"], changed["business_date"]) == ("1181.00", "2026-11-18")
    assert (await driver.api.delete(path)).status_code == 204
    assert (await driver.api.get(path)).status_code == 404


async def test_an_expense_is_written_read_changed_and_removed(driver: Driver) -> None:
    made = (await driver.api.post("/api/v1/expenses", json={"category": "fuel", "amount": "520"})).json()
    path = f"/api/v1/expenses/{made['id']}"
    assert (await driver.api.get(path)).json()["amount"] == "520.00"
    assert (await driver.api.put(path, json={"category": "toll", "amount": "40"})).json()["category"] == "toll"
    assert (await driver.api.delete(path)).status_code == 204
    assert (await driver.api.get("/api/v1/expenses")).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("started_at", "zone", "day"),
    [
        ("2026-11-17T18:10:00Z", "Asia/Kolkata", "2026-11-17"),  # 23:40, ends after midnight
        ("2026-11-17T18:30:00Z", "Asia/Kolkata", "2026-11-18"),  # 00:00
        ("2026-11-17T13:10:00-05:00", "Asia/Kolkata", "2026-11-17"),  # the same trip, told from New York
        ("2026-11-17T18:10:00Z", "Asia/Tokyo", "2026-11-18"),
    ],
)
async def test_a_trip_counts_on_the_day_it_began_by_the_drivers_clock(
    driver: Driver, depot: Depot, started_at: str, zone: str, day: str
) -> None:
    await move_to(depot, driver.id, zone)
    assert (await add(driver, started_at=started_at))["business_date"] == day


async def test_a_day_that_was_written_stays_when_the_driver_moves(driver: Driver, depot: Depot) -> None:
    trip = await add(driver, started_at="2026-11-17T18:10:00Z")
    await move_to(depot, driver.id, "Asia/Tokyo")
    path = f"/api/v1/earnings/{trip['id']}"
    assert (await driver.api.get(path)).json()["business_date"] == "2026-11-17"
    same = {**TRIP, "started_at": "2026-11-17T18:10:00Z", "note": "late"}
    assert (await driver.api.put(path, json=same)).json()["business_date"] == "2026-11-17"


async def test_the_same_trip_of_a_platform_is_written_once(driver: Driver, depot: Depot) -> None:
    await add(driver, external_ref="trip-1")
    again = await driver.api.post("/api/v1/earnings", json={**TRIP, "external_ref": "trip-1"})
    assert (again.status_code, again.json()["code"]) == (409, "already_written_down")
    other = await add(driver, external_ref="trip-1", platform="ola")
    clash = await driver.api.put(f"/api/v1/earnings/{other['id']}", json={**TRIP, "external_ref": "trip-1"})
    assert clash.status_code == 409
    async with depot.driver("other@example.com") as someone:
        await add(someone, external_ref="trip-1")
    assert len((await driver.api.get("/api/v1/earnings")).json()["items"]) == 2


@pytest.mark.parametrize("kind", ["earnings", "expenses"])
async def test_what_is_someone_elses_is_not_found_and_stays(driver: Driver, depot: Depot, kind: str) -> None:
    body = TRIP if kind == "earnings" else {"category": "fuel", "amount": "520"}
    made = (await driver.api.post(f"/api/v1/{kind}", json=body)).json()
    path = f"/api/v1/{kind}/{made['id']}"
    async with depot.driver("other@example.com") as other:
        assert (await other.api.get(path)).status_code == 404
        assert (await other.api.put(path, json=body)).status_code == 404
        assert (await other.api.delete(path)).status_code == 404
        assert (await other.api.get(f"/api/v1/{kind}")).json()["items"] == []
        assert (await other.api.get(f"/api/v1/{kind}/stats")).json()["spent"] == "0.00"
    assert (await driver.api.get(path)).json() == made


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"gross": "abc"}, "/gross"),
        ({"gross": "-1"}, "/gross"),
        ({"gross": "1.001"}, "/gross"),
        ({"gross": "100000000000"}, "/gross"),
        ({"commission": "1471"}, "/commission"),
        ({"business_date": "2026-11-19"}, "/business_date"),
        ({"business_date": "2026-11-16", "started_at": "2026-11-17T18:10:00Z"}, "/business_date"),
        ({"platform": "lyft"}, "/platform"),
        ({"started_at": "0001-01-01T00:00:00Z"}, "/started_at"),
        ({"started_at": "2026-11-17T18:10:00"}, "/started_at"),
        ({"distance_km": "1e3"}, "/distance_km"),
        ({"unknown": 1}, "/unknown"),
    ],
)
async def test_a_wrong_earning_is_refused_at_its_field_and_not_written(
    driver: Driver, body: dict[str, object], pointer: str
) -> None:
    answer = await driver.api.post("/api/v1/earnings", json={**TRIP, **body})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await driver.api.get("/api/v1/earnings")).json()["items"] == []


async def test_a_list_is_read_page_by_page_newest_day_first(driver: Driver) -> None:
    for day in (3, 1, 2):
        await add(driver, business_date=f"2026-11-0{day}")
    first = (await driver.api.get("/api/v1/earnings?limit=2")).json()
    rest = (await driver.api.get(f"/api/v1/earnings?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["business_date"][-1] for one in (*first["items"], *rest["items"])] == ["3", "2", "1"]
    assert rest["next_cursor"] is None
    inside = (await driver.api.get("/api/v1/earnings?from=2026-11-02&to=2026-11-02")).json()["items"]
    assert [one["business_date"] for one in inside] == ["2026-11-02"]
    assert (await driver.api.get("/api/v1/earnings?from=2026-11-03&to=2026-11-02")).status_code == 422
    assert (await driver.api.get("/api/v1/earnings?cursor=WyJhIiwiYiJd")).status_code == 422


async def test_sums_are_of_the_period_and_shares_are_the_largest_first(driver: Driver) -> None:
    await add(driver)
    await add(driver, platform="rapido", gross="600", commission="0", tip="0", trips=4, minutes=120, paid_in="cash")
    await add(driver, business_date="2026-10-01")
    for category, amount in (("toll", "40"), ("fuel", "520"), ("fuel", "60")):
        await driver.api.post("/api/v1/expenses", json={"category": category, "amount": amount})
    stats = (await driver.api.get("/api/v1/earnings/stats")).json()
    assert (stats["first"], stats["last"], stats["days"]) == ("2026-10-20", "2026-11-18", 1)
    assert (stats["earned"], stats["cash"], stats["spent"], stats["net"]) == ("1751.00", "600.00", "620.00", "1131.00")
    assert stats["net_per_hour"] == "113.10"
    assert stats["net_per_km"] is None
    by_source = (await driver.api.get("/api/v1/earnings/by-source")).json()["items"]
    assert by_source == [
        {"name": "uber", "amount": "1151.00", "count": 10},
        {"name": "rapido", "amount": "600.00", "count": 4},
    ]
    by_category = (await driver.api.get("/api/v1/expenses/by-category")).json()["items"]
    assert [(one["name"], one["amount"], one["count"]) for one in by_category] == [
        ("fuel", "580.00", 2),
        ("toll", "40.00", 1),
    ]
    assert (await driver.api.get("/api/v1/expenses/stats")).json()["count"] == 3


async def test_a_cookie_opens_no_endpoint(driver: Driver) -> None:
    assert (await driver.browser.get("/api/v1/earnings")).status_code == 401
    assert (await driver.browser.post("/api/v1/earnings", json=TRIP)).status_code == 401


async def test_this_week_is_compared_with_the_same_days_of_the_last(driver: Driver, depot: Depot) -> None:
    for day, gross in (("2026-11-09", "1000"), ("2026-11-12", "9000"), ("2026-11-16", "1500")):
        await add(driver, business_date=day, gross=gross, commission="0", tip="0")
    home = await driver.page("/drivopay/home")
    assert "+50% on the same days of last week" in home  # Thursday the 12th has no match yet
    depot.at.at = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # Thursday in India
    assert "−85% on the same days of last week" in await driver.page("/drivopay/home")


async def test_whoever_leaves_takes_their_notebook_along_and_nobody_elses(driver: Driver, depot: Depot) -> None:
    await add(driver)
    await driver.api.post("/api/v1/expenses", json={"category": "fuel", "amount": "520"})
    async with depot.driver("other@example.com") as other:
        await add(other)
        assert (await driver.api.delete("/api/v1/users/me")).status_code == 204
        assert len((await other.api.get("/api/v1/earnings")).json()["items"]) == 1
    async with depot.house.database.reading() as session:
        assert await store.driver(session, driver.id) is None
        assert await store.earnings(session, driver.id, limit=5) == []
        assert await store.expenses(session, driver.id, limit=5) == []
