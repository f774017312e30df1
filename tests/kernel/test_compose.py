"""A process is put together from manifests, whole or in part."""

import pytest
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


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(ValueError, match="no module is called drivepay"):
        chosen(["drivepay"])


def test_production_does_not_start_with_development_secrets(settings: KernelSettings) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        build_house(settings.model_copy(update={"environment": "production"}))
