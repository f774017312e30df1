"""A house that is not in production answers to this machine alone, unless someone says otherwise, and then says so."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.work.fleet import free_port
from tillhouse.apps import cli
from tillhouse.apps.exposure import OpenHouse, is_loopback, open_houses, warning
from tillhouse.kernel.settings import KernelSettings

# A process that looks like `till serve` and listens, with nothing behind it.
LISTENS = """
import socket, sys
server = socket.create_server((sys.argv[-2], int(sys.argv[-1])))
print("listening", flush=True)
server.accept()
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_this_machine_alone_is_no_network(host: str) -> None:
    assert is_loopback(host)
    assert warning(KernelSettings(environment="development"), host, allowed=False) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "house.example"])
@pytest.mark.parametrize("environment", ["development", "test"])
def test_outside_production_a_network_is_refused_with_the_ways_out(environment: Any, host: str) -> None:
    with pytest.raises(OpenHouse) as refused:
        warning(KernelSettings(environment=environment), host, allowed=False)
    for way_out in ("ENVIRONMENT=production", "127.0.0.1", "--expose-development"):
        assert way_out in str(refused.value)


def test_production_listens_where_it_is_told() -> None:
    assert warning(KernelSettings(environment="production"), "0.0.0.0", allowed=False) is None


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that `till serve` would have listened on."""
    hosts: list[str] = []
    monkeypatch.setattr("uvicorn.run", lambda _app, *, host, **_: hosts.append(host))
    monkeypatch.setenv("ENVIRONMENT", "development")
    return hosts


def serve(*words: str) -> Result:
    return CliRunner().invoke(cli.till, ["serve", *words])


def test_serve_does_not_listen_on_a_network_in_development(listened: list[str]) -> None:
    refused = serve("--host", "0.0.0.0")
    assert isinstance(refused.exception, OpenHouse)
    assert listened == []


def test_serve_says_one_loud_line_where_it_was_told_to(listened: list[str]) -> None:
    done = serve("--host", "0.0.0.0", "--expose-development")
    (line,) = done.stderr.splitlines()
    assert line.startswith("WARNING: development, not production")
    assert listened == ["0.0.0.0"]


def test_serve_says_nothing_on_this_machine(listened: list[str]) -> None:
    assert serve().output == ""
    assert listened == ["127.0.0.1"]


def server(host: str, port: int, **env: str) -> Iterator[None]:
    words = [sys.executable, "-c", LISTENS, "tillhouse.apps.cli", "serve", host, str(port)]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        yield
        process.kill()


@pytest.mark.parametrize(
    ("host", "env", "found"),
    [
        ("0.0.0.0", {}, True),
        ("0.0.0.0", {"ENVIRONMENT": "development"}, True),
        ("0.0.0.0", {"ENVIRONMENT": "production"}, False),
        ("127.0.0.1", {}, False),
    ],
)
def test_a_process_that_answers_to_a_network_outside_production_is_found(
    host: str, env: dict[str, str], found: bool
) -> None:
    port = free_port()
    for _ in server(host, port, **env):
        assert (f"{host}:{port}" in set(open_houses(KernelSettings(environment="development")))) is found


def doctor(monkeypatch: pytest.MonkeyPatch, addresses: Sequence[str]) -> dict[str, Any]:
    monkeypatch.setattr("tillhouse.apps.commands.doctor.open_houses", lambda _settings: iter(addresses))
    findings = json.loads(CliRunner().invoke(cli.till, ["doctor", "--json"]).stdout)
    found: dict[str, Any] = next(one for one in findings if one["name"] == "open to the network")
    return found


def test_the_doctor_names_the_address_and_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = doctor(monkeypatch, ["0.0.0.0:8000", "0.0.0.0:8000"])
    assert not found["right"]
    assert found["says"].count("0.0.0.0:8000") == 1
    assert "ENVIRONMENT=production" in found["mend"]


def test_the_doctor_is_content_with_a_house_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor(monkeypatch, [])["right"]
