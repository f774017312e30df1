"""`till jobs`."""

import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from tests.work.dummy import Tell
from tillhouse.apps.commands.jobs import command
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.house import House
from tillhouse.kernel.work import cancel, enqueue, run_due


async def till_jobs(house: House, *words: str) -> Result:
    env = {"DATABASE_URL": house.settings.database_url, "ENVIRONMENT": "test"}
    return await run_in_threadpool(lambda: CliRunner().invoke(command, list(words), env=env))


async def test_jobs_are_listed_shown_cancelled_and_replayed(house: House) -> None:
    async with house.database.transaction() as session:
        job_id = str(await enqueue(session, Tell(mark="x")))
    listed = await till_jobs(house, "list", "--json")
    assert [one["id"] for one in json.loads(listed.output)] == [job_id]
    assert "dummy.tell" in (await till_jobs(house, "list")).output
    assert json.loads((await till_jobs(house, "show", job_id)).output)["payload"] == {"mark": "x"}
    assert (await till_jobs(house, "cancel", job_id)).exit_code == 0
    await run_due(house)
    assert json.loads((await till_jobs(house, "list", "--state", "cancelled", "--json")).output)[0]["id"] == job_id
    assert (await till_jobs(house, "replay", job_id)).exit_code == 0
    await run_due(house)
    assert json.loads((await till_jobs(house, "show", job_id)).output)["state"] == "done"
    async with house.database.reading() as session:
        query = "SELECT actor_kind, action, subject FROM identity.audit ORDER BY at"
        said = [tuple(row) for row in await session.execute(text(query))]
    assert said == [("system", f"jobs.{action}", f"job:{job_id}") for action in ("cancel", "replay")]


async def test_what_cannot_be_done_is_refused(house: House) -> None:
    async with house.database.transaction() as session:
        job_id = await enqueue(session, Tell(mark="x"))
    await run_due(house)
    assert job_id
    with pytest.raises(Conflict):
        async with house.database.transaction() as session:
            await cancel(session, job_id)
    refused = await till_jobs(house, "replay", str(job_id))
    assert isinstance(refused.exception, Conflict)
    assert (await till_jobs(house, "list", "--state", "dead")).output == "No such jobs.\n"
