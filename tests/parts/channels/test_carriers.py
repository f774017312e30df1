"""What every carrier does, whichever it is: taken, refused for good, not taken, nobody knows. Each at its sandbox."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conftest import _sandbox_settings
from tests.parts.channels.test_reach import pem
from tillhouse.kernel import db
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.parts.channels.domain.destinations import Rules
from tillhouse.parts.channels.ports import Carrier, Gone, Outgoing, Refused, Target, WebhookNetwork
from tillhouse.parts.channels.providers.dns import resolve
from tillhouse.parts.channels.providers.push.fcm import FcmCarrier, ServiceAccount
from tillhouse.parts.channels.providers.push.web import WebPushCarrier
from tillhouse.parts.channels.providers.twilio import TwilioCarrier
from tillhouse.parts.channels.providers.whatsapp import WhatsAppCarrier
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.transport import SandboxTransport

ACCOUNT = ServiceAccount(
    project_id="p", client_email="a@p.iam.gserviceaccount.com", private_key=pem(rsa.generate_private_key(65537, 2048))
)
VAPID = pem(ec.generate_private_key(ec.SECP256R1()))
WHERE = {"whatsapp": "whatsapp", "twilio": "twilio", "twilio-chat": "twilio", "fcm": "fcm", "web": "webpush"}


@dataclass
class Bench:
    """One carrier, the sandbox that it calls, and somebody to write to."""

    name: str
    carrier: Carrier
    sandbox: Sandbox
    person: httpx.AsyncClient
    targets: dict[str, Target] = field(default_factory=dict)

    def message(self, *, refused: bool = False) -> Outgoing:
        kind = "gone" if refused else "good"
        to = "letters" if refused and self.name == "whatsapp" else "+15005550001" if refused else "+919845012345"
        return Outgoing(
            new_id(), f"+{to}" if to == "letters" else to, "Title", "Text", "", target=self.targets.get(kind)
        )

    async def fault(self, kind: str, path: str = "*") -> None:
        wish = {"provider": WHERE[self.name], "fault": kind, "path": path}
        assert (await self.person.post("/_sandbox/faults", json=wish)).status_code == 201


def carrier_of(name: str, outbound: Outbound) -> Carrier:
    settings = _sandbox_settings()
    account = (settings.twilio_account_sid, settings.twilio_auth_token)
    if name == "whatsapp":
        number, token = settings.whatsapp_phone_number_id, settings.whatsapp_token
        return WhatsAppCarrier(outbound, "http://sandbox/whatsapp/v23.0", number, token)
    if name == "fcm":
        return FcmCarrier(outbound, ACCOUNT, url="http://sandbox/fcm", token_url="http://sandbox/fcm/token")
    if name == "web":
        return WebPushCarrier(outbound, WebhookNetwork(Rules(guarded=False), resolve), VAPID, "a@example.com")
    callback = "http://testserver/api/v1/channels/webhook/twilio"
    channel = "whatsapp" if name == "twilio-chat" else "sms"
    return TwilioCarrier(outbound, "http://sandbox/twilio", account, "+15005550006", callback, channel=channel)


@pytest.fixture(params=list(WHERE))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    sandbox = create_sandbox(_sandbox_settings())
    transport = SandboxTransport(sandbox)
    outbound = Outbound(mounts={"http://sandbox": transport})
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as person:
        made = Bench(request.param, carrier_of(request.param, outbound), sandbox, person)
        if request.param == "fcm":
            made.targets = {kind: Target(new_id(), "fcm", f"{kind}-phone") for kind in ("good", "gone")}
        elif request.param == "web":
            found = (await person.post("/_sandbox/browsers")).json()
            good = Target(new_id(), "web", found["endpoint"], **found["keys"])
            made.targets = {"good": good, "gone": Target(new_id(), "web", f"{found['endpoint']}x", **found["keys"])}
        yield made
    await outbound.close()
    await sandbox.aclose()


async def test_a_message_is_taken_under_an_id_of_the_providers(bench: Bench) -> None:
    assert (await bench.carrier.carry(bench.message())).provider_id


async def test_what_will_never_be_taken_is_refused_for_good(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        await bench.carrier.carry(bench.message(refused=True))
    assert isinstance(refused.value, Gone) == (bench.name in {"fcm", "web"})


async def test_too_many_calls_are_not_taken(bench: Bench) -> None:
    await bench.fault("status_429")
    with pytest.raises(NotSent):
        await bench.carrier.carry(bench.message())


async def test_after_a_failure_of_theirs_nobody_knows(bench: Bench) -> None:
    if bench.name == "fcm":
        await bench.carrier.carry(bench.message())  # the token is there: what fails now is the push
    await bench.fault("status_500")
    with pytest.raises(OutcomeUnknown):
        await bench.carrier.carry(bench.message())


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "cut_stream"])
async def test_without_a_whole_answer_nobody_knows(bench: Bench, kind: str) -> None:
    if bench.name == "fcm":
        await bench.carrier.carry(bench.message())
    await bench.fault(kind)
    try:
        taken = await bench.carrier.carry(bench.message())
    except OutcomeUnknown:
        return
    assert kind == "cut_stream"  # an answer without a body cannot be cut in two
    assert bench.name == "web", taken


async def test_nothing_is_sent_while_a_transaction_is_open(bench: Bench) -> None:
    token = db._in_transaction.set(True)
    try:
        with pytest.raises(RuntimeError):
            await bench.carrier.carry(bench.message())
    finally:
        db._in_transaction.reset(token)


def test_a_service_account_is_read_from_googles_json() -> None:
    found = ServiceAccount.model_validate_json(json.dumps({**ACCOUNT.model_dump(), "type": "service_account"}))
    assert found.token_uri == "https://oauth2.googleapis.com/token"
