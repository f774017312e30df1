from pathlib import Path
from typing import ClassVar

import pytest

from tillhouse.kernel.settings import (
    KernelSettings,
    ModuleSettings,
    SettingsError,
    refuse_development_defaults,
    setting,
)


class ShopSettings(ModuleSettings):
    prefix: ClassVar[str] = "SHOP"

    key: str = setting("dev-key", "Signs things.", aliases=("LEGACY_KEY",), secret=True, development_only=True)
    limit: int = setting(5, "How many.")
    regions: tuple[str, ...] = setting((), "Where.")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_setting_is_read_under_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_LIMIT", "7")
    monkeypatch.setenv("SHOP_REGIONS", "in, th")
    assert (ShopSettings.load().limit, ShopSettings.load().regions) == (7, ("in", "th"))


def test_an_alias_of_the_seeds_is_accepted_and_the_own_name_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEGACY_KEY", "old")
    assert ShopSettings.load().key == "old"
    monkeypatch.setenv("SHOP_KEY", "new")
    assert ShopSettings.load().key == "new"


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("SHOP_KEY_FILE", str(tmp_path / "key"))
    assert ShopSettings.load().key == "from-file"


def test_a_missing_secret_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY_FILE", "/nowhere/key")
    with pytest.raises(SettingsError, match="SHOP_KEY_FILE"):
        ShopSettings.load()


def test_a_dot_env_file_fills_in_what_the_environment_leaves_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SHOP_LIMIT=9\nSHOP_KEY=file\n")
    monkeypatch.setenv("SHOP_KEY", "environment")
    assert (ShopSettings.load().limit, ShopSettings.load().key) == (9, "environment")


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "staging")
    monkeypatch.setenv("DATABASE_POOL", "many")
    with pytest.raises(SettingsError) as refusal:
        KernelSettings.load()
    assert "ENVIRONMENT" in str(refusal.value)
    assert "DATABASE_POOL" in str(refusal.value)


def test_production_refuses_development_secrets_and_names_them() -> None:
    with pytest.raises(SettingsError, match=r"SECRET_KEY, ENCRYPTION_KEYS, SHOP_KEY"):
        refuse_development_defaults([KernelSettings(environment="production"), ShopSettings()])


def test_a_secret_is_not_shown_when_settings_are_printed() -> None:
    assert "dev-key" not in repr(ShopSettings())
