"""Secrets are typed: a PIN, passphrase, component or clear record shows in no repr."""

from __future__ import annotations

from typing import final


@final
class Secret:
    """Bytes that must not be shown. ``reveal()`` is the only way to them, easy to find by grep.

    Equality, hashing and pickling are refused: nothing should compare or move a secret by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    @classmethod
    def of_text(cls, text: str) -> Secret:
        """Take the UTF-8 form of a PIN or passphrase."""
        return cls(text.encode())

    def reveal(self) -> bytes:
        """Return the bytes, for the one call that needs them."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(redacted)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        raise TypeError("a Secret is not compared; use hmac.compare_digest on what it reveals")

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")
