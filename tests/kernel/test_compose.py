"""A process is put together from manifests, whole or in part."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI

from tillhouse.apps.compose import build_house, chosen, create_app
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel.routes import endpoints
from tillhouse.kernel.settings import KernelSettings, SettingsError


def paths(app: FastAPI) -> set[str]:
    return {endpoint.path for endpoint in endpoints(app.routes)}


async def test_a_process_serves_the_modules_named_and_loads_the_others_as_libraries(settings: KernelSettings) -> None:
    house = build_house(settings, serve=["payments"])
    served = paths(create_app(house))
    await house.close()
    assert "/api/v1/payments/create-order" in served
    assert "/api/v1/auth/login" not in served
    assert {"identity", "ledger", "wallets"} <= {module.name for module in house.modules}
    assert "drivopay" not in {module.name for module in house.modules}


def test_what_plugs_a_port_is_loaded_with_whoever_declares_it() -> None:
    assert "channels" in [module.name for module in chosen(["identity"])]


def test_all_modules_come_after_what_they_require() -> None:
    names = [module.name for module in chosen()]
    for module in CATALOGUE:
        assert all(names.index(required) < names.index(module.name) for required in module.requires)


async def test_the_frameworks_telemetry_hears_of_no_request(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for provider in ("trace.get_tracer_provider", "metrics.get_meter_provider", "_logs.get_logger_provider"):
        monkeypatch.setattr(f"opentelemetry.{provider}", lambda provider=provider: asked.append(provider))
    assert (await client.get("/pay/some-order?token=secret")).status_code == 404
    assert (await client.post("/api/v1/auth/login", json={"password": 5})).status_code == 422
    assert asked == []


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(ValueError, match="no module is called drivepay"):
        chosen(["drivepay"])


def test_production_does_not_start_with_development_secrets(settings: KernelSettings) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        build_house(settings.model_copy(update={"environment": "production"}))


def test_a_process_without_a_database_says_how_to_get_one() -> None:
    with pytest.raises(SettingsError, match=r"start \./till up, or set DATABASE_URL"):
        build_house(KernelSettings(environment="test"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://x:y@127.0.0.1:1/z", "Connection refused"),
        ("notaurl", "write it as postgresql://"),
        ("mysql://root@127.0.0.1/z", "write it as postgresql://"),
    ],
)
def test_a_wrong_database_url_is_one_sentence_and_nothing_is_started(url: str, why: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tillhouse.apps.cli", "up", "--port", "18470", "--data", str(tmp_path)]
    found = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr.startswith("till: ")
    assert len(found.stderr.strip().splitlines()) == 1
    assert why in found.stderr
    assert "DATABASE_URL" in found.stderr


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"base_url": "http://pay.example"}, "https://"), ({"sandbox_url": "http://sandbox"}, "SANDBOX_URL stays empty")],
)
def test_production_does_not_start_without_https_or_with_a_sandbox(
    settings: KernelSettings, wrong: dict[str, str], why: str
) -> None:
    right = {
        "environment": "production",
        "secret_key": "k" * 32,
        "encryption_keys": (Fernet.generate_key().decode(),),
        "base_url": "https://pay.example",
        "sandbox_url": "",
    }
    with pytest.raises(SettingsError, match=why):
        build_house(settings.model_copy(update={**right, **wrong}), catalogue=())
