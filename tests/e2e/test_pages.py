"""How the pages look and weigh with three months of work in them."""

import pytest

from tests.e2e.conftest import ALL_LOOKS, Screen, look_id

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DRIVER = "ravi.kumar@demo.tillhouse.test"
PAGES = {
    "home": "/drivopay/home",
    "wallet": "/drivopay/wallet",
    "add-money": "/drivopay/add-money",
    "withdraw": "/drivopay/withdraw",
    "earnings": "/drivopay/earnings",
    "expenses": "/drivopay/expenses",
    "write-down": "/drivopay/earnings/new",
    "account": "/account",
    "messages": "/account/messages",
    "identity": "/kyc",
    "landing": "/drivopay/?about=1",
}
FIRST_SCREEN = 200_000  # bytes, on the wire


@pytest.mark.parametrize("screen", ALL_LOOKS, indirect=True, ids=look_id)
def test_every_page_of_the_demo_driver_fits_and_breaks_no_rule(screen: Screen) -> None:
    screen.sign_in_as_demo(DRIVER)
    for name, path in PAGES.items():
        screen.go(path)
        screen.find("main h1")
        screen.fits()
        screen.shoot(f"demo-{name}")
        assert screen.js("return document.documentElement.lang") == screen.language
        assert screen.complaints() == [], path


@pytest.mark.parametrize("screen", [(390, "light", "en")], indirect=True, ids=look_id)
def test_the_first_screen_is_light(screen: Screen) -> None:
    assert screen.transferred("/drivopay/") < FIRST_SCREEN
    screen.sign_in_as_demo(DRIVER)
    assert screen.transferred("/drivopay/home") < FIRST_SCREEN


@pytest.mark.parametrize("screen", [(390, "light", "en")], indirect=True, ids=look_id)
def test_the_numbers_of_the_chart_stand_in_a_table(screen: Screen) -> None:
    screen.sign_in_as_demo(DRIVER)
    screen.go("/drivopay/home")
    screen.find("#days [data-drawn] canvas")
    screen.click("#days summary")
    assert len(screen.browser.find_elements("css selector", "#days tbody tr")) == 30
