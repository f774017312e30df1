"""`till payments`, as someone types it."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner, Result

from tests.parts.payments.test_reconciliation import DAY, a_day, distort
from tests.parts.payments.till import Till, catalogue, new_person
from tillhouse.apps import cli
from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.parts.payments import api
from tillhouse.parts.payments.cli import command
from tillhouse.sandbox.transport import SandboxTransport


async def run(till: Till, *words: str) -> Result:
    def fresh_house() -> House:
        mounts = {"http://sandbox": SandboxTransport(till.sandbox)}
        return build_house(till.house.settings, catalogue=catalogue(), mounts=mounts)

    # The command runs its own event loop, as it does in a shell.
    return await asyncio.to_thread(CliRunner().invoke, command, words, obj=fresh_house)


async def test_a_day_is_reconciled_imported_and_printed_three_ways(till: Till, tmp_path: Path) -> None:
    await a_day(till, "100.00")
    first = await run(till, "reconcile", "--provider", "razorpay", "--day", str(DAY))
    assert (first.exit_code, "not_in_bank" in first.output) == (1, True), first.output
    file = tmp_path / "day.sta"
    file.write_bytes((await till.outside("GET", f"/_sandbox/bank/statement?format=mt940&date={DAY}")).content)
    imported = await run(till, "import-statement", str(file))
    assert "1 new lines, 1 of them matched" in imported.output
    again = await run(till, "import-statement", str(file), "--json")
    assert json.loads(again.stdout)["items"][0]["known"] == 1
    printed = await run(till, "reconciliation", "--day", str(DAY), "--json")
    (day,) = json.loads(printed.stdout)["items"]
    assert (printed.exit_code, day["agrees"], day["reported"]) == (0, True, day["banked"])
    shown = await run(till, "reconciliation", "--day", str(DAY))
    assert "in the bank" in shown.output


async def test_what_differs_is_printed_line_by_line_and_as_open_items(till: Till) -> None:
    settlement = await a_day(till, "100.00")
    await distort(till, settlement, "amount")
    found = await run(till, "reconcile", "--day", str(DAY))
    assert (found.exit_code, "amount" in found.output) == (1, True)
    aged = await run(till, "ageing")
    assert "clearing:razorpay  100.00 INR" in aged.output
    as_json = {one["account"]: one for one in json.loads((await run(till, "ageing", "--json")).stdout)["items"]}
    assert as_json["clearing:razorpay"]["buckets"]["0-1"] == "100.00"


async def test_a_day_without_a_report_agrees_and_a_provider_that_is_misspelt_does_not(till: Till) -> None:
    nothing = await run(till, "reconciliation", "--day", str(DAY))
    assert (nothing.exit_code, nothing.output) == (0, "Nothing was reported for that day.\n")
    misspelt = await run(till, "reconciliation", "--provider", "rasorpay", "--day", str(DAY))
    assert misspelt.exit_code == 1
    assert "no payment provider called rasorpay" in str(misspelt.exception)


async def test_a_bad_file_is_one_sentence(till: Till, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text("Date,Amount\n2026-03-02,1\n")
    refused = await run(till, "import-statement", str(file), "--account", "1", "--column", "nonsense=x")
    assert "columns are not declared" in str(refused.exception)
    shown = await asyncio.to_thread(CliRunner().invoke, cli.till, ["payments", "--help"], prog_name="till")
    assert "import-statement" in shown.output


async def test_events_are_listed_and_one_is_replayed_without_an_effect(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "100.00")
    listed = await run(till, "events", "--state", "processed", "--json")
    assert listed.exit_code == 0, listed.output
    events = json.loads(listed.stdout)["items"]
    assert {event["provider"] for event in events} == {"razorpay"}
    replayed = await run(till, "replay", events[0]["id"])
    assert replayed.exit_code == 0, replayed.output
    assert "is looked at again" in replayed.output
    async with till.house.database.reading() as session:
        received, _ = await api.events(session, state="received")
    assert [str(event.id) for event in received] == [events[0]["id"]]
    await till.quiet()
    assert await till.wallet(person) == "100.00"


async def test_what_there_is_not_is_said(till: Till) -> None:
    assert (await run(till, "events")).output == "No such events.\n"
    unknown = await run(till, "replay", str(new_person()))
    assert unknown.exit_code != 0
