"""The staff console in a real browser: its frame, the ledger explorer and payments, on a phone and on a desk."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.conftest import Screen, look_id

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

STAFF = "meera.iyer@demo.tillhouse.test"
LOOKS = [(390, "light", "en"), (390, "dark", "he"), (1280, "dark", "en"), (1280, "light", "he")]
looks = pytest.mark.parametrize("screen", LOOKS, indirect=True, ids=look_id)


def come_in(screen: Screen) -> None:
    """Into the console as staff: one click in development shows the second factor too."""
    screen.sign_in_as_demo(STAFF)
    screen.go("/console/")
    screen.find(".console-cards")


@looks
def test_the_explorer_fits_and_breaks_no_rule(screen: Screen) -> None:
    come_in(screen)
    screen.go("/console/ledger/accounts?code=wallet")
    account = screen.find("#accounts tbody a").get_attribute("href") or ""
    screen.go("/console/ledger/transactions")
    transaction = screen.find("#transactions tbody a").get_attribute("href") or ""
    pages = {
        "overview": "/console/",
        "accounts": "/console/ledger/accounts",
        "account": account.removeprefix(screen.town.web),
        "transactions": "/console/ledger/transactions",
        "transaction": transaction.removeprefix(screen.town.web),
        "holds": "/console/ledger/holds",
        "lots": "/console/ledger/lots",
        "trial-balance": "/console/ledger/reports/trial-balance",
        "balance-sheet": "/console/ledger/reports/balance-sheet",
        "income-statement": "/console/ledger/reports/income-statement",
        "periods": "/console/ledger/periods",
        "checks": "/console/ledger/checks",
        "audit": "/console/identity/audit",
        "models": "/console/ai/usage",
        "search-index": "/console/ai/search",
    }
    for name, path in pages.items():
        screen.go(path)
        screen.find("main h1")
        screen.fits()
        screen.shoot(f"console-{name}")
        assert screen.js("return document.documentElement.dir") == ("rtl" if screen.language == "he" else "ltr")
        assert screen.complaints() == [], path


@pytest.mark.parametrize("screen", [(390, "light", "en"), (1280, "dark", "en")], indirect=True, ids=look_id)
def test_transactions_are_looked_for_by_what_their_metadata_says(screen: Screen) -> None:
    come_in(screen)
    screen.go("/console/ledger/transactions?metadata=order")
    screen.find("#transactions [aria-invalid=true][name=metadata]")
    screen.shoot("console-transactions-unread")
    screen.go("/console/ledger/transactions?metadata=order:+A-1042")
    assert screen.find("#transactions input[name=metadata]").get_attribute("value") == "order: A-1042"
    screen.reads("#transactions", "No transaction fits this filter")
    screen.fits()
    screen.shoot("console-transactions-by-metadata")
    assert [line for line in screen.complaints() if "422" not in line] == []


@pytest.mark.parametrize("screen", [(1280, "light", "en")], indirect=True, ids=look_id)
def test_a_filter_changes_the_list_and_the_address_without_loading_the_page(screen: Screen) -> None:
    come_in(screen)
    screen.go("/console/ledger/accounts")
    screen.js("window.stayed = true")
    screen.click("#accounts summary")
    screen.type("#code", "wallet")
    screen.find("#code").send_keys(Keys.ENTER)
    screen.gone('#accounts a[href*="/house/"]')
    assert screen.js("return window.stayed") is True
    assert "code=wallet" in screen.where
    screen.click("#accounts tbody a")
    screen.find("#curve [data-drawn] canvas")


@pytest.mark.parametrize("screen", [(390, "light", "en")], indirect=True, ids=look_id)
def test_on_a_phone_the_menu_leads_everywhere_by_keyboard_too(screen: Screen) -> None:
    come_in(screen)
    screen.find('[data-dialog="console-menu"]').send_keys(Keys.ENTER)
    screen.find("#console-menu[open]")
    screen.shoot("console-menu")
    screen.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    screen.gone("#console-menu[open]")
    screen.click('[data-dialog="console-menu"]')
    screen.click('#console-menu a[href="/console/ledger/checks"]')
    screen.arrives("/console/ledger/checks")
    screen.click('form[action="/console/ledger/checks"] button')
    screen.reads("#checks", "just now")


@looks
def test_the_pages_of_payments_and_messages_fit_and_break_no_rule(screen: Screen) -> None:
    come_in(screen)
    pages = {"payments": "/console/payments", "reconciliation": "/console/payments/reconciliation"}
    for name in ("orders", "payouts", "refunds", "disputes", "exceptions", "transfers", "events"):
        screen.go(f"/console/payments/{name}")
        first = screen.find(f"#{name} tbody a").get_attribute("href") or ""
        pages[name] = f"/console/payments/{name}"
        pages[f"{name}-one"] = first.removeprefix(screen.town.web)
    pages |= {"sent": "/console/channels/messages", "opt-outs": "/console/channels/opt-outs"}
    pages["report-lines"] = "/console/payments/reconciliation/lines"
    pages["ageing"] = "/console/payments/reconciliation/ageing"
    for name, path in pages.items():
        screen.go(path)
        screen.find("main h1")
        screen.fits()
        screen.shoot(f"console-{name}")
        assert screen.complaints() == [], path


@pytest.mark.parametrize("screen", [(1280, "light", "en")], indirect=True, ids=look_id)
def test_a_payout_is_approved_after_its_effect_was_shown(screen: Screen) -> None:
    come_in(screen)
    screen.click('a.console-card[href*="payouts"]')
    screen.arrives("/console/payments/payouts")
    screen.click("#payouts tbody a")
    screen.type("#approve-note", "called back on the known number")
    screen.js("document.querySelector('#approve-reason').value = 'spoke_to_person'")
    screen.click('form[action$="/approve"] button[type=submit]')
    screen.reads("main h1", "Approve the payout of")
    screen.shoot("console-confirm")
    screen.click('form[action$="/approve"] button[type=submit]')
    screen.reads(".timeline", "called back on the known number")
    assert screen.complaints() == []


@looks
def test_a_payout_that_nobody_knows_the_end_of_is_ended_by_two_people_who_are_asked_once_more(screen: Screen) -> None:
    come_in(screen)
    screen.go("/console/payments/exceptions?reason=unknown_to_provider")
    screen.click("#exceptions tbody a")
    exception = screen.find('form[action$="/propose-end"]').get_attribute("action") or ""
    here = exception.removeprefix(screen.town.web).removesuffix("/propose-end")
    screen.js("document.querySelector('#end-outcome').value = 'happened'")
    screen.type("#end-explanation", "RazorpayX wrote that there is none.")
    screen.click('form[action$="/propose-end"] button[type=submit]')
    screen.find('#end-provider_id[aria-invalid="true"]')  # where it did happen, its id is needed
    screen.fits()
    screen.shoot("console-ending")
    screen.js("document.querySelector('#end-outcome').value = 'never_happened'")
    screen.click('form[action$="/propose-end"] button[type=submit]')
    screen.find(f'form[action="{here}/reject"]')
    screen.fits()
    screen.shoot("console-ending-proposed")
    payout = screen.find('a.link[href*="/payouts/"]').get_attribute("href") or ""
    screen.go(payout.removeprefix(screen.town.web))
    screen.find(f'a[href="{here}"]')
    screen.fits()
    screen.shoot("console-payout-unknown")
    screen.set_up()
    screen.sign_in_as_demo("arjun.nair@demo.tillhouse.test")
    screen.go(here)
    screen.click(f'form[action="{here}/approve"] button[type=submit]')
    screen.find('input[name="confirmed"]')
    screen.fits()
    screen.shoot("console-ending-confirm")
    screen.go(here)
    screen.click(f'form[action="{here}/reject"] button[type=submit]')
    screen.find('form[action$="/propose-end"]')
    assert screen.complaints() == []
