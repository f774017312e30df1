"""`till ledger`, from the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from click.testing import CliRunner, Result

from tests.parts.ledger.books import SHOP, Books, person
from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.cli import command
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.ledger.service import sealing


async def till(books: Books, *arguments: str) -> Result:
    def fresh_house() -> House:
        return build_house(books.house.settings, catalogue=(LEDGER, SHOP))

    # The command runs its own event loop, as it does in a shell.
    return await asyncio.to_thread(CliRunner().invoke, command, arguments, obj=fresh_house)


async def test_a_period_is_closed_with_its_reason(books: Books) -> None:
    done = await till(books, "close-period", "--until", "2026-01-01", "--reason", "2025 reported")
    assert done.exit_code == 0, done.output
    assert "2026-01-01" in done.output
    async with books.house.database.reading() as session:
        (period,) = await ledger.closed_periods(session)
    assert (period.until, period.reason, period.closed_by) == (datetime(2026, 1, 1, tzinfo=UTC), "2025 reported", None)


async def test_the_future_is_refused_and_nothing_is_closed(books: Books) -> None:
    refused = await till(books, "close-period", "--until", "2999-01-01", "--reason", "x")
    assert refused.exit_code != 0
    async with books.house.database.reading() as session:
        assert await ledger.closed_periods(session) == []


async def test_the_head_is_printed_for_keeping_elsewhere_and_kept_here_too(books: Books) -> None:
    nothing = await till(books, "anchor")
    assert nothing.exit_code == 1
    await books.fund(person(), 5)
    async with books.transaction() as session:
        await sealing.seal(session, margin=timedelta(0))
    printed = await till(books, "anchor")
    assert printed.exit_code == 0, printed.output
    async with books.house.database.reading() as session:
        head = await ledger.sealed_head(session)
    assert head is not None
    shown = json.loads(printed.output.splitlines()[-1])
    assert (shown["number"], shown["hash"], shown["last_id"]) == (1, head.hash, head.last_id)
    exported = await till(books, "export-anchors")
    assert [json.loads(line) for line in exported.output.splitlines()] == [shown]
