"""What the house depends on: shown to all, asked rarely, and told to Prometheus."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from tests.work.fleet import Redis, free_port, need_redis, until
from tillhouse.apps.compose import build_house
from tillhouse.apps.dependencies import checks_of
from tillhouse.kernel.health import Dependencies, DependencyState, measure
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import HealthCheck
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.providers.smtp import SmtpCarrier
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport

VENDORS = {"razorpay", "razorpayx", "twilio"}


async def states(client: httpx.AsyncClient) -> dict[str, str]:
    body = (await client.get("/health")).json()
    return {one["name"]: one["state"] for one in body["dependencies"]}


async def ask(house: House, name: str) -> DependencyState:
    check = next(check for check in checks_of(house, "0000") if check.name == name)
    return await measure(house, check)


async def test_every_dependency_is_shown_with_its_state_and_time(client: httpx.AsyncClient) -> None:
    body = (await client.get("/health")).json()
    shown = {one["name"]: one for one in body["dependencies"]}
    assert {"database", "files", "smtp"} | VENDORS <= set(shown)
    assert all(shown[name]["state"] == "up" for name in ("database", "files", *VENDORS))
    assert all(one["milliseconds"] >= 0 for one in body["dependencies"])
    assert body["status"] == ("up" if shown["smtp"]["state"] == "up" else "degraded")
    assert body["checked_at"].endswith("+00:00")


async def test_servers_that_the_settings_do_not_name_are_not_shown(client: httpx.AsyncClient) -> None:
    assert not {"redis", "broker"} & set(await states(client))


async def test_vendors_that_are_away_are_down_and_the_house_stays_ready(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_transport: SandboxTransport, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    monkeypatch.setattr(SandboxTransport, "handle_async_request", away)
    assert (await client.get("/health")).json()["status"] == "degraded"
    found = await states(client)
    assert {found[name] for name in VENDORS} == {"down"}
    assert (found["database"], found["files"]) == ("up", "up")
    assert (await client.get("/health/ready")).status_code == 200


async def test_whoever_looks_uses_up_no_fault(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(sandbox), base_url="http://sandbox") as outside:
        for provider in VENDORS:
            fault = {"provider": provider, "fault": "status_500", "count": 1}
            assert (await outside.post("/_sandbox/faults", json=fault)).status_code == 201
        await client.get("/health")
        assert len((await outside.get("/_sandbox/faults")).json()) == 3


async def test_metrics_tell_what_is_up(client: httpx.AsyncClient, house: House) -> None:
    shutil.rmtree(Path(house.settings.data_folder, "files"))
    lines = (await client.get("/metrics")).text.splitlines()
    assert 'dependency_up{dependency="database"} 1.0' in lines
    assert 'dependency_up{dependency="files"} 0.0' in lines


async def test_the_answer_holds_no_address_and_no_secret(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/health")).text
    for word in ("http", "127.0.0.1", "postgresql", "rzp_", "secret", "8025"):
        assert word not in shown


class Vendor:
    """Counts how often it is asked; answers when told."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()

    async def check(self, _house: House) -> None:
        self.asked += 1
        await self.open.wait()


async def test_however_many_ask_at_once_the_vendor_is_asked_once(house: House) -> None:
    vendor = Vendor()
    dependencies = Dependencies(house, [HealthCheck("vendor", vendor.check)])
    callers = [asyncio.create_task(dependencies.look()) for _ in range(50)]
    await asyncio.sleep(0)
    callers[0].cancel()  # who goes away takes nobody's answer along
    vendor.open.set()
    looks = await asyncio.gather(*callers[1:])
    assert vendor.asked == 1
    assert {look.dependencies[0].state for look in looks} == {"up"}


async def test_an_answer_is_kept_for_ten_seconds(house: House) -> None:
    vendor, seconds = Vendor(), 100.0
    vendor.open.set()
    dependencies = Dependencies(house, [HealthCheck("vendor", vendor.check)], now=lambda: seconds)
    for seconds, asked in ((100.0, 1), (109.9, 1), (110.0, 2), (119.9, 2), (120.0, 3)):  # noqa: B007  read by `now`
        await dependencies.look()
        assert vendor.asked == asked


async def test_a_house_that_closes_waits_for_no_vendor(house: House) -> None:
    dependencies = Dependencies(house, [HealthCheck("vendor", Vendor().check)])
    caller = asyncio.create_task(dependencies.look())
    await asyncio.sleep(0)
    await house.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_vendor_that_takes_too_long_is_down(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillhouse.kernel.health._LIMIT", 0.01)
    found = await measure(house, HealthCheck("vendor", Vendor().check))
    assert found.state == "down"


async def test_the_mail_server_is_greeted_without_signing_in(sandbox: Sandbox) -> None:
    port = free_port()
    carrier = SmtpCarrier(ChannelsSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_user="never", smtp_password="x"))
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", port):
        await carrier.greet()
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await carrier.greet()


async def test_nobody_is_asked_while_a_transaction_is_open(house: House) -> None:
    async with house.database.transaction():
        with pytest.raises(RuntimeError, match="while a transaction is open"):
            await house.outbound.reach("bank", "http://sandbox/")


@pytest.mark.parametrize(("status", "up"), [(200, True), (401, True), (404, True), (502, False), (503, False)])
async def test_any_answer_but_a_failing_servers_says_that_someone_is_there(status: int, up: bool) -> None:
    outbound = Outbound(mounts={"http://bank": httpx.MockTransport(lambda _request: httpx.Response(status))})
    with nullcontext() if up else pytest.raises(OutcomeUnknown):
        await outbound.reach("bank", "http://bank/v1")
    await outbound.close()


async def test_an_address_at_which_nobody_listens_is_down(house: House) -> None:
    with pytest.raises(NotSent):
        await house.outbound.reach("bank", f"http://127.0.0.1:{free_port()}/")


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    need_redis()
    server = Redis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.mark.redis
async def test_redis_and_the_broker_are_asked_where_the_settings_name_them(house: House, redis: Redis) -> None:
    house.settings = house.settings.model_copy(update={"redis_url": redis.url, "broker_url": redis.url})

    async def redis_is_up() -> bool:
        return (await ask(house, "redis")).state == "up"

    await until(redis_is_up)
    assert (await ask(house, "broker")).state == "up"
    redis.kill()
    assert [(await ask(house, name)).state for name in ("redis", "broker")] == ["down", "down"]


@pytest.mark.parametrize("kind", ["redis", "amqp"])
async def test_a_broker_of_any_kind_that_is_away_is_down(house: House, kind: str) -> None:
    house.settings = house.settings.model_copy(update={"broker_url": f"{kind}://127.0.0.1:{free_port()}/"})
    assert (await ask(house, "broker")).state == "down"


def test_a_process_asks_only_what_its_modules_talk_to(settings: KernelSettings) -> None:
    alone = build_house(settings, serve=["wallets"])
    asked = {check.name for check in checks_of(alone, "0000")}
    assert asked == {"database", "files", "smtp", "twilio", "whatsapp"}
