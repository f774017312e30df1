"""What Meta, Twilio and Google answer, whole (`tests/recorded`), and what a carrier makes of it."""

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from tests.parts.channels.test_carriers import ACCOUNT
from tests.recordings import body, names_of
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.parts.channels.domain.chat import MediaRef
from tillhouse.parts.channels.ports import Attachment, Gone, Outgoing, Refused, Taken, Target
from tillhouse.parts.channels.providers.push.fcm import FcmCarrier
from tillhouse.parts.channels.providers.twilio import TwilioCarrier
from tillhouse.parts.channels.providers.whatsapp import WhatsAppCarrier

TEXT = Outgoing(new_id(), "+919845012345", "Title", "Text", "")
PICTURE = replace(TEXT, attachment=Attachment("a.png", "image/png", b"\x89PNG"))
PUSH = replace(TEXT, target=Target(new_id(), "fcm", "a-phone"))
SENT = "SM" + "7e4f" * 8  # as Twilio calls the one message that is recorded of it
End = str | type[Exception] | tuple[type[Exception], str]

OF_META: dict[str, tuple[int, End]] = {
    "api.taken": (200, "wamid.HBgLMTIwMjU1NTAxNDMVAgASGAo00047AA=="),
    "api.taken.template": (200, "wamid.HBgLMTIwMjU1NTAxNDMVAgASGAo00048AA=="),
    "api.no_such_object": (400, (Refused, "whatsapp_100")),
    "api.invalid_parameter": (400, (Refused, "whatsapp_100")),
    "api.token_expired": (401, (Refused, "whatsapp_190")),
    "api.not_on_the_list": (400, (Refused, "whatsapp_131030")),
    "api.pair_rate": (400, NotSent),
}
FILES_OF_META = {"api.media", "api.media.uploaded", "api.media.missing"}
OF_TWILIO: dict[str, tuple[int, End]] = {
    "api.message": (201, SENT),
    "api.error.authenticate": (401, (Refused, "twilio_20003")),
    "api.error.from": (400, (Refused, "twilio_21606")),
    "api.error.to": (400, (Refused, "twilio_21211")),
    "api.error.stopped": (400, (Refused, "twilio_21610")),
    "api.error.too_many": (429, NotSent),
}
OF_FCM: dict[str, tuple[int, End]] = {
    "taken": (200, "projects/foo/messages/fake_message_id"),
    "token.unregistered": (404, (Gone, "fcm_UNREGISTERED")),
    "token.invalid": (400, (Gone, "fcm_INVALID_ARGUMENT")),
    "token.not_a_token": (400, (Gone, "fcm_INVALID_ARGUMENT")),
    "payload.too_large": (400, (Refused, "fcm_INVALID_ARGUMENT")),
    "payload.wrong": (400, (Refused, "fcm_INVALID_ARGUMENT")),
    "sender.mismatch": (403, (Refused, "fcm_SENDER_ID_MISMATCH")),
    "quota": (429, NotSent),
    "unavailable": (503, NotSent),
}
TOKENS = {"access_token", "access_token.refused"}


class Recorded:
    """Addresses that answer with what is recorded, whoever asks."""

    def __init__(self, provider: str, **answers: tuple[int, str]) -> None:
        self._provider, self._answers = provider, answers
        self.asked: list[httpx.Request] = []
        transport = httpx.MockTransport(self._answer)
        self.outbound = Outbound(mounts={"http://x": transport, "https://lookaside.fbsbx.com": transport})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        last = request.url.path.rpartition("/")[2].partition(":")[0].partition(".")[0].lower()
        status, name = self._answers.get(last, self._answers.get("rest", (200, "")))
        return httpx.Response(status, content=body(self._provider, name) if name else b"\x89PNG")

    def whatsapp(self) -> WhatsAppCarrier:
        return WhatsAppCarrier(self.outbound, "http://x/v23.0", "1000", "token")

    def twilio(self) -> TwilioCarrier:
        return TwilioCarrier(self.outbound, "http://x", ("AC1", "token"), "+15005550006", "http://testserver/callback")

    def fcm(self) -> FcmCarrier:
        return FcmCarrier(self.outbound, ACCOUNT, url="http://x", token_url="http://x/token")


async def ends_so(carrier: WhatsAppCarrier | TwilioCarrier | FcmCarrier, message: Outgoing, end: End) -> None:
    if isinstance(end, str):
        assert await carrier.carry(message) == Taken(end)
        return
    kind, code = end if isinstance(end, tuple) else (end, "")
    with pytest.raises(kind) as found:
        await carrier.carry(message)
    assert type(found.value) is kind
    assert code in str(found.value)


def test_all_that_is_recorded_of_answers_is_read_by_a_test() -> None:
    for provider, known in (("whatsapp", {*OF_META, *FILES_OF_META}), ("twilio", {*OF_TWILIO, "api.messages"})):
        assert known == {one for one in names_of(provider) if one.startswith("api.")}
    assert {*OF_FCM, *TOKENS} == names_of("fcm")


@pytest.mark.parametrize("name", OF_META)
async def test_metas_answers_are_taken_refused_or_tried_again(name: str) -> None:
    status, end = OF_META[name]
    await ends_so(Recorded("whatsapp", messages=(status, name)).whatsapp(), TEXT, end)


async def test_a_file_is_brought_to_meta_and_sent_by_its_id() -> None:
    meta = Recorded("whatsapp", media=(200, "api.media.uploaded"), messages=(200, "api.taken"))
    await meta.whatsapp().carry(PICTURE)
    assert b'"image":{"id":"645027718830946"' in meta.asked[-1].content
    broken = Recorded("whatsapp", media=(400, "api.invalid_parameter"), messages=(200, "api.taken"))
    with pytest.raises(Refused, match="whatsapp_100"):
        await broken.whatsapp().carry(PICTURE)


async def test_a_file_is_fetched_from_where_meta_says_unless_it_is_too_large_or_gone() -> None:
    wanted = MediaRef("645027718830912", "image/png")
    meta = Recorded("whatsapp", **{wanted.id: (200, "api.media")})
    assert await meta.whatsapp().fetch(wanted, 97_000) == b"\x89PNG"
    assert meta.asked[-1].url.host == "lookaside.fbsbx.com"
    assert meta.asked[-1].headers["authorization"] == "Bearer token"
    with pytest.raises(Refused, match="media_too_large"):  # 96,411 bytes, as it says
        await meta.whatsapp().fetch(wanted, 96_000)
    with pytest.raises(Refused, match="whatsapp_100"):
        await Recorded("whatsapp", rest=(400, "api.media.missing")).whatsapp().fetch(wanted, 97_000)


@pytest.mark.parametrize("name", OF_TWILIO)
async def test_twilios_answers_are_taken_refused_or_tried_again(name: str) -> None:
    status, end = OF_TWILIO[name]
    await ends_so(Recorded("twilio", messages=(status, name)).twilio(), TEXT, end)


async def test_a_message_is_found_among_those_that_twilio_lists() -> None:
    twilio = Recorded("twilio", messages=(200, "api.messages")).twilio()
    sent = replace(
        TEXT, text="Your parcel is on its way: Größe M, 2 × 🧦", queued_at=datetime(2026, 3, 2, 9, 30, 4, tzinfo=UTC)
    )
    assert await twilio.look_up(sent) == Taken(SENT)
    assert await twilio.look_up(replace(sent, text="Something else")) is None
    assert await twilio.look_up(replace(sent, queued_at=datetime(2026, 3, 2, 10, 30, tzinfo=UTC))) is None


@pytest.mark.parametrize("name", OF_FCM)
async def test_googles_answers_to_a_push_are_taken_refused_or_tried_again(name: str) -> None:
    """A token that is none, or none any more, is gone: nothing is ever sent to it again."""
    status, end = OF_FCM[name]
    google = Recorded("fcm", token=(200, "access_token"), messages=(status, name))
    await ends_so(google.fcm(), PUSH, end)
    assert google.asked[-1].headers["authorization"] == "Bearer 1/8xbJqaOZXSUZbHLl5EOtu1pxz3fmmetKx9W8CV4t79M"


async def test_a_key_that_google_does_not_take_sends_nothing() -> None:
    google = Recorded("fcm", token=(400, "access_token.refused"))
    await ends_so(google.fcm(), PUSH, (Refused, "fcm_invalid_grant"))
    assert len(google.asked) == 1


async def test_of_an_answer_in_other_words_nobody_knows_whether_a_message_was_taken() -> None:
    """A file's answer stands in for anything that is not a message's."""
    with pytest.raises(OutcomeUnknown):
        await Recorded("whatsapp", messages=(200, "api.media.uploaded")).whatsapp().carry(TEXT)
