"""`till payments`, as someone types it."""

import json

from click.testing import CliRunner, Result
from starlette.concurrency import run_in_threadpool

from tests.parts.payments.till import Till, new_person
from tillhouse.apps.commands.payments import command
from tillhouse.parts.payments import api


async def till_payments(till: Till, *words: str) -> Result:
    env = {"DATABASE_URL": till.house.settings.database_url, "ENVIRONMENT": "test"}
    return await run_in_threadpool(lambda: CliRunner().invoke(command, list(words), env=env))


async def test_events_are_listed_and_one_is_replayed_without_an_effect(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "100.00")
    listed = await till_payments(till, "events", "--state", "processed", "--json")
    assert listed.exit_code == 0, listed.output
    events = json.loads(listed.output)
    assert {event["provider"] for event in events} == {"razorpay"}
    replayed = await till_payments(till, "replay", events[0]["id"])
    assert replayed.exit_code == 0, replayed.output
    assert "is looked at again" in replayed.output
    async with till.house.database.reading() as session:
        received, _ = await api.events(session, state="received")
    assert [str(event.id) for event in received] == [events[0]["id"]]
    await till.quiet()
    assert await till.wallet(person) == "100.00"


async def test_what_there_is_not_is_said(till: Till) -> None:
    assert (await till_payments(till, "events")).output == "No such events.\n"
    unknown = await till_payments(till, "replay", str(new_person()))
    assert unknown.exit_code != 0
