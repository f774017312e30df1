"""Stores that are played: S3 by moto's server, Azure by Azurite, each behind a door that can ail."""

import base64
import hashlib
import hmac
import itertools
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from tests.parts.files import azurite

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
_HOP = {"connection", "keep-alive", "transfer-encoding"}
_numbers = itertools.count(1)


class Ailing:
    """A store that answers the `next` calls about objects with these statuses, or `always` with one.

    `sends` is how many bytes of an object go over one line before it breaks, or, when it `stalls`, stays open mute.
    """

    def __init__(self, well: Application) -> None:
        self._well = well
        self.next: list[int] = []
        self.always: int | None = None
        self.refused = 0
        self.sends: int | None = None
        self.stalls = False
        self.cuts = 0
        self._over = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        about_object = re.search(r"/house\d+/.", environ["PATH_INFO"])
        status = (self.next.pop(0) if self.next else self.always) if about_object else None
        if status is None:
            answer = self._well(environ, start_response)
            cut = about_object and self.sends is not None and environ["REQUEST_METHOD"] == "GET"
            return self._cut(b"".join(answer)) if cut else answer
        self.refused += 1
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(f"{status} Later", [("Content-Length", "0")])
        return [b""]

    def _cut(self, content: bytes) -> Iterator[bytes]:
        assert self.sends is not None
        yield content[: self.sends]
        if len(content) > self.sends:
            self.cuts += 1
            if self.stalls:
                self._over.wait(20)

    def recover(self) -> None:
        self._over.set()
        self._over = threading.Event()
        self.next, self.always, self.refused = [], None, 0
        self.sends, self.stalls, self.cuts = None, False, 0


class Played(ABC):
    """A store that listens on loopback, in which each test has a bucket of its own."""

    def __init__(self, ailing: Ailing, address: str) -> None:
        self.ailing, self.address = ailing, address
        self.bucket = ""

    def begin(self) -> dict[str, str]:
        """Make a bucket, empty and well; the settings of a house that keeps its files there."""
        self.bucket = f"house{next(_numbers)}"
        self.ailing.recover()
        self.make()
        return self.settings()

    @abstractmethod
    def make(self) -> None: ...

    @abstractmethod
    def settings(self) -> dict[str, str]: ...

    @abstractmethod
    def keys(self) -> list[str]:
        """What is in the bucket, as the store itself lists it."""


class S3(Played):
    def make(self) -> None:
        httpx.put(f"{self.address}/{self.bucket}", timeout=60).raise_for_status()

    def settings(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "FILES_URL": f"s3://{self.bucket}",
        }  # fmt: skip

    def keys(self) -> list[str]:
        listing = httpx.get(f"{self.address}/{self.bucket}?list-type=2", timeout=60).raise_for_status()
        return re.findall("<Key>(.*?)</Key>", listing.text)


class Azure(Played):
    account = "devstoreaccount1"  # Azurite's own, with the key that its documentation names
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def make(self) -> None:
        self._ask("PUT")

    def settings(self) -> dict[str, str]:
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": self.address,
            "AZURE_STORAGE_ACCOUNT_NAME": self.account, "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "FILES_URL": f"az://{self.bucket}",
        }  # fmt: skip

    def keys(self) -> list[str]:
        return re.findall("<Name>(.*?)</Name>", self._ask("GET", comp="list").text)

    def _ask(self, method: str, **query: str) -> httpx.Response:
        """About the container, signed with the account's key ("Authorize with Shared Key", version 2015-02-21 on)."""
        query["restype"] = "container"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
        resource = f"/{self.account}/{self.account}/{self.bucket}"
        signed = [method, *[""] * 11, *(f"{name}:{headers[name]}" for name in sorted(headers)), resource]
        signed += [f"{name}:{query[name]}" for name in sorted(query)]
        digest = hmac.digest(base64.b64decode(self.key), "\n".join(signed).encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        url = f"{self.address}/{self.account}/{self.bucket}"
        return httpx.request(method, url, params=query, headers=headers, timeout=60).raise_for_status()


@contextmanager
def s3() -> Iterator[Played]:
    ailing = Ailing(DomainDispatcherApplication(create_backend_app))
    with _listening(ailing) as address:
        yield S3(ailing, address)


@contextmanager
def azure(folder: Path) -> Iterator[Played]:
    with (
        azurite.running(folder) as behind,
        httpx.Client(base_url=behind, headers={"Accept-Encoding": "identity"}, timeout=60) as line,
    ):
        ailing = Ailing(_passed_on(line))
        with _listening(ailing) as address:
            yield Azure(ailing, address)


@contextmanager
def _listening(application: Application) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


def _passed_on(line: httpx.Client) -> Application:
    """Hands requests on as they came: neither signature is over the host."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        headers["Content-Type"] = environ.get("CONTENT_TYPE") or ""
        length = environ.get("CONTENT_LENGTH")
        content = environ["wsgi.input"].read(int(length)) if length else None
        sent = {name: value for name, value in headers.items() if value and name.lower() not in _HOP}
        answer = line.request(environ["REQUEST_METHOD"], environ["RAW_URI"], headers=sent, content=content)
        kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in _HOP]
        start_response(f"{answer.status_code} {answer.reason_phrase}", kept)
        return [answer.content]

    return application
