"""`/metrics` of a process that has no web server: worker and relay, where METRICS_LISTEN says."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tillhouse.kernel.metrics import may_scrape
from tillhouse.kernel.settings import KernelSettings, SettingsError


def serve_metrics(settings: KernelSettings) -> ThreadingHTTPServer | None:
    """Answer from a thread of its own until the process ends; None where nothing is to be served.

    Raises `SettingsError` when the address cannot be had.
    """
    address = settings.metrics_address
    if address is None:
        return None
    try:
        server = _Server(address, _handler(settings.metrics_token))
    except OSError as error:
        raise SettingsError(
            "METRICS_LISTEN: {address} cannot be listened on ({reason}); each process needs a port of its own.",
            address=settings.metrics_listen,
            reason=error.strerror or str(error),
        ) from None
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)


def _handler(token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds for a caller to say what it wants
        server_version, sys_version = "till", ""

        def do_GET(self) -> None:
            """Whoever may not read learns no more than that there is nothing."""
            allowed = may_scrape(token, self.headers.get("Authorization", ""), self.client_address[0])
            if self.path != "/metrics" or not allowed:
                self.send_error(404)
                return
            body = generate_latest()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the standard library's
            """A scrape every few seconds is no news."""

    return Handler
