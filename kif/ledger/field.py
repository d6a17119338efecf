"""The forms that a plan's fields have, each with what it has to be in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kif.formats.text import is_name, is_sentence


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """A field: whether a JSON value fits, what it has to be, and how it is read."""

    fits: Callable[[Any], bool]
    what: str
    read: Callable[[Any], Any] = _same
    required: bool = True
    default: Any = None

    def optional(self, default: Any = None) -> Field:
        """Return the same field, which may be left out."""
        return replace(self, required=False, default=default)


def text_field(what: str) -> Field:
    """Return a field of one line of text that may stand on the record."""
    return Field(
        lambda value: isinstance(value, str) and is_sentence(value),
        f"{what} of 1 to 400 characters, without long numbers",
    )


def name_field(what: str = "a name") -> Field:
    """Return a field of a name (:func:`kif.formats.text.is_name`)."""
    return Field(
        lambda value: isinstance(value, str) and is_name(value),
        f"{what}: 1 to 64 letters, digits, spaces and . _ @ -",
    )


def number_field(low: int, high: int) -> Field:
    """Return a field of a whole number in a range; JSON's true is none."""
    return Field(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def one_of_field(choices: type[StrEnum]) -> Field:
    """Return a field of an enumeration's value."""
    known = [each.value for each in choices]
    return Field(lambda value: value in known, f"one of {', '.join(known)}", choices)


def list_field(of: Field, low: int, high: int, what: str) -> Field:
    """Return a field of a list, read as a tuple."""
    return Field(
        lambda value: (
            isinstance(value, list) and low <= len(value) <= high and all(map(of.fits, value))
        ),
        f"{what}, {low} to {high} of them; each is {of.what}",
        lambda value: tuple(map(of.read, value)),
    )
