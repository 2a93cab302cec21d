"""Measures of what people wrote, which keep no words of it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

_string = msgspec.json.Decoder(str)


_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def whole(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON can name and no other form can hold."""
    if isinstance(value, str):
        return value if value.isascii() else _HALF_A_PAIR.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return value


def text_bytes(text: str) -> int:
    """Return the bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def string(raw: memoryview | bytes) -> str:
    """Decode a JSON string; lone surrogates, which msgspec refuses, pass."""
    try:
        return _string.decode(raw)
    except msgspec.DecodeError:
        return str(whole(json.loads(bytes(raw))))


def starts(raw: msgspec.Raw, with_: bytes) -> bool:
    """Tell whether a raw JSON value starts with a byte: what kind of value it is."""
    return bytes(memoryview(raw)[:1]) == with_


@lru_cache(maxsize=4096)
def last_part(path: str | None) -> str | None:
    """Return the last part of a path of any system: "website" of r"D:\\posh\\website"."""
    if not path:
        return None
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path


def text_hash(text: str) -> int:
    """Return 64 bits that tell texts apart and reveal no words; the same on every machine."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def arguments_hash(name: str, arguments: msgspec.Raw) -> int:
    """Return 64 bits of a call's name and its arguments as they are written."""
    hashed = blake2b(name.encode(), digest_size=8)
    hashed.update(b"\0")
    hashed.update(arguments)
    return int.from_bytes(hashed.digest(), "little")
