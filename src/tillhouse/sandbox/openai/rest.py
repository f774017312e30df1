"""Models, embeddings and transcription."""

import asyncio
import base64
import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import PlainTextResponse, Response

from tillhouse.sandbox.model.answering import count_tokens
from tillhouse.sandbox.model.listening import RATE, Heard, Unreadable, decoded, heard
from tillhouse.sandbox.model.vectors import vector
from tillhouse.sandbox.openai.access import PREFIX, Authorised
from tillhouse.sandbox.openai.errors import OpenAIError
from tillhouse.sandbox.openai.schemas import EmbeddingBody

router = APIRouter(prefix=PREFIX, dependencies=[Authorised])

_MODELS = ("gpt-4.1-mini", "gpt-4.1", "gpt-5-mini", "deepseek-v4-flash", "till-gullible", "text-embedding-3-small",
           "text-embedding-3-large", "whisper-1")  # fmt: skip
_DIMENSIONS = {"text-embedding-3-large": 3072}
_MOST_INPUTS = 2048
_MOST_BYTES = 25 * 1024 * 1024
_MADE = 1_735_689_600


@router.get("/v1/models")
async def models() -> dict[str, Any]:
    """The models that are listed; any other name answers as well."""
    return {"object": "list", "data": [_model(name) for name in _MODELS]}


@router.get("/v1/models/{name}")
async def model(name: str) -> dict[str, Any]:
    """One model."""
    if name not in _MODELS:
        raise OpenAIError(f"The model '{name}' does not exist", status=404, code="model_not_found", param="model")
    return _model(name)


@router.post("/v1/embeddings")
async def embeddings(body: EmbeddingBody) -> dict[str, Any]:
    """Vectors of texts: base64, as the SDKs ask for, or numbers."""
    texts = body.texts
    if not texts or any(not one for one in texts) or len(texts) > _MOST_INPUTS:
        raise OpenAIError(f"'$.input' is invalid: 1 to {_MOST_INPUTS} inputs, none empty.", param="input")
    length = body.dimensions or _DIMENSIONS.get(body.model, 1536)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector(text, length), body.encoding_format)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(map(count_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


@router.post("/v1/audio/transcriptions", response_model=None)
async def transcriptions(
    file: Annotated[UploadFile, File()],
    model: Annotated[str, Form()],
    *,
    language: Annotated[str, Form()] = "en",
    prompt: Annotated[str, Form()] = "",
    response_format: Annotated[Literal["json", "text", "srt", "verbose_json", "vtt"], Form()] = "json",
    granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
) -> Response | dict[str, Any]:
    """The words of a sound that was really listened to."""
    content = await file.read()
    if len(content) > _MOST_BYTES:
        message = f"Maximum content size limit ({_MOST_BYTES}) exceeded ({len(content)} bytes read)"
        raise OpenAIError(message, status=413)
    if response_format == "verbose_json" and "whisper" not in model:
        message = f"response_format 'verbose_json' is not compatible with model '{model}'. Use 'json' instead."
        raise OpenAIError(message, code="unsupported_value", param="response_format")
    try:
        samples = await asyncio.to_thread(decoded, content)
        found = await asyncio.to_thread(heard, samples, prompt)
    except Unreadable:
        message = "Invalid file format. Supported formats: flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav, webm"
        raise OpenAIError(message, param="file") from None
    text = " ".join(one.word for one in found)
    seconds = round(len(samples) / 2 / RATE, 2)
    if response_format in ("text", "srt", "vtt"):
        return PlainTextResponse(_written(response_format, text, found))
    usage = {"type": "duration", "seconds": int(seconds + 0.999)}
    if response_format == "json":
        return {"text": text, "usage": usage}
    verbose: dict[str, Any] = {
        "task": "transcribe",
        "language": {"en": "english", "hi": "hindi", "vi": "vietnamese", "th": "thai"}.get(language, language),
        "duration": seconds,
        "text": text,
        "segments": [_segment(found, text)] if found else [],
        "usage": usage,
    }
    if "word" in (granularities or ()):
        verbose["words"] = [{"word": one.word, "start": one.start, "end": one.end} for one in found]
    return verbose


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _MADE, "owned_by": "tillhouse-sandbox"}


def _encoded(found: list[float], form: str) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(found)}f", *found)).decode() if form == "base64" else found


def _segment(found: list[Heard], text: str) -> dict[str, Any]:
    return {
        "id": 0,
        "seek": 0,
        "start": found[0].start,
        "end": found[-1].end,
        "text": f" {text}",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.3,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }


def _written(form: str, text: str, found: list[Heard]) -> str:
    if form == "text" or not found:
        return f"{text}\n"
    start, end = _time(found[0].start, form), _time(found[-1].end, form)
    return f"WEBVTT\n\n{start} --> {end}\n{text}\n" if form == "vtt" else f"1\n{start} --> {end}\n{text}\n"


def _time(seconds: float, form: str) -> str:
    whole, part = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{'.' if form == 'vtt' else ','}{part:03}"
