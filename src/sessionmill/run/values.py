"""Values that cross between processes as msgpack, and come back as they were.

Plain ones only: what a statement is given and what a row is made of, never an object of a plugin's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import msgpack

#: What msgpack lacks, or would give back as something else, to text and back: its code there is
#: its place here.
_EXTENSIONS: tuple[tuple[type, Callable[[Any], str], Callable[[str], Any]], ...] = (
    (int, hex, lambda text: int(text, 16)),  # beyond 64 bits
    (str, str, str),  # with half of a surrogate pair: DuckDB is to refuse it, in its own words
    (datetime, datetime.isoformat, datetime.fromisoformat),
    (date, date.isoformat, date.fromisoformat),
    (time, time.isoformat, time.fromisoformat),
    (
        timedelta,
        lambda value: f"{value.days} {value.seconds} {value.microseconds}",
        lambda text: timedelta(*map(int, text.split())),
    ),
    (Decimal, str, Decimal),
    (UUID, str, UUID),
)
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_CODES = {kind: code for code, (kind, _, _) in enumerate(_EXTENSIONS)}
#: What crosses as something simpler: enums of str and int, numpy's float64. No subclass of
#: datetime does: pandas' NaT is one.
_SIMPLER: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytearray, bytes),
    (memoryview, bytes),
)


def packed(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Return `value`, which stands at `path` in the parameters, in terms of msgpack.

    Raises TypeError for what does not cross, naming its place.
    """
    if isinstance(value, list | tuple):
        return [packed(each, (*path, at)) for at, each in enumerate(value)]
    if isinstance(value, dict):
        return {_key(key, path): packed(each, (*path, key)) for key, each in value.items()}
    kind = type(value)
    if _is_native(value, kind):
        return value
    if kind in _CODES:
        code = _CODES[kind]
        return msgpack.Ext(code, _EXTENSIONS[code][1](value).encode(errors="surrogatepass"))
    for base, simpler in _SIMPLER:
        if isinstance(value, base):
            return packed(simpler(value), path)
    raise _misfit("", value, path)


def _key(key: Any, path: tuple[Any, ...]) -> str:
    """Return `key` as the name of a parameter or of a field, which are text for DuckDB too."""
    if isinstance(key, str | int):
        return str.__str__(key) if isinstance(key, str) else str(key)
    raise _misfit("a key of ", key, path)


def _is_native(value: Any, kind: type) -> bool:
    if kind is str:
        return _HALF_PAIR.search(value) is None
    return kind in {type(None), bool, float, bytes} or (kind is int and -(2**63) <= value < 2**64)


def _misfit(part: str, value: Any, path: tuple[Any, ...]) -> TypeError:
    where = "parameters" + "".join(f"[{key!r}]" for key in path)
    return TypeError(
        f"{part}{where} is a {type_name(value)}, which does not cross to the database. What does: "
        "None, bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID, and "
        "lists, tuples and dicts of these, with keys of str or int."
    )


def _unpacked(code: int, data: memoryview) -> Any:
    return _EXTENSIONS[code][2](bytes(data).decode(errors="surrogatepass"))


#: Gives back what `packed` was given; lists for tuples.
decoder = msgpack.Decoder(ext_hook=_unpacked)


def type_name(value: Any) -> str:
    """Return the name of a value's class, with its module but for a built-in."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
