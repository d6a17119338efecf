"""Canonical JSON (RFC 8785): one value, one string of bytes, to be hashed and signed.

The standard library alone writes it, so that a verifier needs nothing else. That holds because kif
has no floating-point numbers: for text, integers below 2^53, booleans, null, lists, and objects
whose names are ASCII, sorted JSON without blanks *is* the canonical form.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from kif.formats.control import Control
from kif.formats.error import BadInput

_LARGEST = 2**53 - 1
_LONG_NUMBER = re.compile(rb"[0-9]{16}")
"""Where there is none, no integer can be too large, and none has to be looked at."""
_write = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def encode(value: Any) -> bytes:
    """Return the canonical UTF-8 bytes of a JSON value: names ASCII, numbers integers."""
    return _write(value).encode()


def decode(raw: bytes) -> Any:
    """Read bytes that must be canonical JSON. Raises ``BadInput`` for any other form of it."""
    try:
        value = (_read_large if _LONG_NUMBER.search(raw) else _read)(raw.decode())
        canonical = encode(value)
    except (ValueError, RecursionError):
        raise BadInput(Control.BYTES, "The bytes are not JSON.") from None
    if canonical != raw:
        raise BadInput(Control.BYTES, "The JSON is not in its canonical form (RFC 8785).")
    return value


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError("a number that other programs can't hold")
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")


_read = json.JSONDecoder(parse_float=_no_number, parse_constant=_no_number).decode
_read_large = json.JSONDecoder(
    parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
).decode
