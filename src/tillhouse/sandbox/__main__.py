"""`python -m tillhouse.sandbox`: the sandbox as a server of its own, on this machine only."""

import argparse
import sqlite3

import uvicorn

from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings


def main() -> None:
    """Read the arguments (the environment's `SANDBOX_*` for the rest) and serve until stopped."""
    parser = argparse.ArgumentParser(prog="tillhouse.sandbox", description="Plays the outside world for Tillhouse.")
    parser.add_argument("--port", type=int, default=8001, help="port of the sandbox (default 8001)")
    parser.add_argument("--smtp-port", type=int, help="port of its SMTP server (default: none)")
    parser.add_argument("--state", help="SQLite file that holds its memory (default: in memory)")
    parser.add_argument("--web", help="base URL of the app that webhooks are sent to")
    arguments = parser.parse_args()
    given = {name: getattr(arguments, name) for name in ("smtp_port", "state", "web")}
    given["twilio_media_base"] = f"http://127.0.0.1:{arguments.port}"
    settings = SandboxSettings(**{name: value for name, value in given.items() if value is not None})
    try:
        sandbox = create_sandbox(settings)
    except sqlite3.DatabaseError as error:
        parser.error(
            f"cannot use the state file {settings.state}: {error}. Name another with --state, or move it away."
        )
    uvicorn.run(sandbox, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
