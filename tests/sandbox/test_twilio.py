from urllib.parse import parse_qsl

import httpx
import pytest

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport
from tillhouse.sandbox.twilio.signing import request_signature

FROM = "+15005550006"
CALLBACK = "http://127.0.0.1:8000/callback?m=1"


@pytest.fixture
def twilio(sandbox: Sandbox, settings: SandboxSettings) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=SandboxTransport(sandbox),
        base_url=f"http://sandbox/twilio/2010-04-01/Accounts/{settings.twilio_account_sid}",
        auth=(settings.twilio_account_sid, settings.twilio_auth_token),
    )


async def test_a_text_is_queued_then_sent_then_delivered_and_lands_in_the_inbox(
    *,
    twilio: httpx.AsyncClient,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    clock: ManualClock,
    receiver: Receiver,
    settings: SandboxSettings,
) -> None:
    form = {"To": "+919000000001", "From": FROM, "Body": "Your code is 123456", "StatusCallback": CALLBACK}
    response = await twilio.post("/Messages.json", data=form)
    assert response.status_code == 201
    message = response.json()
    assert (message["status"], message["num_segments"], message["direction"]) == ("queued", "1", "outbound-api")
    assert message["date_created"].endswith("+0000")

    inbox = (await person.get("/_sandbox/inbox", params={"to": "+919000000001"})).json()
    assert [(m["to"], m["channel"], m["subject"], m["body"]) for m in inbox] == [
        ("+919000000001", "sms", None, "Your code is 123456")
    ]
    for _ in range(2):
        clock.advance(1)
        await sandbox.deliver_due()
    assert (await twilio.get(f"/Messages/{message['sid']}.json")).json()["status"] == "delivered"
    callbacks = [dict(parse_qsl(taken.body.decode())) for taken in receiver.taken]
    assert [callback["MessageStatus"] for callback in callbacks] == ["sent", "delivered"]
    signature = request_signature(settings.twilio_auth_token, CALLBACK, callbacks[0].items())
    assert receiver.taken[0].headers["x-twilio-signature"] == signature


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
        ({"From": "+14155550100"}, 21606),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"To": "not-a-number"}, 21211),
        ({"To": ""}, 21604),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"StatusCallback": "https://elsewhere.example/callback"}, 21609),
        ({"StatusCallback": "http://[::1"}, 21609),
        ({"StatusCallback": "http://127.0.0.1:99999/callback"}, 21609),
    ],
)
async def test_magic_numbers_and_bad_input_are_refused_with_twilios_codes(
    twilio: httpx.AsyncClient, person: httpx.AsyncClient, change: dict[str, str], code: int
) -> None:
    response = await twilio.post("/Messages.json", data={"To": "+919000000001", "From": FROM, "Body": "hi", **change})
    assert response.status_code == 400
    assert set(response.json()) == {"code", "message", "more_info", "status"}
    assert response.json()["code"] == code
    assert (await person.get("/_sandbox/inbox")).json() == []


async def test_a_phone_that_is_off_never_receives(
    twilio: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    message = (await twilio.post("/Messages.json", data={"To": "+15005550010", "From": FROM, "Body": "hi"})).json()
    for _ in range(2):
        clock.advance(1)
        await sandbox.deliver_due()
    found = (await twilio.get(f"/Messages/{message['sid']}.json")).json()
    assert (found["status"], found["error_code"]) == ("undelivered", 30003)
    assert (await person.get("/_sandbox/inbox")).json() == []


async def test_a_wrong_token_is_20003(twilio: httpx.AsyncClient) -> None:
    response = await twilio.post("/Messages.json", data={}, auth=("AC1", "x"))
    assert (response.status_code, response.json()["code"]) == (401, 20003)


async def test_throttling_has_twilios_body(twilio: httpx.AsyncClient, person: httpx.AsyncClient) -> None:
    await person.post("/_sandbox/faults", json={"provider": "twilio", "fault": "status_429"})
    response = await twilio.post("/Messages.json", data={"To": "+919000000001", "From": FROM, "Body": "hi"})
    assert (response.status_code, response.json()["code"]) == (429, 20429)
