"""Where webhooks may go: the public internet by https, and nowhere else, however the address is written."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.parts.channels.receiver import PUBLIC, Office, open_office
from tillhouse.kernel import clock
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.domain.destinations import Destination, Rules, allowed, destination_of
from tillhouse.parts.channels.providers.dns import resolve
from tillhouse.sandbox.app import Sandbox

GUARDED = Rules(guarded=True)

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "2002:0a00:0001::", "2001:0:7f00:1::1", "fec0::1", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::10.0.0.1",
    "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_nothing_is_sent_to_a_private_address(address: str) -> None:
    assert not allowed(address, GUARDED)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800::1", "64:ff9b::8.8.8.8"])
def test_the_internet_is_open(address: str) -> None:
    assert allowed(address, GUARDED)


REFUSED = [
    ("http://hooks.example.com/", "not_https"),
    ("ftp://hooks.example.com/", "bad_url"),
    ("javascript:alert(1)", "bad_url"),
    ("//hooks.example.com/", "bad_url"),
    ("hooks.example.com", "bad_url"),
    ("", "bad_url"),
    ("https://", "bad_url"),
    ("https://hooks.example.com:0/", "bad_url"),
    ("https://hooks.example.com:99999/", "bad_url"),
    ("https://hooks.example.com/#part", "bad_url"),
    ("https://hooks.example.com/a b", "bad_url"),
    ("https://hooks.example.com\\@10.0.0.1/", "bad_url"),
    ("https://ho\u00f6ks.example.com/", "bad_url"),
    ("https://hooks.example.com/\r\nX-Evil: 1", "bad_url"),
    ("https://[::1", "bad_url"),
    ("https://me:secret@hooks.example.com/", "credentials_in_url"),
    ("https://hooks.example.com@10.0.0.1/", "credentials_in_url"),
    ("https://localhost/", "private_address"),
    ("https://LOCALHOST./", "private_address"),
    ("https://db.localhost/", "private_address"),
    ("https://redis/", "private_address"),
    ("https://metadata.google.internal/", "private_address"),
    ("https://printer.local/", "private_address"),
    ("https://127.0.0.1/", "private_address"),
    ("https://127.1/", "private_address"),
    ("https://0x7f.1/", "private_address"),
    ("https://0x7f000001/", "private_address"),
    ("https://2130706433/", "private_address"),
    ("https://017700000001/", "private_address"),
    ("https://169.254.169.254/latest/meta-data/", "private_address"),
    ("https://10.1.2.3:8443/", "private_address"),
    ("https://[::1]/", "private_address"),
    ("https://[::ffff:127.0.0.1]/", "private_address"),
    ("https://[fe80::1]/", "private_address"),
]


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_an_address_that_leads_inside_is_refused_at_once(url: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        destination_of(url, GUARDED)
    assert (refusal.value.errors[0].pointer, refusal.value.errors[0].code) == ("/url", code)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://hooks.example.com", Destination("hooks.example.com", 443)),
        ("https://hooks.example.com:8443/in?tenant=7&x=%20", Destination("hooks.example.com", 8443)),
        ("https://8.8.8.8/", Destination("8.8.8.8", 443)),
        ("https://[2606:2800::1]/", Destination("2606:2800::1", 443)),
        ("https://xn--hks-sna.example.com/", Destination("xn--hks-sna.example.com", 443)),
    ],
)
def test_a_public_address_is_taken(url: str, place: Destination) -> None:
    assert destination_of(url, GUARDED) == place


def test_on_a_laptop_the_receiver_is_on_the_laptop() -> None:
    assert destination_of("http://localhost:3000/hooks", Rules(guarded=False)) == Destination("localhost", 3000)
    with pytest.raises(InvalidInput):
        destination_of("file:///etc/passwd", Rules(guarded=False))


def test_a_network_that_the_settings_name_is_open_and_its_neighbour_is_not() -> None:
    rules = Rules(guarded=True, networks=("10.1.0.0/16",))
    assert allowed("10.1.2.3", rules)
    assert not allowed("10.2.0.1", rules)
    assert not allowed("127.0.0.1", rules)
    assert destination_of("https://bookkeeping.internal/", rules)


async def test_the_machines_own_resolver_sees_through_spellings() -> None:
    assert await resolve("127.1", 443) == ["127.0.0.1"]
    with pytest.raises(OSError, match="not a name"):
        await resolve("a" * 64 + ".example", 443)


# At every try


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


@pytest.mark.parametrize("inside", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_name_that_leads_inside_is_not_called(office: Office, inside: str, first: bool) -> None:
    await office.endpoint()
    office.names["hooks.example.com"] = [inside, PUBLIC] if first else [PUBLIC, inside]
    await office.told()
    assert office.receiver.got == []
    assert [one.error for one in await office.attempts()] == ["not_allowed"]
    assert (await office.delivery()).state == "pending"


async def test_a_name_that_turns_inside_later_is_asked_for_anew_at_every_try(office: Office) -> None:
    await office.endpoint()
    office.receiver.script = [500]
    await office.told()
    office.names["hooks.example.com"] = ["192.168.0.1"]
    await office.later(timedelta(seconds=6))
    office.names["hooks.example.com"] = ["2606:2800::1"]
    await office.later(timedelta(minutes=6))
    assert [(one.status, one.error) for one in await office.attempts()] == [
        (500, None),
        (None, "not_allowed"),
        (200, None),
    ]


async def test_the_call_goes_to_the_address_that_was_checked_with_the_hosts_own_name(office: Office) -> None:
    await office.endpoint("https://hooks.example.com:443/in")
    seen = []
    send = office.house.outbound._client.send

    async def watch(request: httpx.Request, **more: object) -> httpx.Response:
        seen.append(request)
        return await send(request, **more)  # type: ignore[arg-type]  # what httpx was given

    office.house.outbound._client.send = watch  # type: ignore[method-assign]
    await office.told()
    (request,) = seen
    assert request.url.host == PUBLIC
    assert request.headers["host"] == "hooks.example.com"
    assert request.extensions["sni_hostname"] == "hooks.example.com"
    assert request.headers["connection"] == "close"


async def test_a_name_that_leads_nowhere_is_a_failed_try(office: Office) -> None:
    await office.endpoint()
    office.names.clear()
    await office.told()
    assert [one.error for one in await office.attempts()] == ["name_not_found"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(office: Office, status: int) -> None:
    await office.endpoint()
    office.receiver.script = [httpx.Response(status, headers={"Location": "https://10.0.0.1/"})]
    await office.told()
    assert len(office.receiver.got) == 1
    assert [(one.status, one.error) for one in await office.attempts()] == [(status, "redirected")]
