"""The second try at a line that the typed decoder refused: lose a field, keep the line.

The typed decoder is fast because it reads only the fields that facts need, and strict about
their types. A line it refuses is parsed once more by `json`, and fitted field by field.
"""

from __future__ import annotations

import json
import typing
from types import UnionType
from typing import Any, TypeVar

import msgspec

Shape = TypeVar("Shape", bound=msgspec.Struct)

_LOST: Any = object()


def fit(value: dict[str, Any], shape: type[Shape]) -> tuple[Shape, tuple[str, ...]]:
    """Return `value` as `shape`, without its fields of a wrong type, and the paths of those."""
    lost: list[str] = []
    return _fit(value, shape, "", lost), tuple(lost)


def _fit(value: Any, shape: Any, path: str, lost: list[str]) -> Any:
    if shape is msgspec.Raw:
        # As clients write it: what is hashed has the same bytes on a line that is whole.
        return msgspec.Raw(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    for choice in _choices(shape):
        if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            if isinstance(value, dict):
                return choice(**_fit_fields(value, choice, path, lost))
        elif typing.get_origin(choice) is list and isinstance(value, list):
            (item,) = typing.get_args(choice)
            fitted = (_fit(v, item, f"{path}[{i}]", lost) for i, v in enumerate(value))
            return [v for v in fitted if v is not _LOST]
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        lost.append(path)
        return _LOST


def _fit_fields(
    value: dict[str, Any], shape: type[msgspec.Struct], path: str, lost: list[str]
) -> dict[str, Any]:
    fields = {}
    for field in msgspec.structs.fields(shape):
        if field.encode_name in value:
            below = f"{path}.{field.encode_name}" if path else field.encode_name
            fitted = _fit(value[field.encode_name], field.type, below, lost)
            if fitted is not _LOST:
                fields[field.name] = fitted
    return fields


def _choices(shape: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type."""
    if typing.get_origin(shape) in (UnionType, typing.Union):
        return typing.get_args(shape)
    return (shape,)
