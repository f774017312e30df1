"""JSON of a schema, filled from a text: dates, numbers and names are taken from where they stand in it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from tillhouse.sandbox.model.reading import sentences, telling, words

_NUMBER = re.compile(r"-?\d+(?:[.,]\d{3})*(?:\.\d+)?")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_ITEMS = re.compile(r"\s*(?:,|;|\n|\band\b)\s*")
_DEEPEST = 12

Schema = Mapping[str, Any]


def filled(schema: Schema, text: str) -> JsonValue:
    """A value that is valid by `schema`, its content from `text`. Understands what SDKs make of classes: objects,
    arrays, `$ref`, `anyOf`, `enum`, `const`, bounds, formats."""
    return _Filler(schema).value(schema, text, "", 0)


class _Filler:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def value(self, schema: Schema, text: str, name: str, depth: int) -> JsonValue:
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]  # type: ignore[no-any-return]  # whatever the caller wrote
        if "enum" in schema:
            return _mentioned(schema["enum"], text)
        kind = schema.get("type")
        kinds = list(kind) if isinstance(kind, list) else [kind]
        if "object" in kinds or "properties" in schema:
            return self._object(schema, text, depth)
        if "array" in kinds:
            return self._array(schema, text, name, depth)
        return _scalar(kinds, schema, text, name)

    def _resolved(self, schema: Schema, depth: int) -> Schema:
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                found: Any = self._root
                for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                    found = found[step]
                schema = found
            elif options := schema.get("anyOf") or schema.get("oneOf"):
                rest = [one for one in options if one.get("type") != "null"]
                schema = rest[0] if rest and depth < _DEEPEST else options[-1]
            elif "allOf" in schema:
                schema = {key: value for part in schema["allOf"] for key, value in part.items()}
            else:
                break
        return schema

    def _object(self, schema: Schema, text: str, depth: int) -> JsonValue:
        used: set[str] = set()
        found: dict[str, JsonValue] = {}
        for name, part in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or depth < _DEEPEST:
                found[name] = self.value(part, _without(text, used), name, depth + 1)
                if isinstance(found[name], int | float) and not isinstance(found[name], bool):
                    used.add(str(found[name]))
        return found

    def _array(self, schema: Schema, text: str, name: str, depth: int) -> JsonValue:
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 20))
        if depth >= _DEEPEST:
            most = least
        pieces = [piece for piece in _ITEMS.split(_after(name, text) or text) if words(piece)][:most]
        pieces += [text] * (least - len(pieces))
        return [self.value(schema.get("items", {"type": "string"}), piece, name, depth + 1) for piece in pieces]


def _scalar(kinds: Sequence[object], schema: Schema, text: str, name: str) -> JsonValue:
    if "integer" in kinds or "number" in kinds:
        return _number(schema, _after(name, text) or text, whole="number" not in kinds)
    if "boolean" in kinds:
        return not telling(text).isdisjoint(telling(name.replace("_", " ")))
    if "string" in kinds or kinds == [None]:
        return _string(schema, text, name)
    return None


def _string(schema: Schema, text: str, name: str) -> str:
    form = schema.get("format")
    if form == "date":
        found = _DATE.search(text)
        return found[0] if found else "2026-01-01"
    if form == "date-time":
        found = _DATE.search(text)
        return f"{found[0] if found else '2026-01-01'}T00:00:00Z"
    if form == "email":
        found = _EMAIL.search(text)
        return found[0] if found else "someone@example.com"
    labelled = _after(name, text)
    plain = labelled or next(iter(sentences(text)), text).strip()
    if not labelled:
        plain = _NUMBER.sub("", plain).strip(" .,:;") or plain
    if "pattern" in schema:
        matched = re.search(str(schema["pattern"]).strip("^$"), text)
        plain = matched[0] if matched else plain
    plain = plain[: int(schema.get("maxLength", 500))]
    return plain.ljust(int(schema.get("minLength", 0)), "-")


def _number(schema: Schema, text: str, *, whole: bool) -> JsonValue:
    found = [float(one.replace(",", "")) for one in _NUMBER.findall(text)]
    value = next((one for one in found if not whole or one == int(one)), 0.0)
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    if least is not None and (value < least or ("exclusiveMinimum" in schema and value == least)):
        value = least + ("exclusiveMinimum" in schema)
    if most is not None and (value > most or ("exclusiveMaximum" in schema and value == most)):
        value = most - ("exclusiveMaximum" in schema)
    return int(value) if whole or value == int(value) else value


def _mentioned(options: Sequence[JsonValue], text: str) -> JsonValue:
    found = telling(text)
    return next((one for one in options if telling(str(one)) and telling(str(one)) <= found), options[0])


def _after(name: str, text: str) -> str:
    """What stands behind the name of a field: `total: 90`, `due date is 2026-01-05`."""
    if not name:
        return ""
    label = r"[\s_-]*".join(map(re.escape, name.split("_")))
    found = re.search(rf"\b{label}\b\s*(?:[:=]|\bis\b|\bare\b|\bof\b)\s*([^\n;,.]+(?:\.\d+)?)", text, re.IGNORECASE)
    return found[1].strip() if found else ""


def _without(text: str, used: set[str]) -> str:
    for one in used:
        text = re.sub(rf"(?<![\d.]){re.escape(one)}(?:\.0+)?(?![\d.])", "", text, count=1)
    return text
