"""pywa, twilio and firebase-admin against the sandbox, only the address redirected.

pywa: the `base_url` of the httpx client that it was handed. twilio: `client.api.base_url`. firebase-admin: the token
endpoint is in the service account's own JSON; the address of FCM is `messaging._MessagingService.FCM_URL`.
"""

import json
import threading
from collections.abc import Iterator
from typing import Any

import firebase_admin
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from firebase_admin import credentials, messaging
from pywa import WhatsApp
from pywa.errors import WhatsAppError
from pywa.types import Button, Section, SectionList, SectionRow
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.sandbox.serving import serving
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

PHONE = "919845012345"
SETTINGS = SandboxSettings(clock_scale=100_000)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(create_sandbox(SETTINGS)) as url:
        yield url


def at_the_sandbox(address: str, method: str, path: str, **how: Any) -> Any:
    answer = httpx.request(method, f"{address}/_sandbox{path}", **how)
    assert answer.status_code < 400, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def whatsapp(address: str) -> Iterator[WhatsApp]:
    with httpx.Client() as session:
        client = WhatsApp(SETTINGS.whatsapp_phone_number_id, SETTINGS.whatsapp_token, session=session)
        session.base_url = httpx.URL(f"{address}/whatsapp/v23.0")
        yield client


def test_pywa_sends_words_buttons_lists_and_pictures(address: str, whatsapp: WhatsApp) -> None:
    at_the_sandbox(address, "POST", "/whatsapp", json={"phone": PHONE})
    at_the_sandbox(address, "POST", f"/whatsapp/cloud:{PHONE}/messages", json={"type": "text", "text": "hello"})
    assert whatsapp.send_message(PHONE, "Hello.").id.startswith("wamid.")
    whatsapp.send_message(
        PHONE, "Shall we?", buttons=[Button("Yes", callback_data="yes"), Button("No", callback_data="no")]
    )
    rows = [SectionRow(title="Studio", callback_data="studio", description="Grey wall")]
    whatsapp.send_message(PHONE, "Which?", buttons=SectionList("Styles", [Section("Styles", rows)]))
    whatsapp.send_image(PHONE, b"\xff\xd8\xff\xe0picture", caption="You", mime_type="image/jpeg")
    at_the_sandbox(address, "POST", "/deliver")
    with pytest.raises(WhatsAppError) as refused:
        whatsapp.send_message(PHONE, "x" * 5000)
    assert "100" in str(refused.value)


def test_pywa_reads_a_file_that_somebody_sent(address: str, whatsapp: WhatsApp) -> None:
    at_the_sandbox(address, "POST", "/whatsapp", json={"phone": PHONE})
    files = [("file", ("a.jpg", b"\xff\xd8\xff\xe0mine", "image/jpeg"))]
    (sent,) = at_the_sandbox(address, "POST", f"/whatsapp/cloud:{PHONE}/photos", files=files)
    media = whatsapp.get_media_url(sent["media"].rpartition("/")[2])
    assert media.mime_type == "image/jpeg"
    assert whatsapp.get_media_bytes(media.url) == b"\xff\xd8\xff\xe0mine"


def test_twilio_sends_a_chat_and_approved_content(address: str) -> None:
    client = Client(SETTINGS.twilio_account_sid, SETTINGS.twilio_auth_token)
    client.api.base_url = f"{address}/twilio"
    ours, theirs = f"whatsapp:{SETTINGS.twilio_numbers[0]}", f"whatsapp:+{PHONE}"
    sid, text = SETTINGS.twilio_contents[0]
    sent = client.messages.create(to=theirs, from_=ours, content_sid=sid, content_variables=json.dumps({"1": "Asha"}))
    assert sent.body == text.replace("{{1}}", "Asha")
    assert [one.sid for one in client.messages.list(to=theirs, limit=5)] == [sent.sid]
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=theirs, from_=ours, content_sid="HX9")
    assert refused.value.code == 21655


def test_firebase_admin_pushes_and_hears_of_a_phone_that_is_gone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "tillhouse-test",
        "client_email": "push@tillhouse-test.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "token_uri": f"{address}/fcm/token",
    }
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", f"{address}/fcm/v1/projects/{{0}}/messages:send")
    app = firebase_admin.initialize_app(credentials.Certificate(account), name=f"t{threading.get_ident()}")
    try:
        notification = messaging.Notification(title="News", body="There is some.")
        name = messaging.send(messaging.Message(fid="phone-one", notification=notification), app=app)
        assert name.startswith("projects/tillhouse-test/messages/")
        with pytest.raises(messaging.UnregisteredError):
            messaging.send(messaging.Message(fid="gone-phone", notification=notification), app=app)
    finally:
        firebase_admin.delete_app(app)
    assert at_the_sandbox(address, "GET", "/push")[0]["title"] == "News"
