"""Opening balances from a file, and the reports of the books, from the command line."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.parts.ledger.books import BANK, SHOP, move, person
from tests.parts.ledger.purse import CLUB, START, Purse, open_purse
from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.cli import command
from tillhouse.parts.ledger.manifest import MODULE as LEDGER

OPENING = ledger.house_account("opening", "INR")
HEADER = "owner_kind,owner_id,code,unit,amount,date\n"


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Purse]:
    async with open_purse(settings) as opened:
        yield opened


async def till(books: Purse, *arguments: str) -> Result:
    def fresh_house() -> House:
        return build_house(books.house.settings, catalogue=(LEDGER, SHOP, CLUB))

    # The command runs its own event loop, as it does in a shell.
    return await asyncio.to_thread(CliRunner().invoke, command, arguments, obj=fresh_house)


def a_file(folder: Path, *lines: str, name: str = "opening.csv") -> str:
    path = folder / name
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def line_of(wallet: ledger.AccountRef, amount: str) -> str:
    return f"person,{wallet.owner_id},wallet,INR,{amount},2026-04-01"


async def test_opening_balances_are_what_the_accounts_hold(books: Purse, tmp_path: Path) -> None:
    wallet = person()
    file = a_file(tmp_path, "house,,bank,INR,1500.00,2026-04-01", line_of(wallet, "250.50"))
    done = await till(books, "import-opening", file)
    assert (done.exit_code, done.output) == (0, "2 opening balances booked, 0 were there already.\n")
    assert (await books.balance(BANK))[0] == 150_000
    assert (await books.balance(wallet))[0] == 25_050
    assert (await books.balance(OPENING))[0] == 124_950
    async with books.house.database.reading() as session:
        (found,) = await ledger.transactions(session, wanted=ledger.TransactionFilter(account=wallet), limit=9)
    assert f"{found.effective_at:%Y-%m-%d %H:%M}" == "2026-04-01 00:00"
    assert found.metadata == {"file": "opening.csv", "line": 3}


async def test_the_same_file_again_books_nothing(books: Purse, tmp_path: Path) -> None:
    file = a_file(tmp_path, "house,,bank,INR,1500.00,2026-04-01")
    await till(books, "import-opening", file)
    before = await books.everything()
    again = await till(books, "import-opening", file, "--json")
    assert json.loads(again.output) == {"dry_run": False, "booked": [], "already": [2], "faults": []}
    assert await books.everything() == before


async def test_a_line_added_to_the_file_is_booked_and_a_changed_one_is_refused(books: Purse, tmp_path: Path) -> None:
    wallet = person()
    await till(books, "import-opening", a_file(tmp_path, "house,,bank,INR,1500.00,2026-04-01"))
    more = a_file(tmp_path, "house,,bank,INR,1500.00,2026-04-01", line_of(wallet, "1.00"))
    assert "1 opening balances booked, 1 were there" in (await till(books, "import-opening", more)).output
    before = await books.everything()
    changed = a_file(tmp_path, "house,,bank,INR,1600.00,2026-04-01", line_of(wallet, "1.00"), line_of(person(), "5.00"))
    refused = await till(books, "import-opening", changed)
    assert refused.exit_code == 1
    assert "line 2: This idempotency key was used before" in refused.output
    assert await books.everything() == before


async def test_a_dry_run_says_what_would_be_and_books_nothing(books: Purse, tmp_path: Path) -> None:
    before = await books.everything()
    done = await till(books, "import-opening", a_file(tmp_path, line_of(person(), "1.00")), "--dry-run")
    assert (done.exit_code, done.output) == (0, "1 opening balances would be booked, 0 were there already.\n")
    assert await books.everything() == before


async def test_every_wrong_line_is_named_and_none_is_booked(books: Purse, tmp_path: Path) -> None:
    twice = line_of(person(), "1.00")
    file = a_file(
        tmp_path,
        "house,,bank,INR,1500.00,2026-04-01",
        "house,,nowhere,INR,1.00,2026-04-01",
        "house,,bank,XXX,1.00,2026-04-01",
        line_of(person(), "1.005"),
        line_of(person(), "-1.00"),
        line_of(person(), "0.00"),
        f"person,{new_id()},points,PTS,5,2026-04-01",
        "house,,opening,INR,1.00,2026-04-01",
        "person,me,wallet,INR,1.00,2026-04-01",
        f"person,{new_id()},wallet,INR,1.00,2026-13-01",
        f"person,{new_id()},wallet,INR,1.00,2999-01-01",
        twice,
        twice,
        f"person,{new_id()},wallet,INR",
        f"person,{new_id()},wallet,INR,1.00,2026-04-01,more",
    )
    before = await books.everything()
    refused = await till(books, "import-opening", file, "--json")
    assert refused.exit_code == 1
    assert [fault["line"] for fault in json.loads(refused.output)["faults"]] == list(range(3, 17))
    text = await till(books, "import-opening", file)
    assert "14 lines are wrong. Nothing was booked." in text.output
    assert await books.everything() == before


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HEADER + '"unclosed'])
async def test_what_is_no_such_file_is_refused(books: Purse, tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content, encoding="utf-8")
    refused = await till(books, "import-opening", str(path))
    assert refused.exit_code == 1
    assert "Nothing was booked." in refused.output


async def test_reports_come_as_text_json_and_csv(books: Purse) -> None:
    wallet = person()
    for day, paise in ((1, 100_000), (3, 50)):
        posting = move(BANK, wallet, paise)
        at = START.replace(day=day)
        await books.post(ledger.Posting(key=f"{day}", kind=posting.kind, legs=posting.legs, effective_at=at))
    text = await till(books, "trial-balance")
    assert "house/bank (Bank)" in text.output
    assert "1000.50" in text.output
    trial = json.loads((await till(books, "trial-balance", "--at", "2026-06-02", "--json")).output)
    assert (trial["units"][0]["debit"], trial["units"][0]["credit"]) == ("1000.00", "1000.00")
    sheet = json.loads((await till(books, "balance-sheet", "--json")).output)["units"][0]
    assert (sheet["assets"], sheet["liabilities"], sheet["equity"], sheet["result"]) == (
        "1000.50", "1000.50", "0.00", "0.00"
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO((await till(books, "balance-sheet", "--csv")).output)))
    assert [(row["account"], row["amount"]) for row in rows] == [
        ("house/bank", "1000.50"), ("person/wallet", "1000.50"), ("", "0.00")
    ]  # fmt: skip
    assert "house/bank" in (await till(books, "balance-sheet")).output
    rows = list(csv.DictReader(io.StringIO((await till(books, "trial-balance", "--csv")).output)))
    assert [(row["debit"], row["credit"]) for row in rows] == [("1000.50", "0.00"), ("0.00", "1000.50")]


async def test_a_period_s_result_comes_as_text_json_and_csv(books: Purse) -> None:
    fees, clearing = ledger.house_account("fees:test", "INR"), ledger.house_account("clearing:test", "INR")
    for day in (1, 2, 3):
        posting = move(fees, clearing, day)
        at = START.replace(day=day, hour=23)
        await books.post(ledger.Posting(key=f"{day}", kind=posting.kind, legs=posting.legs, effective_at=at))
    asked = ("income-statement", "--since", "2026-06-02", "--until", "2026-06-03")
    (unit,) = json.loads((await till(books, *asked, "--json")).output)["units"]
    assert (unit["income"], unit["expenses"], unit["result"]) == ("0.00", "0.05", "-0.05")
    assert "house/fees:test (Fees)" in (await till(books, *asked)).output
    rows = list(csv.DictReader(io.StringIO((await till(books, *asked, "--csv")).output)))
    assert [(row["type"], row["amount"]) for row in rows] == [("expense", "0.05"), ("result", "-0.05")]


async def test_the_journal_goes_to_standard_output(books: Purse) -> None:
    wallet = person()
    for day in (1, 2, 3):
        posting = move(BANK, wallet, day)
        at = START.replace(day=day)
        await books.post(ledger.Posting(key=f"{day}", kind=posting.kind, legs=posting.legs, effective_at=at))
    done = await till(books, "export", "--format", "jsonl", "--since", "2026-06-02", "--until", "2026-06-02")
    (one,) = [json.loads(line) for line in done.output.splitlines()]
    assert one["legs"][0]["amount"] == "0.02"
    assert (await till(books, "export")).output.startswith("transaction,recorded_at")
    assert "decimal-mark" in (await till(books, "export", "--format", "hledger")).output
    assert (await till(books, "export", "--format", "pdf")).exit_code != 0
    assert (await till(books, "export", "--since", "yesterday")).exit_code != 0
