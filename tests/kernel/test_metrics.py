"""Where a process without a web server shows its metrics, and to whom."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.work.fleet import free_port
from tillhouse.apps import relay as _relay  # noqa: F401  with the web process it has every metric of the house
from tillhouse.apps.commands import up
from tillhouse.apps.metrics import serve_metrics
from tillhouse.apps.supervise import SupervisorError
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.settings import KernelSettings, SettingsError

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "watch-it.md"


def serving(token: str = "", host: str = "") -> Iterator[str]:
    port = free_port()
    server = serve_metrics(KernelSettings(metrics_listen=f"{host}{port}", metrics_token=token))
    assert server
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_to_this_machine() -> Iterator[str]:
    yield from serving()


@pytest.fixture
def with_a_token() -> Iterator[str]:
    yield from serving(token="scrape-me", host="0.0.0.0:")


def test_a_worker_or_relay_shows_its_metrics_where_the_setting_says(open_to_this_machine: str) -> None:
    answer = httpx.get(f"{open_to_this_machine}/metrics")
    assert answer.status_code == 200
    assert "# TYPE job_seconds histogram" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert httpx.get(f"{open_to_this_machine}/").status_code == 404


def test_with_a_token_only_who_sends_it_may_read(with_a_token: str) -> None:
    address = f"{with_a_token}/metrics"
    assert httpx.get(address).status_code == 404
    assert httpx.get(address, headers={"Authorization": "Bearer guess"}).status_code == 404
    assert httpx.get(address, headers={"Authorization": "Bearer scrape-me"}).status_code == 200


def test_as_a_rule_nothing_listens() -> None:
    assert serve_metrics(KernelSettings()) is None


def test_an_address_that_is_taken_is_one_sentence(open_to_this_machine: str) -> None:
    port = open_to_this_machine.rpartition(":")[2]
    with pytest.raises(SettingsError, match="each process needs a port of its own"):
        serve_metrics(KernelSettings(metrics_listen=port))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("9101", ("127.0.0.1", 9101)),
        ("0.0.0.0:9101", ("0.0.0.0", 9101)),
        ("[::1]:9101", ("::1", 9101)),
    ],
)
def test_an_address_is_a_port_or_a_host_with_one(listen: str, address: tuple[str, int] | None) -> None:
    assert KernelSettings(metrics_listen=listen).metrics_address == address


@pytest.mark.parametrize("listen", ["here", "127.0.0.1", "127.0.0.1:0", "70000", ":"])
def test_what_is_no_address_is_refused(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_LISTEN", listen)
    with pytest.raises(SettingsError, match=r"METRICS_LISTEN: .*write it as 9101"):
        KernelSettings.load()


def test_under_up_worker_and_relay_get_ports_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METRICS_LISTEN", "9101")
    specs = {spec.name: spec.env for spec in up._processes(8000, tmp_path, up._addresses(8000), up._metrics())}
    assert specs["worker"]["METRICS_LISTEN"] == "127.0.0.1:9101"
    assert specs["relay"]["METRICS_LISTEN"] == "127.0.0.1:9102"


def test_under_up_nothing_more_than_three_ports_is_taken_unless_asked(tmp_path: Path) -> None:
    specs = up._processes(8000, tmp_path, up._addresses(8000), up._metrics())
    assert all("METRICS_LISTEN" not in spec.env for spec in specs)


def test_a_port_that_two_want_is_named() -> None:
    port = free_port()
    with pytest.raises(SupervisorError, match=f"Port {port} is wanted twice"):
        up._check_ports([port, port])


def test_the_guide_names_every_metric_of_the_house_and_no_other() -> None:
    for module in CATALOGUE:  # loaded with what they count
        module.jobs(), module.handlers(), module.api and module.api(), module.pages and module.pages()
    ours = {metric.name for metric in REGISTRY.collect() if not metric.name.startswith(("python_", "process_"))}
    named = {
        name.removesuffix("_total")
        for name in re.findall(r"^\| `([a-z_]+)`", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named == ours
