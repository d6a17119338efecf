"""Vectors as they are published: a JSON list of objects, each with inputs and what to expect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput

Values = Mapping[str, str]
_WANTED = ("id", "cat", "title", "inputs", "expect")


class Skip(Exception):
    """A vector that can't be tried here; the argument is the reason, a sentence."""


@dataclass(frozen=True)
class Vector:
    """One vector: category and title say what is computed, ``inputs`` from what."""

    id: str
    category: str
    title: str
    inputs: Values
    expect: Values

    def hex(self, name: str) -> bytes:
        """Return an input as bytes. Raises ``Skip`` when it is missing or is not hexadecimal."""
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            raise Skip(f"Its input '{name}' is not hexadecimal.") from None

    def text(self, name: str) -> str:
        """Return an input. Raises ``Skip`` when it is missing."""
        if name not in self.inputs:
            raise Skip(f"It has no input '{name}'.")
        return self.inputs[name]

    def says(self, words: str) -> bool:
        """Return whether the title says so, whatever its letters' case."""
        return words.lower() in self.title.lower()

    def altered(self, name: str) -> Vector:
        """Return the same vector with every sign of an input another digit."""
        other = "".join(str((int(sign, 16) + 1) % 10) for sign in self.inputs[name])
        return replace(self, inputs={**self.inputs, name: other})


def read(path: Path) -> list[Vector]:
    """Read a file of vectors. Raises ``BadInput`` that names the object and what is wrong."""
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise _bad(path, f"it can't be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:
        raise _bad(path, f"it is not JSON ({exc})") from exc
    if not isinstance(parsed, list) or not parsed:
        raise _bad(path, "it is not a list of vectors")
    vectors = [_vector(path, number, each) for number, each in enumerate(parsed, start=1)]
    _require_distinct(path, vectors)
    return vectors


def of_category(vectors: list[Vector], category: str | None) -> list[Vector]:
    """Return the vectors of a category, or all. Raises ``BadInput`` when there are none of it."""
    if category is None:
        return vectors
    there = sorted({each.category for each in vectors})
    if category not in there:
        raise BadInput(
            Control.BYTES,
            f"The file has no vector of the category {category}; there are {', '.join(there)}.",
        )
    return [each for each in vectors if each.category == category]


def _vector(path: Path, number: int, parsed: Any) -> Vector:
    if not isinstance(parsed, dict) or any(name not in parsed for name in _WANTED):
        raise _bad(path, f"vector {number} does not have {', '.join(_WANTED)}")
    names = [parsed[name] for name in ("id", "cat", "title")]
    if not all(isinstance(name, str) and name for name in names):
        raise _bad(path, f"id, cat and title of vector {number} are not all texts")
    for part in ("inputs", "expect"):
        if not isinstance(parsed[part], dict) or not parsed[part]:
            raise _bad(path, f"'{part}' of vector {names[0]} is not an object with values")
    return Vector(
        names[0], names[1], names[2], dict(_texts(parsed["inputs"])), dict(_texts(parsed["expect"]))
    )


def _texts(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield name, value if isinstance(value, str) else json.dumps(value)


def _require_distinct(path: Path, vectors: list[Vector]) -> None:
    seen: set[str] = set()
    for vector in vectors:
        if vector.id in seen:
            raise _bad(path, f"the id {vector.id} stands twice")
        seen.add(vector.id)


def _bad(path: Path, why: str) -> BadInput:
    return BadInput(
        Control.BYTES,
        f"{path} is not a file of test vectors: {why}. docs/formats/vectors.md shows one.",
    )
