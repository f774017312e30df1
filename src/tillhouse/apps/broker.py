"""Celery and kombu: the only file that knows them.

A message says "run job <id>" and nothing more; the jobs table knows the rest. So a message may be lost (the relay sends
it again) or come twice (the second finds nothing to claim), and the broker need not be durable.

`BROKER_URL` chooses: empty, the house's own PostgreSQL with pgmq; redis://…, amqp://… and kombu's other transports.
"""

import logging
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

import psycopg
from celery import Celery
from celery.worker import state as celery_state
from kombu.asynchronous import set_event_loop
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import pgmq as kombu_pgmq
from pgmq import PGMQueue
from psycopg import sql
from psycopg_pool import ConnectionPool

from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work.registry import queue_of
from tillhouse.kernel.work.store import DueJob

RUN_JOB = "till.run_job"
SENT = "till_sent"  # the channel on which the relay tells workers of the embedded broker to look

_PREFETCH = 16
_INVISIBLE_SECONDS = 60  # a message whose worker died comes back; the lease, not this, decides when the job may run
_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(SENT))
_BUSY_SECONDS = 0.01
_IDLE_SECONDS = 1.0
_EMBEDDED = "till-pgmq"
_log = logging.getLogger("tillhouse.broker")


def make_app(settings: KernelSettings) -> Celery:
    """A Celery app that only carries messages: no results, no events, no remote control."""
    embedded = not settings.broker_url
    app = Celery("tillhouse", broker=f"{_EMBEDDED}://database" if embedded else settings.broker_url)
    app.conf.update(
        broker_transport_options=_embedded_options(settings) if embedded else _options(settings.broker_url),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_send_sent_event=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_prefetch_multiplier=1,
        enable_utc=True,
    )
    return app


class Sender:
    """Sends messages; blocking, so call it in a thread."""

    def __init__(self, settings: KernelSettings) -> None:
        self._app = make_app(settings)

    def send(self, jobs: Sequence[DueJob]) -> Sequence[DueJob]:
        """Send one message for each job. Returns those that could not be sent, or perhaps were not."""
        sent = 0
        try:
            with self._app.producer_pool.acquire(block=True) as producer, _together(producer.channel) as kept:
                for job in jobs:
                    self._app.send_task(
                        RUN_JOB, args=[str(job.id)], queue=queue_of(job.name, job.lane), producer=producer, retry=False
                    )
                    sent += not kept
        except (OperationalError, psycopg.Error, OSError) as error:
            _log.warning("the broker cannot be reached: %s", type(error).__name__)
            self._app.pool.force_close_all()  # type: ignore[attr-defined]  # the stubs take it for the producers' pool
            return jobs[sent:]
        return ()

    def close(self) -> None:
        """Let go of the broker: its connections have threads, which the process would wait for at its end."""
        self._app.pool.force_close_all()  # type: ignore[attr-defined]  # see above
        self._app.close()


class Consumer:
    """Takes messages from queues and hands each job id to `run`, in as many threads as may run at once."""

    def __init__(
        self, settings: KernelSettings, queues: Sequence[str], threads: int, run: Callable[[str], None]
    ) -> None:
        def run_job(job_id: str) -> None:  # Celery makes a class of its name
            run(job_id)

        app = make_app(settings)
        app.set_default()  # Celery's threads look for it there
        app.task(name=RUN_JOB, shared=False)(run_job)
        app.conf.worker_prefetch_multiplier = max(1, _PREFETCH // threads)
        set_event_loop(None)  # each consumer gets a hub of its own: kombu keeps the last one made
        self._worker = app.WorkController(
            app=app,
            pool_cls="threads",
            concurrency=threads,
            queues=list(queues),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            task_events=False,
            loglevel="WARNING",
        )

    def serve(self) -> None:
        """Take and run until `stop`; then let what runs end. Comes back by itself when the broker was away."""
        self._worker.start()

    @staticmethod
    def stop() -> None:
        """Take no more. May be called from a signal handler."""
        celery_state.should_stop = 0  # type: ignore[assignment]  # an exit code; the stubs know its first value alone


@contextmanager
def _together(channel: object) -> Iterator[bool]:
    """Whether the messages of the block are kept, to be put into their queues at its end."""
    if isinstance(channel, EmbeddedChannel):
        with channel.together():
            yield True
    else:
        yield False


def _options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {"visibility_timeout": _INVISIBLE_SECONDS}
    if url.startswith(("redis", "sentinel")):
        options |= {"socket_timeout": 5, "socket_connect_timeout": 2, "global_keyprefix": "till:"}
    return options


def _embedded_options(settings: KernelSettings) -> dict[str, Any]:
    return {
        "conn_string": plain_dsn(settings.database_url),
        "visibility_timeout": _INVISIBLE_SECONDS,
        "wait_time_seconds": 0,
        "init_extension": False,
    }


class EmbeddedChannel(kombu_pgmq.Channel):
    """kombu's, which can put many messages into a queue in one statement."""

    _kept: dict[str, list[dict[str, Any]]] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep what is sent in the block, and send it at its end: a statement for each queue."""
        kept: dict[str, list[dict[str, Any]]] = {}
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
        for queue, messages in kept.items():
            self.pgmq.send_batch(self._queue_name(queue), messages)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        if self._kept is None:
            super()._put(queue, message, **kwargs)  # type: ignore[no-untyped-call]  # kombu has no types here
        else:
            self._kept.setdefault(queue, []).append(message)


# The transport polls each queue in turn. Polling ten queues every 10 ms would keep the database busy for nothing, so an
# idle worker waits for the relay's NOTIFY and only a busy one polls.
class EmbeddedTransport(kombu_pgmq.Transport):
    """kombu's pgmq on the house's own PostgreSQL: wakes by NOTIFY, and does not wait for the disk."""

    Channel = EmbeddedChannel

    _waiter: "psycopg.Connection[Any] | None" = None

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> None:
        """Hand over what waits, or wait a little. Raises `TimeoutError` when there was nothing."""
        assert self.cycle is not None
        try:
            self.cycle.get(self._deliver)
        except Empty:
            if self._busy():
                time.sleep(_BUSY_SECONDS)
            else:
                self._wait()
            raise TimeoutError from None

    def close_connection(self, connection: Any) -> None:
        pool = self._pgmq_client.pool if self._pgmq_client else None
        super().close_connection(connection)
        if pool:
            pool.close()
        if self._waiter:
            self._waiter.close()
            self._waiter = None

    def verify_connection(self, connection: Any) -> bool:
        """Asked before every read, which itself finds out."""
        return True

    def _busy(self) -> bool:
        """Whether a message is in hand: its end must be written soon."""
        for channel in self.channels or ():
            room = channel.qos.can_consume_max_estimate()
            if room is not None and room < channel.qos.prefetch_count:
                return True
        return False

    def _wait(self) -> None:
        if self._waiter is None:
            self._waiter = psycopg.connect(self._dsn, autocommit=True)
            self._waiter.execute(_LISTEN)
            return  # what was sent before we listened is looked for at once
        ready, _, _ = select.select([self._waiter.fileno()], [], [], _IDLE_SECONDS)
        if ready:
            for _ in self._waiter.notifies(timeout=0):
                pass

    @property
    def _dsn(self) -> str:
        assert self.client is not None
        options: dict[str, str] = self.client.transport_options or {}
        return options["conn_string"]

    def _create_pgmq_client(self) -> PGMQueue:
        pool = ConnectionPool(
            self._dsn,
            # Losing a message is harmless, waiting for the disk on each is not.
            kwargs={"options": "-c synchronous_commit=off", "application_name": "tillhouse-broker"},
            min_size=1,
            max_size=2,
            timeout=5.0,
            open=True,
        )
        return PGMQueue(pool=pool, vt=_INVISIBLE_SECONDS, init_extension=False)


TRANSPORT_ALIASES[_EMBEDDED] = f"{__name__}:EmbeddedTransport"
