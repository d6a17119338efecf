"""Reviewed YAML: its value, and the line of each place in it.

Refused is what a reviewer and a program may read differently: a name that is there twice, of which
YAML takes the last, and a part that refers to another one.
"""

from __future__ import annotations

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
    lines: dict[Place, int] = {(): 1}
    if node is not None:
        repeated = _collect(node, (), lines)
        if repeated is not None:
            name, line = repeated
            raise BadInput(control, f"{what}, line {line}: '{name}' is there twice.")
    return value, lines


def nearest(lines: dict[Place, int], place: Place) -> int:
    """Return the line of a place, or of the nearest one around it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _collect(node: yaml.Node, place: Place, lines: dict[Place, int]) -> tuple[str, int] | None:
    """Note the lines of a part; return a name that is there twice, with its second line."""
    lines[place] = node.start_mark.line + 1
    repeated = None
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner, line = (*place, str(name.value)), name.start_mark.line + 1
            if inner in lines:
                return str(name.value), line
            repeated = repeated or _collect(value, inner, lines)
            lines[inner] = line
    if isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            repeated = repeated or _collect(value, (*place, at), lines)
    return repeated
