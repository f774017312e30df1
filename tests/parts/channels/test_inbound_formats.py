"""What Meta and Twilio send, as recorded (numbers changed), and what we make of it; signatures by published vectors."""

import json
from typing import Any

import pytest

from tillhouse.parts.channels.domain.chat import Arrived, Renamed, Reported
from tillhouse.parts.channels.providers.twilio import is_signed as twilio_signed
from tillhouse.parts.channels.providers.twilio import read_inbound, signed_by
from tillhouse.parts.channels.providers.whatsapp import is_signed, read_delivery

CONTACT = {"profile": {"name": "Asha"}, "wa_id": "919845012345", "user_id": "IN.1502"}
BASE = {"from": "919845012345", "from_user_id": "IN.1502", "id": "wamid.A", "timestamp": "1700000000"}
MEDIA = {"id": "777", "mime_type": "image/jpeg", "sha256": "abc"}


def delivery(field: str = "messages", **value: Any) -> str:
    whole = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": "1000"},
        **value,
    }
    entry = {"id": "2000", "changes": [{"field": field, "value": whole}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]})


MESSAGES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"type": "text", "text": {"body": "hello"}}, "text", "hello", ""),
    ({"type": "image", "image": {**MEDIA, "caption": "me"}}, "image", "me", ""),
    ({"type": "audio", "audio": {**MEDIA, "voice": True}}, "audio", "", ""),
    ({"type": "video", "video": {**MEDIA, "caption": "c"}}, "video", "c", ""),
    ({"type": "document", "document": {**MEDIA, "filename": "a.pdf"}}, "document", "", ""),
    ({"type": "sticker", "sticker": {**MEDIA, "animated": False}}, "sticker", "", ""),
    (
        {
            "type": "interactive",
            "interactive": {"type": "button_reply", "button_reply": {"id": "1.a.yes", "title": "Yes"}},
        },
        "press",
        "Yes",
        "1.a.yes",
    ),
    (
        {
            "type": "interactive",
            "interactive": {"type": "list_reply", "list_reply": {"id": "2.b.x", "title": "X", "description": "d"}},
        },
        "press",
        "X",
        "2.b.x",
    ),
    (
        {
            "type": "interactive",
            "interactive": {"type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": "{}"}},
        },
        "other",
        "",
        "",
    ),
    ({"type": "button", "button": {"text": "Stop", "payload": "stop"}}, "press", "Stop", "stop"),
    ({"type": "location", "location": {"latitude": 1.5, "longitude": 2.5, "name": "Home"}}, "location", "Home", ""),
    ({"type": "contacts", "contacts": [{"name": {"formatted_name": "B"}}]}, "contacts", "", ""),
    ({"type": "reaction", "reaction": {"message_id": "wamid.Z", "emoji": "👍"}}, "reaction", "👍", ""),
    ({"type": "order", "order": {"catalog_id": "1"}}, "other", "", ""),
    ({"type": "unsupported", "errors": [{"code": 131051, "title": "Unsupported"}]}, "other", "", ""),
]


@pytest.mark.parametrize(("message", "kind", "text", "choice"), MESSAGES, ids=[one[1] + one[3] for one in MESSAGES])
def test_every_kind_of_message_of_meta_is_read(message: dict[str, Any], kind: str, text: str, choice: str) -> None:
    (found,) = read_delivery(delivery(contacts=[CONTACT], messages=[{**BASE, **message}]))
    assert isinstance(found, Arrived)
    assert (found.message.kind, found.message.text, found.message.choice) == (kind, text, choice)
    assert (found.sender.phone, found.sender.user_id, found.sender.name) == ("+919845012345", "IN.1502", "Asha")
    assert (found.message.media is not None) == (kind in {"image", "audio", "video", "document", "sticker"})


def test_whoever_hides_the_number_is_known_by_user_id() -> None:
    message = {
        "id": "wamid.A",
        "timestamp": "1700000000",
        "type": "text",
        "text": {"body": "x"},
        "from_user_id": "US.9",
    }
    contact = {"profile": {"name": "B", "username": "bee"}, "user_id": "US.9"}
    (found,) = read_delivery(delivery(contacts=[contact], messages=[message]))
    assert isinstance(found, Arrived)
    assert (found.sender.phone, found.sender.user_id) == (None, "US.9")


def test_statuses_carry_the_error_and_our_own_id() -> None:
    failed = {
        "id": "wamid.B",
        "status": "failed",
        "timestamp": "1700000001",
        "recipient_id": "919845012345",
        "errors": [{"code": 131047, "title": "Re-engagement message", "error_data": {"details": "24 hours"}}],
        "biz_opaque_callback_data": "ours",
    }
    assert read_delivery(delivery(statuses=[failed])) == [Reported("wamid.B", "failed", "131047", "ours")]


def test_a_new_number_and_a_new_user_id_are_heard_of() -> None:
    system = {
        **BASE,
        "type": "system",
        "system": {"type": "user_changed_number", "wa_id": "919845099999", "user_id": "IN.2"},
    }
    (moved,) = read_delivery(delivery(contacts=[CONTACT], messages=[system]))
    assert isinstance(moved, Renamed)
    assert (moved.before.phone, moved.after.phone, moved.after.user_id) == ("+919845012345", "+919845099999", "IN.2")
    update = [{"wa_id": "919845012345", "user_id": {"previous": "IN.1", "current": "IN.2"}}]
    (renamed,) = read_delivery(delivery("user_id_update", user_id_update=update))
    assert isinstance(renamed, Renamed)
    assert (renamed.before.user_id, renamed.after.user_id) == ("IN.1", "IN.2")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        delivery(messages=[{"id": 5}]),
        delivery(messages=[{**BASE, "from": "", "from_user_id": ""}]),
        delivery("user_id_update", user_id_update=[{"wa_id": "", "user_id": {"previous": "", "current": "IN.2"}}]),
    ],
)
def test_what_is_no_delivery_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"Meta|nobody"):
        read_delivery(body)


def test_other_fields_of_an_account_are_none_of_a_chats() -> None:
    assert list(read_delivery(delivery("message_template_status_update", event="APPROVED"))) == []


def test_metas_signature_by_its_vector() -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    right = "sha256=c236c758c9b2bd40b388a550eeca09eaca72384dd0aa5e7c31d19cddac5bba46"
    assert is_signed("app_secret", body, right)
    assert not is_signed("app_secret", body + b" ", right)
    assert not is_signed("", body, right)


TWILIO = {
    "MessageSid": "SM1",
    "From": "whatsapp:+14155550100",
    "To": "whatsapp:+14155238886",
    "Body": "hi",
    "NumMedia": "0",
    "ProfileName": "Asha",
    "WaId": "14155550100",
}


def test_twilios_signature_by_its_vector() -> None:
    form = [(name, TWILIO[name]) for name in ("From", "To", "Body", "MessageSid")]
    assert twilio_signed("tw_auth_token", "https://example.com/wa", form, "Qf5qyU6Vv9BYipA9QlM4jyz2QRk=")
    assert not twilio_signed("tw_auth_token", "https://example.com/wa?x=1", form, "Qf5qyU6Vv9BYipA9QlM4jyz2QRk=")
    by_key = "hBrsiZIhYNtBaKUZGk6Ifucw4pZgPOhiaNlPThhBi/k="
    assert twilio_signed("shared_key", "https://example.com/wa", form, by_key, algorithm="sha256")
    assert not twilio_signed("shared_key", "https://example.com/wa", form, by_key)
    assert not twilio_signed("tw_auth_token", "https://example.com/wa", form, by_key, algorithm="sha256")


def test_twilios_callback_says_by_which_key_it_is_signed() -> None:
    keys = {"webhooks_sharedkey_1": "one", "webhooks_sharedkey_2": "two"}
    for named, expected in {
        "": ("token", "sha1"),
        "key=webhooks_sharedkey_2,algorithm=HMAC_SHA256": ("two", "sha256"),
        " key = webhooks_sharedkey_1 , algorithm = hmac_sha256 ": ("one", "sha256"),
        "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1": ("one", "sha1"),
        "key=webhooks_sharedkey_1": ("one", "sha1"),
        "key=webhooks_sharedkey_3,algorithm=HMAC_SHA256": ("", "sha256"),
        "key=webhooks_sharedkey_1,algorithm=HMAC_MD5": ("", "sha1"),
        "nonsense": ("", "sha1"),
    }.items():
        assert signed_by(named, "token", keys) == expected, named


@pytest.mark.parametrize(
    ("extra", "kinds", "choice"),
    [
        ({}, ["text"], ""),
        ({"ButtonPayload": "1.a.yes", "ButtonText": "Yes"}, ["press"], "1.a.yes"),
        ({"ListId": "2.b.x", "ListTitle": "X"}, ["press"], "2.b.x"),
        ({"Latitude": "1.5", "Longitude": "2.5"}, ["location"], ""),
        (
            {
                "NumMedia": "2",
                "MediaUrl0": "https://api.twilio.com/m/1",
                "MediaContentType0": "image/jpeg",
                "MediaUrl1": "https://api.twilio.com/m/2",
                "MediaContentType1": "application/pdf",
            },
            ["image", "document"],
            "",
        ),
    ],
)
def test_every_kind_of_message_of_twilio_is_read(extra: dict[str, str], kinds: list[str], choice: str) -> None:
    found = read_inbound({**TWILIO, **extra})
    assert [one.message.kind for one in found] == kinds
    assert found[0].message.choice == choice
    assert found[0].sender.phone == "+14155550100"
    assert len({one.message.id for one in found}) == len(found)


def test_twilio_may_know_a_user_id_alone() -> None:
    (found,) = read_inbound({**TWILIO, "From": "whatsapp:US.9", "ExternalUserId": "whatsapp:US.9"})
    assert (found.sender.phone, found.sender.user_id) == (None, "US.9")
