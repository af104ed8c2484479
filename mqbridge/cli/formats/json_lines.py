"""JSON lines: an object for each message, `{"parts": ["text", {"base64": "/w=="}], "time": ..., "peer": ...}`."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timezone
from typing import Any

from mqbridge.cli.formats.base import LineReader, Received, Writer, as_parts


class JsonWriter(Writer):
    """Parts that are UTF-8 are strings; others are objects with their base64."""

    def __init__(self, **others: Any) -> None:
        pass

    def write(self, messages: list[Any], received: list[Received] | None = None) -> bytes:
        lines = []
        for at, message in enumerate(messages):
            found: dict[str, Any] = {"parts": [_as_json(part) for part in as_parts(message)]}
            if received is not None:
                when = datetime.fromtimestamp(received[at].time, timezone.utc)
                found["time"] = when.isoformat(timespec="microseconds").replace("+00:00", "Z")
                if received[at].peer:
                    found["peer"] = received[at].peer
            lines.append(json.dumps(found, ensure_ascii=False) + "\n")
        return "".join(lines).encode()


class JsonReader(LineReader):
    """Reads what JsonWriter writes; a list of parts, or one alone, is a message, too."""

    def __init__(self, **others: Any) -> None:
        super().__init__()

    def parts(self, line: bytes) -> list[bytes]:
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError(f"it is no JSON: {error}") from None
        except RecursionError:
            raise ValueError("it is no JSON: too deep") from None
        if isinstance(found, dict) and "parts" in found:
            found = found["parts"]
        parts = found if isinstance(found, list) else [found]
        if not parts:
            raise ValueError("a message has at least one part")
        return [_from_json(part) for part in parts]


def _as_json(part: bytes) -> Any:
    try:
        return part.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(part).decode("ascii")}


def _from_json(part: Any) -> bytes:
    if isinstance(part, str):
        try:
            return part.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{part!r} has half a character; give bytes as base64") from None
    if isinstance(part, dict) and set(part) == {"base64"} and isinstance(part["base64"], str):
        try:
            return base64.b64decode(part["base64"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"{part['base64'][:20]!r} is no base64: {error}") from None
    raise ValueError(f'{str(part)[:40]!r} is no part; a part is a string or {{"base64": "..."}}')
