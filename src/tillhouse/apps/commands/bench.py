"""`till bench`: measure this machine, and us against our peers. The benchmarks come with the source, not the wheel."""

import subprocess
import sys
from collections.abc import Sequence

import click

from tillhouse.apps.revisions import MIGRATIONS

_ROOT = MIGRATIONS.parent
_PASSED_ON = {"ignore_unknown_options": True}  # each has options of its own, --help among them


@click.group()
def command() -> None:
    """Run a benchmark on a server of its own; `till bench ledger --help` says what it can be told."""


@command.command("ledger", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def ledger(options: tuple[str, ...]) -> None:
    """Postings: bulks, singles, over HTTP, on one hot account; against COPY and our peers."""
    _run("bench.ledger", options)


@command.command("payments", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def payments(options: tuple[str, ...]) -> None:
    """Events of providers: verified, stored and answered; and how long until they are settled."""
    _run("bench.payments", options)


@command.command("jobs", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def jobs(options: tuple[str, ...]) -> None:
    """Background jobs: how many a second, and how long each takes from commit to done."""
    _run("bench.jobs", options)


@command.command("documents", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def documents(options: tuple[str, ...]) -> None:
    """Papers as PDF: the first, each kind warm, long ones, many at once, and the memory they take."""
    _run("bench.documents", options)


@command.command("retrieval", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def retrieval(options: tuple[str, ...]) -> None:
    """Search in documents: nDCG@10 and recall@10 on a folder in BEIR's format, by words, by meaning, and both."""
    _run("bench.retrieval", options)


@command.command("ai", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def ai(options: tuple[str, ...]) -> None:
    """The embedded defaults of ai, from quotes to metering: cold start, throughput, latency, memory."""
    _run("bench.ai", options)


@command.command("files", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def files(options: tuple[str, ...]) -> None:
    """Uploads, downloads, pictures and recordings: how fast, and with how much memory."""
    _run("bench.files", options)


@command.command("start", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def start(options: tuple[str, ...]) -> None:
    """The whole house: how soon its first page is there, and how much memory all of it holds."""
    _run("bench.start", options)


@command.command("chaos", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def chaos(options: tuple[str, ...]) -> None:
    """The whole house under mixed load while its processes are killed: nothing lost, double or stuck."""
    _run("bench.chaos", options)


@command.command("channels", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def channels(options: tuple[str, ...]) -> None:
    """Webhooks of a chat: how fast they are answered at a steady rate, and how long until they are in the house."""
    _run("bench.channels", options)


@command.command("mutation", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def mutation(options: tuple[str, ...]) -> None:
    """The tests themselves: how many small changes to the code that moves money they notice."""
    _run("bench.mutation", options)


def _run(module: str, options: Sequence[str]) -> None:
    if not (_ROOT / "bench").is_dir():
        raise click.ClickException("The benchmarks are part of the source: run this in a checkout.")
    sys.exit(subprocess.call([sys.executable, "-m", module, *options], cwd=_ROOT))  # noqa: S603  # one of ours
