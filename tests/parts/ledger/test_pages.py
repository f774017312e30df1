"""The ledger explorer, as staff see it in a browser: what each page shows, who may come, and closing a period."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID

import httpx
import pytest
import sqlalchemy

from tests.parts.ledger.books import BANK, CLEARING, FEES, SHOP, key, move, rupees, wallet_of
from tests.parts.ledger.purse import CLUB, START, Purse
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock
from tillhouse.kernel.paging import encode_cursor
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.kernel.work.watch import CheckInvariants
from tillhouse.parts.identity import store
from tillhouse.parts.identity.api import COOKIE
from tillhouse.parts.identity.domain import PersonRole, parse_identifier
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.parts.identity.service import people, sessions
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.pages.common import account_href
from tillhouse.parts.ledger.service import history, lots_reading, sealing

DAY = timedelta(days=1)
LISTS = ("accounts", "transactions", "holds", "lots", "reports", "periods", "checks")


@dataclass
class Desk:
    """A desk in the office: books with people, and browsers for whoever sits there."""

    books: Purse
    owner: UUID
    clients: list[httpx.AsyncClient]

    @property
    def wallet(self) -> ledger.AccountRef:
        return wallet_of(self.owner)

    @property
    def points(self) -> ledger.AccountRef:
        return ledger.AccountRef("person", self.owner, "points", "PTS")

    async def person(self, address: str, name: str, role: PersonRole = "user") -> UUID:
        async with self.books.transaction() as session:
            return (await people.create(session, name, [parse_identifier(address)], role=role)).id

    async def browser(self, role: PersonRole | None, assurance: Literal[1, 2] = 2) -> httpx.AsyncClient:
        """A browser of somebody new with this role; None for nobody."""
        cookies = {}
        if role:
            address = f"{role}{len(self.clients)}@example.com"
            await self.person(address, "Meera Iyer", role)
            async with self.books.transaction() as session:
                person = await store.person_by_identifier(session, parse_identifier(address))
                assert person
                cookies = {COOKIE: (await sessions.begin(session, person, "pages", "Firefox", assurance)).cookie or ""}
        transport = httpx.ASGITransport(create_app(self.books.house))
        client = httpx.AsyncClient(
            transport=transport, base_url="http://testserver", headers={"Accept": "text/html"}, cookies=cookies
        )
        self.clients.append(client)
        return client


@pytest.fixture
async def desk(settings: KernelSettings) -> AsyncIterator[Desk]:
    house = build_house(settings, catalogue=(IDENTITY, LEDGER, SHOP, CLUB))
    with clock.held(START):
        opened = Desk(Purse(house), UUID(int=0), [])
        opened.owner = await opened.person("ravi@example.com", "Ravi Kumar")
        yield opened
    for client in opened.clients:
        await client.aclose()
    assert await opened.books.violations() == []
    await house.close()


@pytest.fixture
async def staff(desk: Desk) -> httpx.AsyncClient:
    return await desk.browser("staff")


async def shown(browser: httpx.AsyncClient, path: str) -> str:
    """The text of a page that has to be there: its tags taken out."""
    response = await browser.get(path)
    assert response.status_code == 200, f"{path}: {response.status_code} {response.text[-600:]}"
    return plain(response.text)


def plain(page: str) -> str:
    body = re.sub(r"<(head|nav|aside|template)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ")


# Who may come


@pytest.mark.parametrize(
    ("role", "assurance", "status", "leads_to"),
    [
        (None, 1, 303, "/sign-in?next="),
        ("user", 2, 403, ""),
        ("staff", 1, 303, "/second-factor?next="),
        ("staff", 2, 200, ""),
        ("admin", 2, 200, ""),
    ],
)
async def test_the_console_is_for_staff_who_have_shown_a_second_factor(
    desk: Desk, role: PersonRole | None, assurance: Literal[1, 2], status: int, leads_to: str
) -> None:
    browser = await desk.browser(role, assurance)
    for address in ("/console/", "/console/identity/audit", *(f"/console/ledger/{path}" for path in LISTS)):
        answer = await browser.get(address)
        assert answer.status_code == status, address
        if leads_to:
            assert answer.headers["location"] == leads_to + address.replace("/", "%2F")


@pytest.mark.parametrize(("role", "status"), [(None, 303), ("user", 403), ("staff", 200)])
async def test_files_are_for_staff_too(desk: Desk, role: PersonRole | None, status: int) -> None:
    browser = await desk.browser(role)
    ledgers = ("accounts.csv", "transactions.csv", "holds.csv", "lots.csv", "reports/trial-balance/csv")
    for path in ("identity/audit.csv", *(f"ledger/{name}" for name in ledgers)):
        assert (await browser.get(f"/console/{path}")).status_code == status, path


async def test_whoever_has_no_authenticator_is_led_to_setting_one_up(desk: Desk) -> None:
    browser = await desk.browser("staff", 1)
    page = await shown(browser, "/second-factor?next=/console/")
    assert "Set up an authenticator first" in page
    assert 'href="/console/"' in (await browser.get("/second-factor?next=/console/")).text


async def test_the_menu_shows_what_the_reader_may_open(desk: Desk, staff: httpx.AsyncClient) -> None:
    page = (await staff.get("/console/")).text
    for path in LISTS:
        assert f'href="/console/ledger/{path}"' in page
    assert 'href="/console/identity/audit"' in page
    assert "Meera Iyer" in page


# What asks for attention


async def test_the_first_page_counts_what_waits(desk: Desk, staff: httpx.AsyncClient) -> None:
    assert "Nothing waits for you" in await shown(staff, "/console/")
    await desk.books.fund(desk.wallet, 500_00)
    held = await desk.books.hold(desk.wallet, 100_00)
    await desk.books.grant(desk.points, 50, 3)
    async with desk.books.transaction() as session:
        await enqueue(session, CheckInvariants())
    await run_due(desk.books.house)
    assert "Broken rules of the books" in (await shown(staff, "/console/")).partition("Nothing waits here")[2]
    async with (
        desk.books.transaction() as session
    ):  # as if it had found one rule of the books broken, and one of others
        await session.execute(sqlalchemy.text("UPDATE kernel.jobs SET progress_note = 'ledger.seal, wallets.sums'"))
    page = await shown(staff, "/console/")
    assert "1 Broken rules of the books" in page
    assert "1 Lots that end within a week" in page
    for age, old in ((DAY - timedelta(seconds=1), False), (DAY + timedelta(seconds=1), True)):
        with clock.held(held.created_at + age):
            page = await shown(await desk.browser("staff"), "/console/")
        assert ("1 Holds open for more than a day" in page) == old


# Accounts


async def test_accounts_are_found_by_code_owner_unit_and_type(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_23_456_78)
    await desk.books.post(move(BANK, CLEARING, 500))
    everything = await shown(staff, "/console/ledger/accounts")
    assert "₹1,23,456.78" in everything
    assert "Ravi Kumar" in everything
    for query, there, away in (
        ("code=clear", "clearing:test", "person/wallet"),
        ("owner=ravi@example.com", "person/wallet", "house/bank"),
        (f"owner={desk.owner}", "person/wallet", "house/bank"),
        ("owner_kind=house", "house/bank", "person/wallet"),
        ("type=liability", "person/wallet", "house/bank"),
        ("unit=inr&code=bank", "house/bank", "person/wallet"),
    ):
        page = await shown(staff, f"/console/ledger/accounts?{query}")
        assert there in page, query
        assert away not in page, query
    assert "No account fits this filter" in await shown(staff, "/console/ledger/accounts?unit=USD")


async def test_a_filter_that_cannot_be_read_says_so_and_shows_nothing(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 100)
    answer = await staff.get("/console/ledger/accounts?owner=stranger@example.com")
    assert answer.status_code == 422
    assert "Nobody here has this address" in answer.text
    assert "person/wallet" not in plain(answer.text)
    assert (await staff.get("/console/ledger/accounts.csv?type=nonsense")).status_code == 422
    assert (await staff.get("/console/ledger/accounts.csv?owner=stranger@example.com")).status_code == 422
    assert (await staff.get("/console/ledger/accounts?cursor=nonsense")).status_code == 422


async def test_a_list_goes_on_where_the_page_ended(desk: Desk, staff: httpx.AsyncClient) -> None:
    async with desk.books.transaction() as session:
        await ledger.post_many(session, [move(BANK, wallet_of(UUID(int=n)), 100) for n in range(1, 61)])
    seen: list[str] = []
    path: str | None = "/console/ledger/accounts?owner_kind=person"
    while path:
        page = (await staff.get(path)).text
        seen += re.findall(r'title="(00000000-[^"]+)"', page)
        following = re.search(r'href="(\?[^"]+)"[^>]*rel="next"', page)
        path = f"/console/ledger/accounts{following[1].replace('&amp;', '&')}" if following else None
    assert len(seen) == len(set(seen)) == 60


async def test_one_account_shows_what_it_holds_its_curve_and_statement(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_000_00)
    await desk.books.post(move(desk.wallet, CLEARING, 250_00))
    await desk.books.hold(desk.wallet, 100_00)
    page = await shown(staff, account_href(desk.wallet))
    for text in ("Ravi Kumar", "₹750.00", "₹100.00", "₹650.00", "+₹1,000.00", "-₹250.00", "Open holds", "Moved"):
        assert text in page, text
    assert page.index("-₹250.00") < page.index("+₹1,000.00")


async def test_a_statement_is_filtered_by_direction_kind_and_days(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_000_00)
    await desk.books.post(move(desk.wallet, CLEARING, 250_00))
    legs = [ledger.debit(BANK, rupees(11_00)), ledger.credit(desk.wallet, rupees(11_00))]
    await desk.books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs, effective_at=START - 40 * DAY))
    address = account_href(desk.wallet)
    for query, there, away in (
        ("direction=out", "-₹250.00", "+₹1,000.00"),
        ("direction=in", "+₹1,000.00", "-₹250.00"),
        ("last=2026-05-01", "+₹11.00", "+₹1,000.00"),
        ("first=2026-05-01", "+₹1,000.00", "+₹11.00"),
    ):
        page = await shown(staff, f"{address}?{query}")
        assert there in page, query
        assert away not in page, query
    assert "No entry fits this filter" in await shown(staff, f"{address}?kind=shop.settle")


async def test_htmx_gets_the_statement_alone(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_000_00)
    answer = await staff.get(account_href(desk.wallet), headers={"HX-Request": "true"})
    assert 'id="statement"' in answer.text
    assert "<html" not in answer.text


async def test_the_curve_says_what_was_held_at_each_point(desk: Desk, staff: httpx.AsyncClient) -> None:
    for days, paise in ((20, 300_00), (10, 200_00)):
        legs = [ledger.debit(BANK, rupees(paise)), ledger.credit(desk.wallet, rupees(paise))]
        at = START - days * DAY
        await desk.books.post(ledger.Posting(key=key(), kind="shop.move", legs=legs, effective_at=at))
    async with desk.books.house.database.reading() as session:
        instants = [START - days * DAY for days in (30, 20, 15, 10, 1)]
        from_curve = await history.curve(session, desk.wallet, instants)
        one_by_one = [(await ledger.balance_at(session, desk.wallet, effective=at)).posted for at in instants]
        assert await history.curve(session, wallet_of(UUID(int=7)), instants) == [rupees(0)] * 5
    assert from_curve == one_by_one == [rupees(paise) for paise in (0, 300_00, 300_00, 500_00, 500_00)]
    page = await shown(staff, f"{account_href(desk.wallet)}?days=30")
    assert "₹300.00" in page
    assert "₹500.00" in page


async def test_a_point_in_time_says_whether_its_answer_is_final(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_000_00)
    address = account_href(desk.wallet)
    final = await shown(staff, f"{address}?effective=2026-01-01T00:00&recorded=2026-01-01T00:00")
    assert "This answer is final" in final
    assert "Balance at that point ₹0.00" in final
    assert "not final yet" in await shown(staff, f"{address}?recorded=2099-01-01T00:00")
    now = await shown(staff, f"{address}?effective=2099-01-01T00:00")
    assert "As known now" in now
    assert "Balance at that point ₹1,000.00" in now
    assert (await staff.get(f"{address}?effective=nonsense")).status_code == 200


async def test_an_account_that_is_not_there_is_not_found(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 100)
    for path in ("house/nothing/INR", f"person:{UUID(int=9)}/wallet/INR", "person:x/wallet/INR", "person/wallet/INR"):
        assert (await staff.get(f"/console/ledger/accounts/{path}")).status_code == 404, path


async def test_an_account_with_lots_shows_them(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.grant(desk.points, 100, 5, price=rupees(500_00))
    await desk.books.spend(desk.points, 40)
    page = await shown(staff, account_href(desk.points))
    for text in ("Purchased", "60 PTS", "of 100 PTS", "₹500.00"):
        assert text in page, text


# Transactions


async def test_transactions_are_found_by_kind_account_metadata_and_day(desk: Desk, staff: httpx.AsyncClient) -> None:
    legs = [ledger.debit(BANK, rupees(70_00)), ledger.credit(desk.wallet, rupees(70_00))]
    tagged = {"tags": {"order": "A-1042"}}
    await desk.books.post(
        ledger.Posting(key=key(), kind="shop.move", legs=legs, metadata=tagged, effective_at=START - 3 * DAY)
    )
    settle = [ledger.debit(BANK, rupees(30_00)), ledger.credit(CLEARING, rupees(30_00))]
    await desk.books.post(ledger.Posting(key=key(), kind="shop.settle", legs=settle))
    for query, there, away in (
        ("kind=shop.settle", "₹30.00", "₹70.00"),
        (f"account={desk.wallet}", "₹70.00", "₹30.00"),
        ("metadata=order%3A+A-1042", "₹70.00", "₹30.00"),
        ("metadata=order%3DA-1042", "₹70.00", "₹30.00"),
        ("last=2026-05-30", "₹70.00", "₹30.00"),
    ):
        page = await shown(staff, f"/console/ledger/transactions?{query}")
        assert there in page, query
        assert away not in page, query
    for query, sentence in (
        ("metadata=order", "Write what the metadata says"),
        ("account=bank", "Write an account as"),
    ):
        answer = await staff.get(f"/console/ledger/transactions?{query}")
        assert answer.status_code == 422
        assert sentence in answer.text
        assert (await staff.get(f"/console/ledger/transactions.csv?{query}")).status_code == 422


async def test_the_order_that_a_transaction_names_leads_to_all_that_name_it(
    desk: Desk, staff: httpx.AsyncClient
) -> None:
    order = "0199f0de-0000-7000-8000-000000000001"
    for paise in (50_00, 20_00):
        await desk.books.post(replace(move(BANK, desk.wallet, paise), metadata={"order": order, "purpose": "deposit"}))
    first = await desk.books.post(replace(move(BANK, desk.wallet, 90_00), metadata={"order": "another"}))
    href = f"/console/ledger/transactions?metadata=order%3A+{order}"
    page = await staff.get(href)
    assert all(amount in page.text for amount in ("₹50.00", "₹20.00"))
    assert "₹90.00" not in page.text
    one = await staff.get(re.findall(r"/console/ledger/transactions/[0-9]+", page.text)[0])
    assert f'href="{href}"' in one.text
    assert "metadata=order%3A+another" in (await staff.get(f"/console/ledger/transactions/{first.id}")).text
    lines = (await staff.get(f"/console/ledger/transactions.csv?metadata=order:{order}")).text.splitlines()
    assert len(lines) == 5


async def test_one_transaction_shows_its_legs_key_reversal_and_seal(desk: Desk, staff: httpx.AsyncClient) -> None:
    named = key()
    first = await desk.books.post(move(BANK, desk.wallet, 80_00, named))
    page = await shown(staff, f"/console/ledger/transactions/{first.id}")
    for text in ("Moved", "Bank", "Ravi Kumar", "₹80.00", named, "Not sealed yet"):
        assert text in page, text
    second = await desk.books.reverse(first.id)
    assert f"/transactions/{second.id}" in (await staff.get(f"/console/ledger/transactions/{first.id}")).text
    assert f"/transactions/{first.id}" in (await staff.get(f"/console/ledger/transactions/{second.id}")).text
    async with desk.books.transaction() as session:
        assert await sealing.seal(session, margin=timedelta()) is not None
    assert "Sealed" in await shown(staff, f"/console/ledger/transactions/{first.id}")
    assert "Not sealed yet" not in await shown(staff, f"/console/ledger/transactions/{first.id}")


async def test_a_transaction_names_the_hold_it_captured_and_the_lots_it_moved(
    desk: Desk, staff: httpx.AsyncClient
) -> None:
    await desk.books.fund(desk.wallet, 100_00)
    hold = await desk.books.hold(desk.wallet, 60_00)
    captured = await desk.books.capture(hold.id, move(desk.wallet, CLEARING, 45_00))
    page = (await staff.get(f"/console/ledger/transactions/{captured.id}")).text
    assert f"/console/ledger/holds/{hold.id}" in page
    assert "It captured a hold" in page
    became = await shown(staff, f"/console/ledger/holds/{hold.id}")
    assert "₹60.00" in became
    assert "₹45.00" in became
    lot = await desk.books.grant(desk.points, 100)
    spent = await desk.books.spend(desk.points, 30)
    assert "It granted a lot" in await shown(staff, f"/console/ledger/transactions/{lot.id}")
    assert (
        f"/console/ledger/lots/{lot.id}"
        in (await staff.get(f"/console/ledger/transactions/{spent.transaction_id}")).text
    )
    moves = await shown(staff, f"/console/ledger/lots/{lot.id}")
    assert "-30 PTS" in moves
    assert "70 PTS" in moves


@pytest.mark.parametrize("number", ["0", "-1", "7", str(2**63), "9" * 30])
async def test_a_number_that_is_not_there_is_not_found(desk: Desk, staff: httpx.AsyncClient, number: str) -> None:
    for kind in ("transactions", "holds", "lots"):
        assert (await staff.get(f"/console/ledger/{kind}/{number}")).status_code in (404, 422), kind


# Holds, lots


async def test_open_holds_are_listed_by_age(desk: Desk, staff: httpx.AsyncClient) -> None:
    assert "Nothing is set aside" in await shown(staff, "/console/ledger/holds")
    await desk.books.fund(desk.wallet, 100_00)
    for paise in (11_00, 22_00, 33_00):
        await desk.books.hold(desk.wallet, paise)
    ended = await desk.books.hold(desk.wallet, 5_00)
    await desk.books.void(ended.id)
    page = await shown(staff, "/console/ledger/holds")
    assert page.index("₹11.00") < page.index("₹22.00") < page.index("₹33.00")
    assert "₹5.00" not in page


async def test_lots_are_listed_by_expiry_and_those_without_come_last(desk: Desk, staff: httpx.AsyncClient) -> None:
    assert "No lot has anything left" in await shown(staff, "/console/ledger/lots")
    await desk.books.grant(desk.points, 11)
    await desk.books.grant(desk.points, 22, 9)
    await desk.books.grant(desk.points, 33, 3)
    page = await shown(staff, "/console/ledger/lots")
    assert page.index("33 PTS") < page.index("22 PTS") < page.index("11 PTS")
    await desk.books.grant(desk.points, 44)
    seen, cursor = [], None
    async with desk.books.house.database.reading() as session:
        while found := await lots_reading.lots_by_expiry(session, limit=1, after=ledger.place_in(cursor)):
            seen.append(found[0].remaining.minor)
            cursor = encode_cursor(*ledger.place_of(found[0]))
    assert seen == [33, 22, 11, 44]
    foreign = await staff.get(f"/console/ledger/lots?cursor={encode_cursor('tomorrow', 5)}")
    assert foreign.status_code == 422
    assert "not one of ours" in foreign.text


# Reports


async def test_reports_add_up_on_the_page_and_in_the_file(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 1_000_00)
    await desk.books.post(move(FEES, BANK, 20_00))
    trial = await shown(staff, "/console/ledger/reports/trial-balance")
    assert "Total ₹1,000.00 ₹1,000.00" in trial
    sheet = await shown(staff, "/console/ledger/reports/balance-sheet")
    for text in ("Assets ₹980.00", "Liabilities ₹1,000.00", "Equity ₹0.00", "Result -₹20.00"):
        assert text in sheet, text
    income = await shown(staff, "/console/ledger/reports/income-statement?first=2020-01-01&last=2099-12-31")
    assert "Expenses ₹20.00 Result -₹20.00" in income
    assert "Nothing to report" in await shown(
        staff, "/console/ledger/reports/income-statement?first=2020-01-01&last=2020-01-31"
    )
    file = (await staff.get("/console/ledger/reports/trial-balance/csv")).text.splitlines()
    assert file[0] == "number,account,title,type,unit,debit,credit"
    assert any(line.endswith("liability,INR,0.00,1000.00") for line in file)


async def test_files_hold_everything_that_fits(desk: Desk, staff: httpx.AsyncClient) -> None:
    async with desk.books.transaction() as session:
        await ledger.post_many(session, [move(BANK, desk.wallet, 100) for _ in range(60)])
    statement = await staff.get(f"{account_href(desk.wallet)}/statement.csv")
    assert statement.headers["content-type"].startswith("text/csv")
    assert "attachment" in statement.headers["content-disposition"]
    assert len(statement.text.splitlines()) == 61
    assert len((await staff.get("/console/ledger/transactions.csv")).text.splitlines()) == 121
    assert len((await staff.get("/console/ledger/accounts.csv?code=wallet")).text.splitlines()) == 2


# Closing a period


async def send(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await browser.get("/console/ledger/periods")).text)
    assert token
    return await browser.post(path, data={"csrf_token": token[1], **fields})


async def closings(desk: Desk) -> int:
    async with desk.books.house.database.reading() as session:
        return len(await ledger.closed_periods(session))


CLOSE = {"until": "2026-05-31", "reason": "May is reported"}


async def test_closing_asks_once_more_and_leaves_its_line_in_the_audit_log(desk: Desk) -> None:
    admin = await desk.browser("admin")
    asked = await send(admin, "/console/ledger/periods", **CLOSE)
    assert asked.status_code == 200
    assert "This is not taken back" in asked.text
    assert await closings(desk) == 0
    done = await send(admin, "/console/ledger/periods", **CLOSE, confirmed="yes")
    assert done.status_code == 303
    page = await shown(admin, "/console/ledger/periods")
    assert "May is reported" in page
    assert "Meera Iyer" in page
    log = await shown(admin, "/console/identity/audit")
    assert "ledger.close_period" in log
    assert "May is reported" in log


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"until": "2099-01-01"}, "Only what lies behind us can be closed."),
        ({"until": "nonsense"}, "Write a date."),
        ({"reason": " "}, "Fill this in."),
    ],
)
async def test_a_closing_that_is_refused_says_why_at_its_field(
    desk: Desk, fields: dict[str, str], sentence: str
) -> None:
    admin = await desk.browser("admin")
    for confirmed in ({}, {"confirmed": "yes"}):
        answer = await send(admin, "/console/ledger/periods", **{**CLOSE, **fields, **confirmed})
        assert answer.status_code == 422
        assert sentence in answer.text
    assert await closings(desk) == 0


async def test_what_is_closed_is_not_opened_again(desk: Desk) -> None:
    admin = await desk.browser("admin")
    await send(admin, "/console/ledger/periods", **CLOSE, confirmed="yes")
    earlier = {**CLOSE, "until": "2026-04-30"}
    answer = await send(admin, "/console/ledger/periods", **earlier, confirmed="yes")
    assert answer.status_code == 422
    assert "that is not taken back" in answer.text
    assert await closings(desk) == 1


@pytest.mark.parametrize(("role", "assurance"), [(None, 1), ("user", 2), ("staff", 1), ("staff", 2), ("admin", 1)])
async def test_who_may_not_close_changes_nothing(desk: Desk, role: PersonRole | None, assurance: Literal[1, 2]) -> None:
    browser = await desk.browser(role, assurance)
    token = re.search(
        r'name="csrf_token" value="([^"]+)"', (await browser.get("/account" if role else "/sign-in")).text
    )
    assert token
    fields = {"csrf_token": token[1], **CLOSE, "confirmed": "yes"}
    before = await desk.books.everything()
    answer = await browser.post("/console/ledger/periods", data=fields)
    assert answer.status_code in (401, 403)
    assert await desk.books.everything() == before


async def test_a_closing_without_the_pages_token_changes_nothing(desk: Desk) -> None:
    admin = await desk.browser("admin")
    assert (await admin.post("/console/ledger/periods", data={**CLOSE, "confirmed": "yes"})).status_code == 403
    assert await closings(desk) == 0


# Checks


async def test_checks_show_what_the_scheduled_check_found_and_when(desk: Desk, staff: httpx.AsyncClient) -> None:
    assert "Not checked yet" in await shown(staff, "/console/ledger/checks")
    await desk.books.fund(desk.wallet, 100_00)
    async with desk.books.transaction() as session:
        await enqueue(session, CheckInvariants())
        await sealing.seal(session, margin=timedelta())
    await run_due(desk.books.house)
    page = await shown(staff, "/console/ledger/checks")
    assert "The books are sound" in page
    assert "Every transaction sums to zero in each unit." in page
    assert "Blocks 1" in page


async def test_what_is_quick_is_checked_now_six_times_a_minute(desk: Desk, staff: httpx.AsyncClient) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', (await staff.get("/console/ledger/checks")).text)
    assert token
    answers = [await staff.post("/console/ledger/checks", data={"csrf_token": token[1]}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert plain(answers[0].text).count("just now") == 5


# Languages


async def test_right_to_left_and_the_readers_zone(desk: Desk, staff: httpx.AsyncClient) -> None:
    await desk.books.fund(desk.wallet, 100_00)
    answer = await staff.get(f"{account_href(desk.wallet)}?lang=he", follow_redirects=True)
    assert 'dir="rtl"' in answer.text
