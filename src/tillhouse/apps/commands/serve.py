"""`till serve`: the web process."""

import os

import click
import uvicorn


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
def command(modules: tuple[str, ...], host: str, port: int) -> None:
    """Run the web process for all modules, or for the MODULES named (with what they require as libraries)."""
    os.environ["TILL_SERVE"] = ",".join(modules)
    uvicorn.run(
        "tillhouse.apps.asgi:app",
        factory=True,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
