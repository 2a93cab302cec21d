"""What is told to programs, as JSON: the command line and the API write it alike."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

#: Decimals that JSON shows as numbers: micro-dollars have six, prices nine.
MOST_DECIMALS = 9


def json_text(document: Any) -> str:
    """Return a document as JSON: times in ISO 8601, UTC; no NaN; half surrogate pairs named."""
    text = json.dumps(_finite(document), default=_plain, ensure_ascii=False)
    # Half of a surrogate pair cannot be written, but JSON can name it.
    return text.encode("utf-8", "backslashreplace").decode()


def _finite(value: Any) -> Any:
    """Return what JSON can hold: it has neither NaN nor infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + ("Z" if value.tzinfo is None else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        # A figure of a report is a number, and a double holds its every digit; what has more of
        # them than money and prices is text, which loses none.
        return float(value) if int(value.as_tuple().exponent) >= -MOST_DECIMALS else str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
