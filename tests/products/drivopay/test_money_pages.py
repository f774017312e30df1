import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from tests.parts.documents.reading import text_of
from tests.products.drivopay.conftest import Depot, Driver
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.settings import PayoutGuards

UPI = {"kind": "vpa", "vpa": "success@razorpay"}


async def start(driver: Driver, amount: str = "500") -> str:
    """Choose an amount; the page on which it is paid."""
    answer = await driver.send("/drivopay/add-money", amount=amount)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removesuffix("?open=1")


def gateway_order(page: str) -> str:
    found = re.search(r'name="order_id" value="(order_\w+)"', page)
    assert found
    return found[1]


async def pay(driver: Driver, path: str, outcome: str = "success") -> dict[str, str]:
    """What the gateway's checkout hands to the browser."""
    order = gateway_order(await driver.page(path))
    fields: dict[str, str] = await driver.depot.outside(
        "POST", f"/_sandbox/razorpay/orders/{order}/pay", {"outcome": outcome}
    )
    return fields


async def come_back(depot: Depot, path: str, fields: dict[str, str]) -> httpx.Response:
    """The gateway's own page posts back to ours: from another site, so without our cookie."""
    transport = httpx.ASGITransport(depot.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as browser:
        return await browser.post(f"{path}/paid", data=fields, headers={"Sec-Fetch-Site": "cross-site"})


async def withdraw(driver: Driver, amount: str, **where: str) -> str:
    answer = await driver.send("/drivopay/withdraw", amount=amount, **{**UPI, **where})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_movement_leads_to_what_it_came_from(driver: Driver, depot: Depot) -> None:
    paid = await start(driver, "500")
    await come_back(depot, paid, await pay(driver, paid))
    withdrawn = await withdraw(driver, "200")
    await depot.give(driver.id, "10.00")  # from no page of this driver's
    await depot.quiet()
    for page in ("/drivopay/wallet", "/drivopay/home"):
        moves = re.findall(r'<li class="dp-move".*?</li>', await driver.page(page), re.DOTALL)
        leading = [re.findall(r'href="([^"]+)"', move) for move in moves]
        assert sorted(leading) == sorted([[withdrawn], [], [paid]])


# --- adding money ---


async def test_money_that_is_paid_is_in_the_wallet_with_a_receipt(driver: Driver, depot: Depot) -> None:
    path = await start(driver, "1,500")
    answer = await come_back(depot, path, await pay(driver, path))
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = await driver.page(path)
    assert "Money added" in page
    assert "₹1,500.00" in page
    assert re.search(r"pay_\w{14}", page)
    assert await driver.available() == "1500.00"
    await depot.quiet()  # the same news by webhook
    assert await driver.available() == "1500.00"


async def test_the_page_to_pay_leads_to_the_gateway_with_and_without_a_script(driver: Driver) -> None:
    path = await start(driver)
    page = await driver.page(path + "?open=1")
    assert 'action="http://sandbox/razorpay/v1/checkout/embedded"' in page
    assert 'data-script="http://sandbox/razorpay/v1/checkout.js"' in page
    assert 'name="description" value="Add money"' in page
    assert f'name="callback_url" value="http://testserver{path}/paid"' in page
    assert "data-open" in page
    assert "data-open" not in await driver.page(path)


async def test_sending_the_form_twice_makes_one_order(driver: Driver) -> None:
    page = await driver.page("/drivopay/add-money")
    fields = dict(re.findall(r'name="(csrf_token|request_key)" value="([^"]+)"', page))
    answers = [await driver.browser.post("/drivopay/add-money", data={**fields, "amount": "300"}) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.50", "less than the smallest amount"),
        ("200000", "more than the largest amount"),
        ("ten", "Write the amount in digits"),
        ("1.005", "fewer digits after the point"),
        ("-5", "less than the smallest amount"),
        ("", "Fill this in."),
    ],
)
async def test_an_amount_that_cannot_be_added_is_refused_in_words(driver: Driver, typed: str, said: str) -> None:
    answer = await driver.send("/drivopay/add-money", amount=typed)
    assert answer.status_code == 422
    assert said in answer.text


async def test_leaving_without_paying_says_that_no_money_moved(driver: Driver) -> None:
    path = await start(driver)
    assert "You left without paying. No money has moved." in await driver.page(path + "?left=1")
    assert await driver.available() == "0.00"


async def test_a_declined_payment_says_so_and_can_be_tried_again(driver: Driver, depot: Depot) -> None:
    path = await start(driver)
    fields = await pay(driver, path, "failure")
    answer = await come_back(depot, path, {"error[code]": str(fields)[:20]})
    assert answer.headers["location"] == f"{path}?declined=1"
    assert "The payment was declined" in await driver.page(answer.headers["location"])
    await depot.quiet()
    page = await driver.page(path)
    assert "The payment did not go through" in page
    assert await driver.available() == "0.00"
    await come_back(depot, path, await pay(driver, path))
    assert await driver.available() == "500.00"


async def test_a_forged_answer_of_the_gateway_is_refused_and_adds_nothing(driver: Driver, depot: Depot) -> None:
    path = await start(driver)
    fields = await pay(driver, path, "failure")
    forged = {
        "razorpay_order_id": gateway_order(await driver.page(path)),
        "razorpay_payment_id": fields.get("razorpay_payment_id", "pay_AAAAAAAAAAAAAA"),
        "razorpay_signature": "0" * 64,
    }
    assert (await come_back(depot, path, forged)).status_code == 403
    assert await driver.available() == "0.00"


async def test_while_the_gateway_is_silent_the_page_says_not_to_pay_again(driver: Driver, depot: Depot) -> None:
    path = await start(driver)
    fields = await pay(driver, path)
    fault = {"provider": "razorpay", "path": "/v1/payments/*", "fault": "status_500", "count": 5}
    await depot.outside("POST", "/_sandbox/faults", fault)
    answer = await come_back(depot, path, fields)
    assert answer.headers["location"] == f"{path}?returned=1"
    page = await driver.page(answer.headers["location"])
    assert "do not pay again" in page
    assert "data-checkout" not in page
    assert f"{path}/state?seen=pending" in page
    depot.sandbox.world.faults.clear()
    await depot.quiet()  # the webhook brings the news
    assert await driver.available() == "500.00"


async def test_the_state_is_sent_anew_only_when_it_has_changed(driver: Driver, depot: Depot) -> None:
    path = await start(driver)
    assert (await driver.browser.get(f"{path}/state?seen=pending")).status_code == 204
    await come_back(depot, path, await pay(driver, path))
    changed = await driver.browser.get(f"{path}/state?seen=pending")
    assert changed.status_code == 200
    assert "Money added" in changed.text
    assert "hx-trigger" not in changed.text


async def test_nobody_sees_the_payment_of_another(driver: Driver, depot: Depot) -> None:
    path = await start(driver)
    async with depot.driver("other@example.com") as other:
        assert (await other.browser.get(path)).status_code == 404
        assert (await other.browser.get(f"{path}/state")).status_code == 404


# --- withdrawing ---


@pytest.mark.parametrize(
    "where",
    [
        UPI,
        {"kind": "bank_account", "name": "Asha Rao", "account_number": "1121431121541121", "ifsc": "hdfc0000001"},
    ],
    ids=["upi", "bank"],
)
async def test_a_withdrawal_is_followed_until_it_is_paid_out(
    driver: Driver, depot: Depot, where: dict[str, str]
) -> None:
    await depot.give(driver.id, "1000.00")
    path = await withdraw(driver, "400", **where)
    begun = await driver.page(path)
    assert "On its way" in begun
    assert f"{path}/state?seen=reserved" in begun
    assert await driver.available() == "600.00"
    home = await driver.page("/drivopay/home")
    assert "Held for withdrawals" in home
    await depot.quiet()
    page = await driver.page(path)
    assert "Paid out" in page
    assert "hx-trigger" not in page
    assert (await driver.browser.get(f"{path}/state?seen=processed")).status_code == 204
    assert await driver.available() == "600.00"


async def test_a_withdrawal_that_the_bank_refuses_is_available_again_and_says_so(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "1000.00")
    path = await withdraw(driver, "400", vpa="failure@razorpay")
    await depot.quiet()
    page = await driver.page(path)
    assert "The bank refused" in page or "Sent back by the bank" in page
    assert "Try again" in page
    assert await driver.available() == "1000.00"


async def test_more_than_there_is_cannot_be_withdrawn_and_nothing_is_kept(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "100.00")
    answer = await driver.send("/drivopay/withdraw", amount="100.01", **UPI)
    assert answer.status_code == 422
    assert "Only ₹100.00 is available." in answer.text
    async with depot.house.database.reading() as session:
        assert (await payments.payouts_of(session, driver.id))[0] == []
    assert await driver.available() == "100.00"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"kind": "vpa", "vpa": "nonsense"}, "A UPI id looks like name@bank."),
        ({"kind": "bank_account", "name": "Asha Rao", "account_number": "12", "ifsc": "HDFC0000001"}, "5 to 35 digits"),
        ({"kind": "bank_account", "name": "Asha Rao", "account_number": "123456", "ifsc": "HDFC"}, "An IFSC has 11"),
    ],
)
async def test_a_destination_that_cannot_be_right_is_refused_at_its_field(
    driver: Driver, depot: Depot, where: dict[str, str], said: str
) -> None:
    await depot.give(driver.id, "100.00")
    answer = await driver.send("/drivopay/withdraw", amount="50", **where)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'aria-invalid="true"' in answer.text


async def test_above_the_limit_a_code_is_asked_for_and_what_was_typed_comes_back(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "25000.00")
    answer = await driver.send("/drivopay/withdraw", amount="15000", **UPI)
    assert answer.headers["location"] == "/step-up?next=%2Fdrivopay%2Fwithdraw%3Fresume%3D1"
    assert "razorpay" not in answer.headers["location"]
    assert "success@razorpay" not in answer.headers["set-cookie"]
    assert await driver.available() == "25000.00"
    await driver.send("/step-up/send", on="/step-up?next=/drivopay/withdraw%3Fresume%3D1")
    await depot.quiet()
    inbox = depot.sandbox.world.inbox.messages("asha@example.com")
    code = re.search(r"\b(\d{6})\b", " ".join(message.body for message in inbox))
    assert code
    back = await driver.send("/step-up", code=code[1], next="/drivopay/withdraw?resume=1")
    assert back.headers["location"] == "/drivopay/withdraw?resume=1"
    page = await driver.page("/drivopay/withdraw?resume=1")
    assert 'value="15000"' in page
    assert 'value="success@razorpay"' in page
    done = await driver.send("/drivopay/withdraw", on="/drivopay/withdraw?resume=1")
    assert done.headers["location"].startswith("/drivopay/withdraw/")
    assert await driver.available() == "10000.00"


async def test_a_cookie_that_is_not_ours_brings_nothing_back(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "100.00")
    driver.browser.cookies.set("withdrawal", "gAAAAABmine")
    assert 'name="vpa" ' in await driver.page("/drivopay/withdraw?resume=1")


async def test_nobody_sees_the_withdrawal_of_another(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "100.00")
    path = await withdraw(driver, "50")
    async with depot.driver("other@example.com") as other:
        assert (await other.browser.get(path)).status_code == 404
        assert (await other.browser.get(f"{path}/state")).status_code == 404


async def test_old_pages_of_a_form_withdraw_once(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "1000.00")
    page = await driver.page("/drivopay/withdraw")
    fields = dict(re.findall(r'name="(csrf_token|request_key)" value="([^"]+)"', page))
    sent = {**fields, "amount": "100", **UPI}
    first = await driver.browser.post("/drivopay/withdraw", data=sent)
    depot.at.advance(timedelta(minutes=5))
    second = await driver.browser.post("/drivopay/withdraw", data=sent)
    assert first.headers["location"] == second.headers["location"]
    assert await driver.available() == "900.00"


# --- saved accounts ---


HDFC = {"kind": "bank_account", "name": "Asha Rao", "account_number": "50100012345678", "ifsc": "HDFC0001234"}


async def test_a_saved_account_is_chosen_first_with_what_is_known_of_it_and_what_may_go_there(
    driver: Driver, depot: Depot
) -> None:
    await depot.give(driver.id, "90000.00")
    fresh = await driver.page("/drivopay/withdraw")
    assert "A new account takes at most ₹25,000.00 in its first 24 hours" in fresh
    assert "Saved account" not in fresh
    await withdraw(driver, "100", **HDFC)
    page = await driver.page("/drivopay/withdraw")
    assert re.search(r'value="payee" checked', page)
    assert "HDFC …5678" in page
    assert "Saved · at most ₹25,000.00 until 19 Nov 2026, 12:00" in page.replace("\u202f", " ")
    again = await driver.send("/drivopay/withdraw", amount="50")
    assert again.headers["location"].startswith("/drivopay/withdraw/")
    assert await driver.available() == "89850.00"


async def test_more_than_may_go_to_a_new_account_is_refused_in_words_and_nothing_is_taken(
    driver: Driver, depot: Depot
) -> None:
    await depot.give(driver.id, "90000.00")
    answer = await driver.send("/drivopay/withdraw", amount="30000", **HDFC)
    assert answer.status_code == 422
    said = answer.text.replace("\u202f", " ")
    assert "at most ₹25,000.00 may go there until 19 Nov 2026, 12:00 pm, after that any amount" in said
    assert "Nothing was taken from the wallet" in said
    assert await driver.available() == "90000.00"
    assert "HDFC …5678" in await driver.page("/drivopay/withdraw")  # its waiting has begun


async def test_a_large_withdrawal_says_that_the_account_is_checked_first_and_then_as_whom(
    driver: Driver, depot: Depot
) -> None:
    guards = depot.house.settings_of(PayoutGuards).model_copy(update={"cooling_hours": 0})
    depot.house.module_settings = {**depot.house.module_settings, PayoutGuards: guards}
    await depot.give(driver.id, "90000.00")
    async with depot.house.database.transaction() as session:
        until = {"until": depot.at.at + timedelta(hours=1)}
        await session.execute(text("UPDATE identity.sessions SET fresh_until = :until"), until)
    path = await withdraw(driver, "30000", **HDFC)
    assert "Checking the account" in await driver.page(path)
    await depot.quiet()
    assert "Verified as Asha R…" in await driver.page("/drivopay/withdraw")
    assert "Paid out" in await driver.page(path)


async def test_an_account_that_the_bank_does_not_know_cannot_be_chosen(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "1000.00")
    made = await driver.api.post(
        "/api/v1/payments/payees", json={"destination": {"type": "vpa", "vpa": "failure@razorpay"}}
    )
    assert made.status_code == 201
    assert "Being checked with the bank" in await driver.page("/drivopay/withdraw")
    await depot.quiet()
    page = await driver.page("/drivopay/withdraw")
    assert "The bank does not pay to this account" in page
    assert "disabled" in page
    answer = await driver.send("/drivopay/withdraw", amount="50", kind="payee", payee=made.json()["id"])
    assert answer.status_code == 422
    assert "The bank does not pay to this account" in answer.text
    assert await driver.available() == "1000.00"


async def test_an_account_is_taken_off_the_list_and_nobody_elses_is(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "1000.00")
    await withdraw(driver, "50")
    page = await driver.page("/drivopay/withdraw")
    found = re.search(r"/drivopay/withdraw/payees/[0-9a-f-]+/remove", page)
    assert found
    async with depot.driver("other@example.com") as other:
        refused = await other.send(found[0], on="/drivopay/add-money")
        assert refused.status_code == 404
    assert found[0] in await driver.page("/drivopay/withdraw")
    gone = await driver.send(found[0], on="/drivopay/withdraw")
    assert gone.headers["location"] == "/drivopay/withdraw"
    assert found[0] not in await driver.page("/drivopay/withdraw")


async def test_a_form_without_an_account_is_refused_in_words(driver: Driver, depot: Depot) -> None:
    await depot.give(driver.id, "100.00")
    for payee in ("", "not an id"):
        answer = await driver.send("/drivopay/withdraw", amount="50", kind="payee", payee=payee)
        assert answer.status_code == 422
        assert "Choose an account." in answer.text
    gone = await driver.send("/drivopay/withdraw", amount="50", kind="payee", payee=str(driver.id))
    assert "There is no such saved account." in gone.text
    assert await driver.available() == "100.00"


async def test_a_month_of_the_wallet_is_a_paper_by_the_drivers_clock(depot: Depot, driver: Driver) -> None:
    await depot.give(driver.id, "1234567.00")
    page = await driver.page("/drivopay/wallet")
    assert re.findall(r'<option value="(\d{4}-\d\d)">(\w+ \d{4})</option>', page)[:2] == [
        ("2026-11", "November 2026"),
        ("2026-10", "October 2026"),
    ]
    made = await driver.browser.get("/drivopay/wallet/statement.pdf?month=2026-11")
    assert (made.status_code, made.headers["content-type"]) == (200, "application/pdf")
    assert 'filename="drivopay-2026-11.pdf"' in made.headers["content-disposition"]
    said = text_of(made.content)
    assert [
        one for one in ("Statement", "DrivoPay", "Asha Rao", "18 Nov 2026", "₹12,34,567.00") if one not in said
    ] == []
    driver.browser.cookies.set("language", "hi")
    in_hindi = text_of((await driver.browser.get("/drivopay/wallet/statement.pdf")).content)
    assert "स्टेटमेंट" in in_hindi
    assert (await driver.browser.get("/drivopay/wallet/statement.pdf?month=2030-01")).status_code == 422
