"""The house split by process, as it is run on many machines: same code, same database, a deposit across all of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from selenium import webdriver

from tests.e2e.conftest import ROOT, START_SECONDS, Screen, Town, free_ports
from tests.e2e.edge import Edge
from tests.e2e.test_journey import HOME, add_money, pay_in_checkout
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.catalogue import CATALOGUE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FRONT, TILL = ("identity", "drivopay", "wallets", "ledger", "channels", "files"), ("payments",)
WORKERS = [module.name for module in CATALOGUE if module.jobs() or module.handlers()]


@dataclass
class Split:
    """The processes of a split house, by name, and where they answer."""

    town: Town
    addresses: Mapping[str, str]

    def counted(self, process: str, metric: str, **labels: str) -> float:
        """The sum of a metric's samples in one process that have these labels."""
        lines = httpx.get(f"{self.addresses[process]}/metrics").raise_for_status().text.splitlines()
        wanted = [f'{name}="{value}"' for name, value in labels.items()]
        found = [line for line in lines if line.startswith(f"{metric}{{") and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def jobs_done(self, worker: str, job: str) -> float:
        return self.counted(worker, "job_seconds_count", job=job, outcome="done")


class Fleet:
    """Starts processes that end with it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder, self._env = folder, dict(env)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str, module: str = "tillhouse.apps.cli", **more: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *words], cwd=self._folder, env={**self._env, **more},
                stdout=log, stderr=log,
            )  # fmt: skip

    def once(self, name: str, *words: str, **more: str) -> None:
        self.start(name, *words, **more)
        assert self._running.pop(name).wait(START_SECONDS) == 0, self.log(name)

    def await_answers(self, urls: Sequence[str]) -> None:
        end = time.monotonic() + START_SECONDS
        for url in urls:
            while not _answers(url):
                for name, process in self._running.items():
                    assert process.poll() is None, self.log(name)
                assert time.monotonic() < end, f"{url} does not answer"
                time.sleep(0.1)  # between two looks at something that has no other sign of being ready

    def end(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait(20)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """Two web processes behind an edge, a worker for each module, the relay, the sandbox."""
    folder = tmp_path_factory.mktemp("split")
    names = ["edge", "front", "till", "sandbox", "smtp", "relay", *WORKERS]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
        fleet = Fleet(folder, _environment(postgres, addresses, ports["smtp"], folder))
        stack.callback(fleet.end)
        fleet.start(
            "sandbox", "--port", str(ports["sandbox"]), "--smtp-port", str(ports["smtp"]), "--web", addresses["edge"],
            module="tillhouse.sandbox",
        )  # fmt: skip
        fleet.once("migrate", "migrate", DATABASE_OWNER_URL=postgres.owner_url)
        fleet.start("front", "serve", *FRONT, "--port", str(ports["front"]))
        fleet.start("till", "serve", *TILL, "--port", str(ports["till"]))
        fleet.start("relay", "relay", METRICS_LISTEN=str(ports["relay"]))
        for name in WORKERS:
            fleet.start(name, "worker", name, METRICS_LISTEN=str(ports[name]))
        fleet.await_answers([f"{addresses[name]}/health/ready" for name in ("front", "till")])
        fleet.await_answers([f"{addresses[name]}/metrics" for name in ("relay", *WORKERS)])
        stack.enter_context(Edge({addresses["front"]: FRONT, addresses["till"]: TILL}).serving(ports["edge"]))
        fleet.await_answers([f"{addresses['edge']}/health/live"])
        yield Split(Town(addresses["edge"], addresses["sandbox"]), addresses)


def _environment(
    postgres: EmbeddedPostgres, addresses: Mapping[str, str], smtp: int, folder: Path
) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "USER")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "DATABASE_URL": postgres.app_url,
        "BASE_URL": addresses["edge"],
        "SANDBOX_URL": addresses["sandbox"],
        "SMTP_PORT": str(smtp),
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATA_FOLDER": str(folder / "data"),
    }


def test_a_deposit_goes_through_every_process(split: Split, chromium: webdriver.Chrome) -> None:
    screen = Screen(chromium, split.town)
    screen.set_up()
    screen.go("/register?next=/drivopay/home")
    screen.register(HOME)
    add_money(screen, "250")
    pay_in_checkout(screen)
    screen.find('.dp-outcome-mark[data-tone="success"]')
    order_id = screen.where.split("/")[3]
    screen.go(f"/payments/{order_id}/receipt")  # a page of the process that takes payments
    screen.reads("main", "250.00")
    screen.go(HOME)
    screen.reads(".dp-wallet .stat-value", "250.00")
    screen.go("/account")
    screen.find('form[action="/account/sessions/sign-out"] button')
    assert screen.complaints() == []

    assert split.jobs_done("identity", "identity.answer_challenge") >= 1
    assert split.jobs_done("channels", "channels.send_message") >= 1
    assert split.jobs_done("payments", "payments.handle_event") >= 1
    assert split.counted("relay", "relay_messages_total", outcome="sent") >= 3


@pytest.mark.parametrize(
    ("path", "home"),
    [("/drivopay/home", "front"), ("/api/v1/wallets", "front"), (f"/payments/{UUID(int=1)}/receipt", "till")],
)
def test_a_process_answers_for_its_own_modules_alone(split: Split, path: str, home: str) -> None:
    found = {name: httpx.get(split.addresses[name] + path).status_code for name in ("front", "till", "edge")}
    other = "till" if home == "front" else "front"
    assert found[other] == 404
    assert found["edge"] == found[home] != 404
