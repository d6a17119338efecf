"""Reviewed YAML: its value, and the line of each place in it.

Refused is what a reviewer and a program may read differently: a name that is there twice, of which
YAML takes the last, and a part that refers to another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from kif.formats.control import Control
from kif.formats.error import BadInput

Place = tuple[str | int, ...]
"""Names and positions (from 0), from the outermost on."""


def read_document(raw: bytes, what: str, control: Control) -> tuple[Any, dict[Place, int]]:
    """Return the value of a YAML document, and the line (from 1) of each place.

    Raises ``BadInput`` with this control; ``what`` begins its sentence.
    """
    try:
        text = raw.decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise BadInput(control, f"{what} refers to itself (*); write it out.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except UnicodeDecodeError:
        raise BadInput(control, f"{what} is not text in UTF-8.") from None
    except (yaml.YAMLError, ValueError) as exc:
        told = " ".join(str(exc).split())
        raise BadInput(control, f"{what} is not YAML: {told}.") from exc
    lines: dict[Place, int] = {(): 1 if node is None else node.start_mark.line + 1}
    for place, line in _places(node, ()):
        if place in lines:
            raise BadInput(control, f"{what}, line {line}: '{place[-1]}' is there twice.")
        lines[place] = line
    return value, lines


def nearest(lines: dict[Place, int], place: Place) -> int:
    """Return the line of a place, or of the nearest one around it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _places(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    """Yield each place within a part, with its line; a name stands where its value would."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner: Place = (*place, str(name.value))
            yield inner, name.start_mark.line + 1
            yield from _places(value, inner)
    if isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            yield (*place, at), value.start_mark.line + 1
            yield from _places(value, (*place, at))
