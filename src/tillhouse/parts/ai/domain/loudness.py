"""Where somebody may be speaking, by loudness: speech rises and falls, a machine's noise does not.

A detector of voices alone takes a loud fan or a hum for one; where both agree, somebody speaks.
"""

from collections.abc import Iterator, Sequence

from tillhouse.parts.ai.domain.speech import RATE, Span

_FRAME_MS = 30
_FRAME = RATE * 2 * _FRAME_MS // 1000  # bytes
_FLOOR = 250  # of 32,767: a quiet room is below
_ABOVE_NOISE = 2.5  # speech rises and falls; what is always equally loud is a machine
_JOIN = 0.5
_SHORTEST = 0.25
_EVERY = 4  # samples: enough to know how loud it is


def loud_spans(pcm: bytes) -> tuple[Span, ...]:
    """Spans that are well above both silence and the sound's own steady noise."""
    levels = list(_levels(pcm))
    if not levels:
        return ()
    noise = sorted(levels)[len(levels) // 5]  # a fifth of any speech is pauses
    bar = max(_FLOOR, noise * _ABOVE_NOISE)
    return joined([index for index, level in enumerate(levels) if level >= bar], _FRAME_MS / 1000)


def joined(frames: Sequence[int], seconds: float) -> tuple[Span, ...]:
    """Spans of the frames, each `seconds` long, with short pauses filled and what is too short for a word left out."""
    spans: list[Span] = []
    for index in frames:
        start, end = index * seconds, (index + 1) * seconds
        if spans and start - spans[-1].end <= _JOIN:
            spans[-1] = Span(spans[-1].start, end)
        else:
            spans.append(Span(start, end))
    return tuple(one for one in spans if one.end - one.start >= _SHORTEST)


def _levels(pcm: bytes) -> Iterator[float]:
    samples = memoryview(pcm[: len(pcm) // _FRAME * _FRAME]).cast("h")
    size = _FRAME // 2
    for start in range(0, len(samples), size):
        some = samples[start : start + size : _EVERY]
        yield sum(map(abs, some)) / len(some)


def both(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """The spans of `one` in which there is something of `other`, cut to it: where two gates agree."""
    found: list[Span] = []
    for span in one:
        inside = [o for o in other if o.start < span.end and o.end > span.start]
        if inside:
            found.append(Span(max(span.start, inside[0].start), min(span.end, inside[-1].end)))
    return tuple(one for one in found if one.end - one.start >= _SHORTEST)
