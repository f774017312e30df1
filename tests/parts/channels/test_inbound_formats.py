"""What Meta and Twilio send, whole (`tests/recorded`), and what we make of it; signatures by published vectors. What is
put together here varies it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.recordings import body, form, names_of
from tillhouse.kernel import clock
from tillhouse.parts.channels.domain.chat import (
    Arrived,
    Correspondent,
    Delivered,
    Incoming,
    Kind,
    MediaRef,
    Renamed,
    Reported,
)
from tillhouse.parts.channels.domain.messages import Status, status_of_twilio, status_of_whatsapp
from tillhouse.parts.channels.providers.twilio import is_signed as twilio_signed
from tillhouse.parts.channels.providers.twilio import read_inbound, signed_by
from tillhouse.parts.channels.providers.whatsapp import is_signed, read_delivery

SHOP = "331048295771604"
MEERA = Correspondent(SHOP, "+12025550143", "US.48213097715526340917", "Meera Pillai")
FORMER, LATER = "US.13491208655302741918", "US.11815799212886844830"
LONG = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
FILE = "87011425339016"
NOWHERE = {"name": "", "address": ""}


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


def said(
    at: int,
    kind: Kind,
    text: str = "",
    *,
    called: str,
    by: Correspondent = MEERA,
    choice: str = "",
    media: MediaRef | None = None,
    reply_to: str = "",
    facts: Mapping[str, str] | None = None,
) -> Arrived:
    sent_at = datetime.fromtimestamp(at, UTC)
    return Arrived(by, Incoming(called, kind, sent_at, text, choice, media, reply_to, facts or {}))


def changed(account: str, before: tuple[str | None, str | None], after: tuple[str | None, str | None]) -> Renamed:
    return Renamed(account, Correspondent(account, *before), Correspondent(account, *after))


def wamid(number: int) -> str:
    return f"wamid.HBgLMTIwMjU1NTAxNDMVAgASGAo{number:05}AA=="


def of_meera(number: int, kind: Kind, text: str = "", **more: Any) -> Arrived:
    """What Meera wrote: the time of each goes by the number in its id."""
    return said(1771500000 + 1000 * number, kind, text, called=wamid(number), **more)


REACTED = {"message_id": wamid(510)}
CUSTOMER = Correspondent("106540352242922", "+16505551234", None, "Sheena Nelson")
PLACE = {
    "latitude": "41.7203",
    "longitude": "-87.5351",
    "name": "Harbour Lane Studio",
    "address": "14 Harbour Lane, Portside 40001",
}
OF_META: dict[str, Delivered | None] = {
    "text": of_meera(1, "text", "Good evening! Are you open on Sunday?"),
    "text.in_the_reference": said(1749416383, "text", "Does it come in another color?", called=LONG, by=CUSTOMER),
    "text.by_user_id": said(
        1749416383,
        "text",
        "Does it come in another color?",
        called=LONG,
        by=Correspondent("106540352242922", None, FORMER, "Asha"),
    ),
    "reply": of_meera(2, "text", "Is this one in stock?", reply_to=wamid(502)),
    "forwarded": of_meera(3, "text", "Ten percent off until Friday"),
    "referral": of_meera(4, "text", "I saw your poster online"),
    "image": of_meera(5, "image", "The dent is on the left", media=MediaRef(FILE + "5", "image/jpeg")),
    "video": of_meera(6, "video", "It flickers, see", media=MediaRef(FILE + "6", "video/mp4")),
    "document": of_meera(
        7, "document", "The signed order", media=MediaRef(FILE + "7", "application/pdf", "order-2291.pdf")
    ),
    "audio": of_meera(8, "audio", media=MediaRef(FILE + "8", "audio/ogg; codecs=opus")),
    "sticker": of_meera(9, "sticker", media=MediaRef(FILE + "9", "image/webp")),
    "reaction": of_meera(10, "reaction", "🎉", facts=REACTED),
    "reaction.taken_back": of_meera(11, "reaction", facts=REACTED),
    "location": of_meera(12, "location", facts={"latitude": "18.9442", "longitude": "72.8347", **NOWHERE}),
    "location.place": of_meera(13, "location", "Harbour Lane Studio", facts=PLACE),
    "contacts": of_meera(14, "contacts"),
    "order": of_meera(15, "other", facts={"type": "order"}),
    "button_reply": of_meera(16, "press", "Another day", choice="7.visit.move", reply_to=wamid(516)),
    "list_reply": of_meera(17, "press", "Tuesday", choice="7.visit.tue", reply_to=wamid(517)),
    "button": of_meera(18, "press", "No more news", choice="No more news", reply_to=wamid(518)),
    "flow_reply": of_meera(19, "other", reply_to=wamid(519), facts={"type": "interactive"}),
    "interactive.with_error": of_meera(20, "other", reply_to=wamid(520), facts={"type": "interactive"}),
    "edit": of_meera(21, "other", facts={"type": "edit"}),
    "revoke": of_meera(22, "other", facts={"type": "revoke"}),
    "unsupported": of_meera(23, "other", facts={"type": "unsupported"}),
    "system.number": changed(
        SHOP, ("+12025550143", "US.48213097715526340917"), ("+12025550162", "US.59020846137718204436")
    ),
    "system.user_id": changed("123456123", ("+16315551181", FORMER), ("+16315551181", LATER)),
    "system.user_id.hidden_number": changed("123456123", (None, FORMER), (None, LATER)),
    "user_id_update": changed("123456123", ("+16315551181", FORMER), ("+16315551181", LATER)),
    "system.identity": None,  # Meta says it, nobody has written
    "status.sent": Reported(wamid(31), "sent", ours="till-note-2291"),
    "status.sent.v24": Reported(LONG, "sent"),
    "status.delivered": Reported(wamid(32), "delivered"),
    "status.read": Reported(wamid(33), "read"),
    "status.played": Reported(wamid(34), "played"),
    "status.group": Reported(wamid(35), "read"),
    "status.failed": Reported(wamid(36), "failed", "131047"),
    "user_preferences": None,
    "template_status": None,
}


def test_all_that_is_recorded_of_meta_is_read_by_a_test() -> None:
    assert set(OF_META) == {one for one in names_of("whatsapp") if not one.startswith("api.")}


@pytest.mark.parametrize("name", OF_META)
def test_every_kind_of_message_of_meta_is_read(name: str) -> None:
    expected = OF_META[name]
    assert list(read_delivery(body("whatsapp", name).decode())) == ([expected] if expected else [])
    if isinstance(expected, Reported):
        assert status_of_whatsapp(expected.status) in ("sent", "delivered", "read", "failed")


def test_deliveries_in_one_are_read_one_after_the_other() -> None:
    """Meta puts up to a thousand changes into one delivery."""
    names = [name for name, expected in OF_META.items() if expected]
    entries = [entry for name in names for entry in json.loads(body("whatsapp", name))["entry"]]
    whole = json.dumps({"object": "whatsapp_business_account", "entry": entries})
    assert list(read_delivery(whole)) == [OF_META[name] for name in names]


@pytest.mark.parametrize(
    ("system", "former"),
    [
        ({"body": "Something else", "previous_user_id": FORMER}, FORMER),
        ({"body": f"User A changed from {FORMER} to {LATER}", "previous_user_id": ""}, FORMER),
        ({"body": f"User A changed from {FORMER} to US.1"}, None),  # another's id: of whom, nobody knows
        ({"body": "User A has a new id"}, None),
        ({}, None),
    ],
)
def test_a_new_user_id_without_number_is_of_whoever_had_the_former(system: dict[str, str], former: str | None) -> None:
    news = {"id": "wamid.S", "timestamp": "1700000000", "from": "", "type": "system"}
    news["system"] = {"type": "user_changed_user_id", "user_id": LATER, **system}  # type: ignore[assignment]
    text = {**BASE, "type": "text", "text": {"body": "hello"}}
    found = list(read_delivery(delivery(messages=[news, text])))
    assert len(found) == (2 if former else 1), "what says nothing keeps nothing else from being read"
    assert isinstance(found[-1], Arrived)
    if former:
        assert found[0] == changed("1000", (None, former), (None, LATER))


@pytest.mark.parametrize(("message", "kind", "text", "choice"), MESSAGES, ids=[one[1] + one[3] for one in MESSAGES])
def test_a_message_says_the_same_whatever_stands_beside_it(
    message: dict[str, Any], kind: str, text: str, choice: str
) -> None:
    (found,) = read_delivery(delivery(contacts=[CONTACT], messages=[{**BASE, **message}]))
    assert isinstance(found, Arrived)
    assert (found.message.kind, found.message.text, found.message.choice) == (kind, text, choice)
    assert (found.sender.phone, found.sender.user_id, found.sender.name) == ("+919845012345", "IN.1502", "Asha")
    assert (found.message.media is not None) == (kind in {"image", "audio", "video", "document", "sticker"})


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
    "text",
    [
        "",
        "[]",
        "{}",
        delivery(messages=[{"id": 5}]),
        delivery(messages=[{**BASE, "from": "", "from_user_id": ""}]),
        delivery("user_id_update", user_id_update=[{"wa_id": "", "user_id": {"previous": "", "current": "IN.2"}}]),
    ],
)
def test_what_is_no_delivery_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Meta|nobody"):
        read_delivery(text)


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


SENDER = {
    "sms": ("+13175550101", "+13175550186", None, ""),
    "bot": ("whatsapp:+14155550123", "+31612345678", None, ""),
    "asha": ("whatsapp:+14155238886", "+919845012345", None, "Asha"),
}
AT_TWILIO = "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef"
PICTURE_ID, TEXT_ID, SMS_ID = "MM" + "b2" * 16, "SM" + "d4" * 16, "SM" + "a1" * 16
MEDIA_URL = f"{AT_TWILIO}/Messages/{PICTURE_ID}/Media/ME{'c3' * 16}"
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def form_of(kind: Kind, text: str = "", *, by: str = "asha", called: str = TEXT_ID, **more: Any) -> Arrived:
    """A message by Twilio, which says not when it was sent."""
    return said(int(NOW.timestamp()), kind, text, by=Correspondent(*SENDER[by]), called=called, **more)


OF_TWILIO: dict[str, Arrived] = {
    "sms": form_of("text", "Is the blue one still there?", by="sms", called=SMS_ID),
    "sms.stop": form_of("text", "STOP", by="sms", called=SMS_ID),
    "mms": said(
        int(NOW.timestamp()),
        "image",
        called=PICTURE_ID,
        by=Correspondent("+15865550101", "+19105550186", None),
        media=MediaRef(MEDIA_URL, "image/jpeg"),
    ),
    "whatsapp": form_of("text", "Good evening", by="bot"),
    "whatsapp.with_profile": form_of("text", "Olá"),
    "whatsapp.reply": form_of("text", "Nice", reply_to=PICTURE_ID),
    "whatsapp.image": form_of("image", by="bot", called=PICTURE_ID, media=MediaRef(MEDIA_URL, "image/jpeg")),
    "whatsapp.contact": form_of("document", called=PICTURE_ID, media=MediaRef(MEDIA_URL, "text/vcard")),
    "whatsapp.location": form_of(
        "location",
        "Lakeside Studio",
        by="bot",
        facts={
            "latitude": "12.971234321594238",
            "longitude": "77.59412384033203",
            "name": "Lakeside Studio",
            "address": "12, Example Road, Bengaluru, Karnataka 560001",
        },
    ),
    "whatsapp.button": said(
        int(NOW.timestamp()),
        "press",
        "VOICE_CALL_REQUEST",
        called=TEXT_ID,
        by=Correspondent("whatsapp:+554123456789", "+5524987654321", None, "XXXX Caller BR-2"),
        choice="REJECTED",
    ),
    "whatsapp.list": form_of("press", "Tea", choice="2.b.x"),
    "whatsapp.by_user_id": said(
        int(NOW.timestamp()),
        "text",
        "Is the blue one still there?",
        called=SMS_ID,
        by=Correspondent("whatsapp:+12025550111", None, "US.1234"),
    ),
}
STATUSES: dict[str, tuple[Status, str]] = {
    "status.sent": ("sent", ""),
    "status.delivered": ("delivered", ""),
    "status.failed": ("failed", "21610"),
    "status.undelivered": ("failed", "30008"),
    "status.whatsapp.sent": ("sent", ""),
    "status.whatsapp.delivered": ("delivered", ""),
    "status.whatsapp.read": ("read", ""),
}


def test_all_that_is_recorded_of_twilio_is_read_by_a_test() -> None:
    assert {*OF_TWILIO, *STATUSES} == {one for one in names_of("twilio") if not one.startswith("api.")}


@pytest.mark.parametrize("name", OF_TWILIO)
def test_every_kind_of_message_of_twilio_is_read(name: str) -> None:
    with clock.held(NOW):
        assert read_inbound(dict(form("twilio", name))) == [OF_TWILIO[name]]


@pytest.mark.parametrize("name", STATUSES)
def test_every_status_of_twilio_is_read(name: str) -> None:
    """By the word that the door looks at; that it records it, `test_recorded_doors` sees."""
    assert status_of_twilio(dict(form("twilio", name))["MessageStatus"]) == STATUSES[name][0]


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
def test_more_than_one_file_or_field_changes_what_a_form_says(
    extra: dict[str, str], kinds: list[str], choice: str
) -> None:
    found = read_inbound({**TWILIO, **extra})
    assert [one.message.kind for one in found] == kinds
    assert found[0].message.choice == choice
    assert found[0].sender.phone == "+14155550100"
    assert len({one.message.id for one in found}) == len(found)


def test_twilio_may_know_a_user_id_alone() -> None:
    (found,) = read_inbound({**TWILIO, "From": "whatsapp:US.9", "ExternalUserId": "whatsapp:US.9"})
    assert (found.sender.phone, found.sender.user_id) == (None, "US.9")
