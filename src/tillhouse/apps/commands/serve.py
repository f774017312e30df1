"""`till serve`: the web process."""

import os
from collections.abc import Mapping
from typing import Any

import click
import uvicorn

from tillhouse.apps import exposure
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.sockets import LARGEST_MESSAGE

# How uvicorn serves. Messages over WebSockets are small, and each connection that compresses keeps a window of memory.
OPTIONS: Mapping[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 5,
    "ws_max_size": 16 * LARGEST_MESSAGE,
    "ws_per_message_deflate": False,
}


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--expose-development", is_flag=True, help="Answer to a network although this is not production.")
def command(modules: tuple[str, ...], host: str, port: int, expose_development: bool) -> None:
    """Run the web process for all modules, or for the MODULES named (with what they require as libraries)."""
    if said := exposure.warning(KernelSettings.load(), host, allowed=expose_development):
        click.secho(said, fg="red", bold=True, err=True)
    os.environ["TILL_SERVE"] = ",".join(modules)
    uvicorn.run(
        "tillhouse.apps.asgi:app",
        factory=True,
        host=host,
        port=port,
        **OPTIONS,
    )
