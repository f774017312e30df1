"""`till jobs`: look at background jobs, replay what died, cancel what is no longer wanted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar, get_args
from uuid import UUID

import click
from pydantic_core import to_jsonable_python

from tillhouse.apps.compose import build_house
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import JobView, cancel, job, jobs, replay
from tillhouse.kernel.work.control import State
from tillhouse.parts.identity import api as identity

T = TypeVar("T")


@click.group()
def command() -> None:
    """List, replay and cancel background jobs."""


@command.command("list")
@click.option("--state", type=click.Choice(get_args(State)), help="Only these; `dead` is the dead-letter list.")
@click.option("--name", default="", help="Only jobs of this name, such as payments.settle.")
@click.option("--limit", default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="A JSON list, for programs.")
def list_jobs(state: State | None, name: str, limit: int, as_json: bool) -> None:
    """List jobs, newest first."""

    async def find(session: ReadSession) -> list[JobView]:
        return await jobs(session, state=state, name=name, limit=limit)

    found = asyncio.run(_reading(find))
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=2))
    elif not found:
        click.echo("No such jobs.")
    else:
        for one in found:
            error = f"  {one.error_code}: {one.error_message}" if one.error_code else ""
            click.echo(
                f"{one.id}  {one.state:<9}  {one.attempt:>3}  {one.created_at:%Y-%m-%d %H:%M:%S}  {one.name}{error}"
            )


@command.command("show")
@click.argument("job_id", type=click.UUID)
def show_job(job_id: UUID) -> None:
    """Show everything about one job, as JSON."""

    async def find(session: ReadSession) -> JobView:
        return await job(session, job_id)

    click.echo(json.dumps(_plain(asyncio.run(_reading(find))), indent=2))


@command.command("replay")
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
def replay_jobs(job_ids: tuple[UUID, ...]) -> None:
    """Give dead or cancelled jobs all their attempts again: all of those named, or none."""
    asyncio.run(_changing(replay, "jobs.replay", job_ids))
    click.echo(f"{len(job_ids)} queued again.")


@command.command("cancel")
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
def cancel_jobs(job_ids: tuple[UUID, ...]) -> None:
    """Ask for jobs to be cancelled: all of those named, or none."""
    asyncio.run(_changing(cancel, "jobs.cancel", job_ids))
    click.echo(f"{len(job_ids)} asked to stop.")


async def _reading(find: Callable[[ReadSession], Awaitable[T]]) -> T:
    house = _house()
    try:
        async with house.database.reading() as session:
            return await find(session)
    finally:
        await house.close()


async def _changing(change: Callable[[Session, UUID], Awaitable[None]], action: str, job_ids: tuple[UUID, ...]) -> None:
    house = _house()
    try:
        async with house.database.transaction() as session:
            for job_id in job_ids:
                await change(session, job_id)
                await identity.audit(session, SYSTEM, action, f"job:{job_id}", {})
    finally:
        await house.close()


def _house() -> House:
    return build_house(KernelSettings.load(), process="jobs")


def _plain(view: JobView) -> object:
    return to_jsonable_python(asdict(view))
