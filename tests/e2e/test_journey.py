"""From the landing page to money paid out, as a driver does it."""

from uuid import uuid4

import pytest
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.conftest import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HOME = "/drivopay/home"


def pay_in_checkout(screen: Screen, *, vpa: str = "success@razorpay") -> None:
    """Pay in the gateway's overlay, with a UPI id that decides how it ends."""
    frame = screen.find("dialog.razorpay-sandbox iframe")
    screen.browser.switch_to.frame(frame)
    screen.type("#vpa", vpa)
    screen.click('button[name="outcome"][value="success"]')
    screen.browser.switch_to.default_content()


def leave_checkout(screen: Screen) -> None:
    """Go away from the gateway's overlay without paying."""
    screen.browser.switch_to.frame(screen.find("dialog.razorpay-sandbox iframe"))
    screen.click('a[href*="/_sandbox/razorpay/left/"]')
    screen.browser.switch_to.default_content()
    screen.gone("dialog.razorpay-sandbox")


def add_money(screen: Screen, amount: str) -> None:
    """To the page on which the payment is asked for."""
    screen.go("/drivopay/add-money")
    screen.type("#amount", amount)
    screen.click("main form button[type=submit]")
    screen.arrives("/drivopay/add-money/")


def test_from_the_landing_page_to_money_paid_out(screen: Screen) -> None:
    screen.go("/drivopay/")
    screen.fits()
    screen.shoot("1-landing")
    screen.click('.dp-actions a[href^="/register"]')
    screen.register(HOME)
    screen.fits()
    screen.shoot("2-home-empty")

    screen.click('main a[href="/drivopay/add-money"]')
    screen.click('.chip[data-value="500"]')
    screen.fits()
    screen.shoot("3-add-money")
    screen.click("main form button[type=submit]")
    screen.find("dialog.razorpay-sandbox iframe")
    screen.shoot("4-checkout")
    pay_in_checkout(screen)
    screen.find('.dp-outcome-mark[data-tone="success"]')
    screen.fits()
    screen.shoot("5-money-added")

    screen.go(HOME)
    screen.reads(".dp-wallet .stat-value", "500.00")

    screen.click('main a[href="/drivopay/withdraw"]')
    screen.type("#amount", "200")
    screen.type("#vpa", f"driver.{uuid4().hex[:8]}@okhdfc")  # an account of many persons would be looked at first
    screen.fits()
    screen.shoot("6-withdraw")
    screen.click("main form button[type=submit]")
    screen.arrives("/drivopay/withdraw/")
    screen.find('.dp-outcome-mark[data-tone="success"]')
    screen.fits()
    screen.shoot("7-paid-out")

    screen.go("/drivopay/wallet")
    screen.reads(".dp-three", "300.00")
    assert len(screen.browser.find_elements("css selector", ".dp-move")) == 2
    screen.fits()
    screen.shoot("8-movements")
    assert screen.complaints() == []

    screen.go("/account")
    screen.shoot("9-account")
    screen.click('form[action="/account/sessions/sign-out"] button')
    screen.gone('form[action="/account/sessions/sign-out"]')
    screen.go(HOME)
    screen.arrives("/sign-in")


PHONE = [(390, "light", "en")]


@pytest.mark.parametrize("screen", PHONE, indirect=True)
def test_each_way_a_payment_can_end_says_what_happened_to_the_money(screen: Screen) -> None:
    screen.go("/register?next=/drivopay/home")
    screen.register(HOME)

    add_money(screen, "150")
    leave_checkout(screen)
    screen.arrives("/drivopay/add-money/")
    screen.reads("#payment", "No money has moved.")
    screen.shoot("add-money-left")

    screen.click("form[data-checkout] button")
    pay_in_checkout(screen, vpa="failure@razorpay")
    leave_checkout(screen)
    screen.reads("#payment", "Nothing was added.")
    screen.shoot("add-money-declined")

    add_money(screen, "300")
    screen.browser.switch_to.frame(screen.find("dialog.razorpay-sandbox iframe"))
    screen.click('button[name="outcome"][value="late_success"]')
    screen.browser.switch_to.default_content()
    leave_checkout(screen)
    screen.reads("#payment", "₹300.00")
    screen.shoot("add-money-slow-bank")
    screen.find('.dp-outcome-mark[data-tone="success"]')
    screen.go(HOME)
    screen.reads(".dp-wallet .stat-value", "300.00")
    assert screen.complaints() == []


@pytest.mark.parametrize("screen", PHONE, indirect=True)
def test_a_withdrawal_that_the_bank_refuses_gives_the_money_back(screen: Screen) -> None:
    screen.go("/register?next=/drivopay/add-money")
    screen.register("/drivopay/add-money")
    add_money(screen, "400")
    pay_in_checkout(screen)
    screen.find('.dp-outcome-mark[data-tone="success"]')
    screen.go("/drivopay/withdraw")
    screen.type("#amount", "400")
    screen.type("#vpa", "failure@razorpay")
    screen.click("main form button[type=submit]")
    screen.find('main a[href="/drivopay/withdraw"]')
    screen.reads("#payout", "in your wallet")
    screen.shoot("withdrawal-refused")
    screen.go(HOME)
    screen.reads(".dp-wallet .stat-value", "400.00")


def test_an_account_that_was_used_before_is_chosen_without_typing_it(screen: Screen) -> None:
    screen.go("/register?next=/drivopay/add-money")
    screen.register("/drivopay/add-money")
    add_money(screen, "900")
    pay_in_checkout(screen)
    screen.find('.dp-outcome-mark[data-tone="success"]')
    for amount, account in (("100", "success@razorpay"), ("50", "failure@razorpay")):
        screen.go("/drivopay/withdraw")
        screen.click('input[name="kind"][value="vpa"]')
        screen.type("#vpa", account)
        screen.type("#amount", amount)
        screen.click("main form button[type=submit]")
        screen.arrives("/drivopay/withdraw/")
    screen.go("/drivopay/withdraw")
    assert not screen.find("#vpa").is_displayed()
    screen.reads(".dp-payee-fields", "su…@razorpay")
    screen.fits()
    screen.shoot("withdraw-to-a-saved-account")
    screen.type("#amount", "5000")
    screen.click("main form button[type=submit]")
    screen.find('[aria-invalid="true"]')
    screen.shoot("withdraw-more-than-there-is")
    screen.type("#amount", "100")
    screen.click('input[name="payee"]:not(:checked)')
    screen.click("main form button[type=submit]")
    screen.arrives("/drivopay/withdraw/")


@pytest.mark.parametrize("screen", PHONE, indirect=True)
def test_a_bank_account_is_asked_for_only_when_it_is_chosen(screen: Screen) -> None:
    screen.sign_in_as_demo("ravi.kumar@demo.tillhouse.test")
    screen.go("/drivopay/withdraw")
    assert screen.find("#vpa").is_displayed()
    assert not screen.find("#ifsc").is_displayed()
    screen.click('input[name="kind"][value="bank_account"]')
    WebDriverWait(screen.browser, 10).until(expected.visibility_of(screen.find("#ifsc")))
    assert not screen.find("#vpa").is_displayed()
    screen.fits()
    screen.shoot("withdraw-to-a-bank")


@pytest.mark.parametrize("screen", PHONE, indirect=True)
def test_a_day_is_written_down_and_an_entry_removed(screen: Screen) -> None:
    screen.go("/register?next=/drivopay/earnings/new")
    screen.register("/drivopay/earnings/new")
    screen.click('#platform option[value="uber"]')
    screen.type("#gross", "1,450")
    screen.type("#hours", "8")
    screen.click("main form button[type=submit]")
    screen.arrives(HOME)
    screen.reads("#toasts", "Written down")
    screen.reads(".dp-two", "1,450.00")
    screen.fits()
    screen.shoot("home-first-day")
    screen.go("/drivopay/earnings")
    screen.click(".dp-entry summary")
    screen.click(".dp-entry .menu-item")
    screen.reads("main", "No earnings yet")
    assert screen.complaints() == []
