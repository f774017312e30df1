"""Settings: one frozen pydantic class per module, each with its own prefix. Nothing else reads the environment.

A setting is looked for, in this order, under `<PREFIX>_<NAME>`, the aliases it declares, and each of those with `_FILE`
appended (the file holds the value: the way containers hand over secrets). A `.env` file in the working folder fills in
what the environment leaves out. In production a secret that still has its development default is refused.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_origin

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tillhouse.kernel.errors import DomainError


class SettingsError(DomainError):
    """The environment does not make a runnable configuration. The sentence names each setting and what it should be."""

    code = "bad_settings"
    status = 500


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """What is known of one setting: for the generated reference, `.env.example` and the check of production."""

    name: str
    aliases: tuple[str, ...]
    default: str
    secret: bool
    development_only: bool
    description: str


# pydantic's Field is typed to return Any, so that the annotation beside it decides: the same holds here.
def setting(
    default: object,
    description: str,
    *,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    development_only: bool = False,
) -> Any:
    """Declare a setting.

    `aliases` are other names it is accepted under; production refuses a `development_only` default.
    """
    extra: dict[str, Any] = {"secret": secret, "development_only": development_only}
    return Field(
        default=default,
        description=description,
        repr=not secret,
        validation_alias=AliasChoices(*aliases) if aliases else None,
        json_schema_extra=extra,
    )


class ModuleSettings(BaseSettings):
    """Base of every module's settings. Subclasses set `prefix`."""

    prefix: ClassVar[str]

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=True)

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment. Raises `SettingsError` naming every wrong one at once."""
        try:
            return cls()
        except ValidationError as error:
            lines = [f"{cls.environment_name(str(e['loc'][0]))}: {e['msg']}" for e in error.errors()]
            raise SettingsError("; ".join(lines).replace("{", "{{").replace("}", "}}")) from None

    @classmethod
    def facts(cls) -> Iterator[SettingFacts]:
        """Every setting of this module, in the order of declaration."""
        for field_name, field in cls.model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            yield SettingFacts(
                name=cls.environment_name(field_name),
                aliases=_aliases(field),
                default="" if field.default is None else str(field.default),
                secret=bool(extra.get("secret")),
                development_only=bool(extra.get("development_only")),
                description=field.description or "",
            )

    def development_defaults(self) -> list[str]:
        """Names of the settings whose value is still the default that only development may use."""
        names = []
        for field_name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            only_development = isinstance(extra, dict) and extra.get("development_only")
            if only_development and getattr(self, field_name) == field.default:
                names.append(self.environment_name(field_name))
        return names

    @classmethod
    def environment_name(cls, field_name: str) -> str:
        """What the environment calls a field: `PREFIX_FIELD`."""
        return f"{cls.prefix}_{field_name}".upper().lstrip("_")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _EnvironmentSource(cls)


def environment() -> Mapping[str, str]:
    """The process environment over what a `.env` file in the working folder says."""
    path = Path(".env")
    from_file = {k: v for k, v in dotenv_values(path).items() if v is not None} if path.is_file() else {}
    return {**from_file, **os.environ}


class _EnvironmentSource(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[ModuleSettings]) -> None:
        super().__init__(settings_cls)
        self._cls = settings_cls

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ below reads all fields at once

    def __call__(self) -> dict[str, Any]:
        values = environment()
        found: dict[str, Any] = {}
        for field_name, field in self._cls.model_fields.items():
            for name in (self._cls.environment_name(field_name), *_aliases(field)):
                value = _read(values, name)
                if value is not None:
                    found[field_name] = _as_list(value) if _is_list(field) else value
                    break
        return found


def _read(values: Mapping[str, str], name: str) -> str | None:
    if name in values:
        return values[name]
    if file := values.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError("{name} cannot be read: {reason}", name=f"{name}_FILE", reason=str(error)) from None
    return None


def _aliases(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    return tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else ()


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) in (tuple, list)


def _as_list(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


_SHORTEST_KEY = 32


class KernelSettings(ModuleSettings):
    """What every process of the house is told."""

    prefix = ""

    environment: Literal["development", "test", "production"] = setting(
        "development",
        "development, test or production; production refuses development secrets.",
        aliases=("NODE_ENV",),
    )
    database_url: str = setting("", "PostgreSQL 16 or newer, as the app role. Empty: the embedded server in `.till/`.")
    database_owner_url: str = setting(
        "",
        "The same database as the role that owns the tables; used by migrations alone. Empty: DATABASE_URL.",
        secret=True,
    )
    database_pool: int = setting(10, "Most connections one process keeps open.", aliases=("DB_POOL_MAX",))
    broker_url: str = setting("", "Celery's broker: redis://…, amqp://…, … Empty: the database itself (pgmq).")
    redis_url: str = setting(
        "", "Redis for rate limits shared between web processes. Empty: each process counts alone."
    )
    live_connections: int = setting(5_000, "Most WebSockets that one web process keeps open.")
    live_connections_per_person: int = setting(10, "Most WebSockets of one person in one web process.")
    base_url: str = setting("http://127.0.0.1:8000", "Where people reach the house; used in links of messages.")
    sandbox_url: str = setting("", "Where the sandbox of the providers answers. Empty: there is none.")
    secret_key: str = setting(
        "development-only-secret-key",
        "Signs tokens and codes; 32 random characters or more.",
        aliases=("JWT_SECRET", "NEXTAUTH_SECRET"),
        secret=True,
        development_only=True,
    )
    encryption_keys: tuple[str, ...] = setting(
        ("ZGV2ZWxvcG1lbnQtb25seS1lbmNyeXB0aW9uLWtleTA=",),
        "Fernet keys for encrypted columns, newest first, separated by commas: the first writes, all read.",
        secret=True,
        development_only=True,
    )
    cors_origins: tuple[str, ...] = setting(
        (), "Origins whose pages may call the API, separated by commas.", aliases=("CORS_ORIGIN",)
    )
    log_level: str = setting("info", "debug, info, warning or error.", aliases=("LOG_LEVEL",))
    log_format: Literal["json", "text"] = setting("json", "json for machines, text for eyes.", aliases=("LOG_FORMAT",))
    metrics_token: str = setting("", "Bearer token that may read /metrics. Empty: this machine alone may.", secret=True)
    metrics_listen: str = setting(
        "", "Where worker and relay answer /metrics: a port of 127.0.0.1, or host:port. Empty: nowhere."
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "Addresses of proxies whose X-Forwarded-For is believed, separated by commas."
    )
    data_folder: str = setting(".till", "Where the embedded database, stored files and logs live.")

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _is_postgresql(cls, url: str) -> str:
        """Anything else would fail later, and less clearly."""
        if url and not url.partition("://")[0].startswith("postgres"):
            raise ValueError("write it as postgresql://user:password@host:5432/database")
        return url

    @field_validator("metrics_listen")
    @classmethod
    def _is_address(cls, listen: str) -> str:
        _host_and_port(listen)
        return listen

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of `metrics_listen`; None when it is empty."""
        return _host_and_port(self.metrics_listen)

    def address(self, path: str) -> str:
        """Where people reach `path` (which begins with a slash) of the house."""
        return self.base_url.rstrip("/") + path

    @property
    def production(self) -> bool:
        return self.environment == "production"


def _host_and_port(listen: str) -> tuple[str, int] | None:
    host, _, port = listen.rpartition(":")
    if not listen:
        return None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("write it as 9101 or 0.0.0.0:9101")
    return host.strip("[]") or "127.0.0.1", int(port)


def refuse_development_defaults(all_settings: list[ModuleSettings]) -> None:
    """Raise `SettingsError` naming every setting that must not keep its development default in production.

    Whoever guesses the secret key signs tokens for anyone: a short one is refused too.
    """
    names = [name for settings in all_settings for name in settings.development_defaults()]
    if names:
        raise SettingsError(
            "In production these need values of their own: {names}. See docs/reference/settings.md.",
            names=", ".join(names),
        )
    if any(isinstance(found, KernelSettings) and len(found.secret_key) < _SHORTEST_KEY for found in all_settings):
        raise SettingsError("In production SECRET_KEY needs 32 random characters or more.")
