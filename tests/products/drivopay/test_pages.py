import csv
import io
import re

import httpx
import pytest

from tests.products.drivopay.conftest import Depot, Driver

SIGNED_IN = [
    "/drivopay/home",
    "/drivopay/wallet",
    "/drivopay/add-money",
    "/drivopay/withdraw",
    "/drivopay/earnings",
    "/drivopay/earnings/new",
    "/drivopay/expenses",
    "/drivopay/expenses/new",
]


async def test_anyone_reads_the_landing_page_which_says_that_it_is_a_trial(client: httpx.AsyncClient) -> None:
    response = await client.get("/drivopay/", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert "Know what the road really pays." in response.text
    assert "This is a trial installation" in response.text
    assert "style=" not in response.text


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVOPAY_WALLET_PARTNER", "Example Payments Bank")


@pytest.mark.usefixtures("partner")
async def test_the_landing_page_names_the_partner_that_keeps_the_wallets(client: httpx.AsyncClient) -> None:
    page = (await client.get("/drivopay/")).text
    assert "kept with Example Payments Bank" in page
    assert "trial installation" not in page


@pytest.mark.parametrize("path", SIGNED_IN)
async def test_nobody_is_led_to_the_sign_in_page_and_back(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == f"/sign-in?next={path.replace('/', '%2F')}"


async def test_a_signed_in_driver_is_led_home_from_the_landing_page(driver: Driver) -> None:
    assert (await driver.browser.get("/drivopay/")).headers["location"] == "/drivopay/home"


@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize("path", ["/drivopay/?about=1", *SIGNED_IN])
async def test_every_page_is_whole_in_both_languages(driver: Driver, path: str, language: str) -> None:
    driver.browser.cookies.set("language", language)
    page = await driver.page(path)
    assert f'<html lang="{language}"' in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "style=" not in page


async def test_a_new_driver_is_told_what_to_do_next(driver: Driver) -> None:
    home = await driver.page("/drivopay/home")
    assert "Nothing written down yet" in home
    assert "Your wallet is empty" in home
    assert "There is nothing to withdraw yet" in await driver.page("/drivopay/withdraw")
    assert "No movements yet" in await driver.page("/drivopay/wallet")


async def test_a_day_written_down_shows_what_is_left_of_it(driver: Driver) -> None:
    earned = {"platform": "uber", "gross": "1,450", "commission": "319", "tip": "20", "trips": "10", "hours": "8"}
    assert (await driver.send("/drivopay/earnings/new", **earned, distance_km="62.5")).status_code == 303
    assert (await driver.send("/drivopay/expenses/new", category="fuel", amount="520")).status_code == 303
    home = await driver.page("/drivopay/home")
    assert "₹631.00" in home  # 1,450 − 319 + 20 − 520
    assert "10 trips · 8:00 h" in home
    assert "₹78.88" in home  # per hour, rounded from 78.875
    assert "₹10.10" in home  # per kilometre, rounded from 10.096


async def test_a_refused_form_keeps_what_was_typed_and_writes_nothing(driver: Driver) -> None:
    answer = await driver.send("/drivopay/earnings/new", platform="ola", gross="100", commission="150")
    assert answer.status_code == 422
    assert "The commission is more than everything that was paid." in answer.text
    assert 'value="150"' in answer.text
    tomorrow = await driver.send("/drivopay/expenses/new", category="toll", amount="40", business_date="2026-11-19")
    assert "This day has not come yet." in tomorrow.text
    assert "No earnings yet" in await driver.page("/drivopay/earnings")
    assert "No expenses yet" in await driver.page("/drivopay/expenses")


async def test_only_its_owner_removes_an_entry(driver: Driver, depot: Depot) -> None:
    await driver.send("/drivopay/expenses/new", category="toll", amount="40")
    path = re.search(r'action="(/drivopay/expenses/[^"]+/remove)"', await driver.page("/drivopay/expenses"))
    assert path
    async with depot.driver("other@example.com") as other:
        assert (await other.send(path[1], on="/drivopay/expenses/new")).status_code == 404
    assert "₹40.00" in await driver.page("/drivopay/expenses")
    assert (await driver.send(path[1], on="/drivopay/expenses")).status_code == 303
    assert "No expenses yet" in await driver.page("/drivopay/expenses")


@pytest.mark.parametrize(
    "path", ["/drivopay/earnings/new", "/drivopay/expenses/new", "/drivopay/add-money", "/drivopay/withdraw"]
)
async def test_a_form_that_is_not_ours_changes_nothing(driver: Driver, path: str) -> None:
    answer = await driver.browser.post(path, data={"amount": "100", "gross": "100", "category": "fuel"})
    assert answer.status_code == 403


async def test_movements_are_filtered_and_read_page_by_page(driver: Driver, depot: Depot) -> None:
    for number in range(25):
        await depot.give(driver.id, f"{100 + number}.00")
    first = await driver.page("/drivopay/wallet")
    assert first.count('class="dp-move"') == 20
    following = re.search(r'href="(\?[^"]*cursor=[^"]+)"', first)
    assert following
    rest = await driver.page("/drivopay/wallet" + following[1].replace("&amp;", "&"))
    assert rest.count('class="dp-move"') == 5
    assert "₹100.00" in rest
    assert "Nothing fits this filter" in await driver.page("/drivopay/wallet?direction=out")
    assert "Nothing fits this filter" in await driver.page("/drivopay/wallet?last=2026-11-17")
    assert 'class="dp-move"' in await driver.page("/drivopay/wallet?first=2026-11-18&last=2026-11-18&direction=in")
    assert (await driver.browser.get("/drivopay/wallet?cursor=nonsense")).status_code == 422
    assert (await driver.browser.get("/drivopay/wallet?first=soon")).status_code == 422
    link = re.search(r'href="(/drivopay/wallet\.csv[^"]*)"', await driver.page("/drivopay/wallet?direction=in"))
    assert link
    file = await driver.browser.get(link[1])
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert (len(rows), rows[-1]["amount"], rows[-1]["direction"]) == (25, "100.00", "in")
    assert rows[-1]["effective_at"].endswith("+05:30"), "the driver's own clock"
    empty = await driver.browser.get("/drivopay/wallet.csv?direction=out")
    assert empty.text.count("\n") == 1
    assert (await driver.browser.get("/drivopay/wallet.csv?first=soon")).status_code == 422
