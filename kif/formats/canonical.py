"""Canonical JSON (RFC 8785): one value, one string of bytes, to be hashed and signed."""

import json
from typing import Any

import rfc8785

from kif.formats.control import Control
from kif.formats.error import BadInput


def encode(value: Any) -> bytes:
    """Return the canonical UTF-8 bytes of a JSON value."""
    return rfc8785.dumps(value)


def decode(raw: bytes) -> Any:
    """Read bytes that must be canonical JSON. Raises ``BadInput`` for any other form of it."""
    try:
        value = json.loads(raw)
        canonical = encode(value)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError):
        raise BadInput(Control.BYTES, "The bytes are not JSON.") from None
    if canonical != raw:
        raise BadInput(Control.BYTES, "The JSON is not in its canonical form (RFC 8785).")
    return value
