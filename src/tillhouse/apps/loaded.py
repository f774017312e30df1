"""Imports what the processes of a whole house import, for `supervise.Nursery` to fork them from.

Nothing is opened: the house that is built here for its imports and its routes has no connection, and is let go.
"""

from contextlib import suppress

from tillhouse.apps import asgi, compose, relay, runtime, worker
from tillhouse.apps.commands import demo, migrate, serve
from tillhouse.kernel.settings import KernelSettings, SettingsError

_NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"

_ = (asgi, demo, migrate, relay, serve, worker)

with suppress(SettingsError):  # the process whose setting it is says so under its own name
    compose.create_app(compose.build_house(KernelSettings.load().model_copy(update={"database_url": _NOWHERE})))

runtime.keep_out_of_collections()
