"""What is recorded: an event of one of the kinds in :mod:`kif.ledger.events`, and its entry.

An entry is one canonical JSON object, hashed as it stands::

    {"boundary":"hsm","event":{"batch":"…","by":["a","b"],"number":3,"station":"station-1"},
     "group":17,"index":41,"kind":"job-claimed","time":"2026-01-01T12:00:00.000000+00:00"}

A group is what one checkpoint was signed over. Committed fields stand in a
payload beside the entry, behind ``commit = SHA-256(00 || salt || payload)``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, get_type_hints

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.form import COMMITTED, Form, read_time, write_time

_FIELDS = frozenset({"boundary", "event", "group", "index", "kind", "time"})


class Boundary(StrEnum):
    """Where keys were clear during the event: ``hsm`` when none was outside the HSM."""

    HSM = "hsm"
    HOST = "host"


_BOUNDARIES = {each.value: each for each in Boundary}


class Event:
    """Something that happened. Each kind is a frozen dataclass; its fields name their forms."""

    kind: ClassVar[str]

    def __init_subclass__(cls, *, kind: str) -> None:
        super().__init_subclass__()
        cls.kind = kind
        KINDS[kind] = cls


KINDS: dict[str, type[Event]] = {}
"""Every kind of event by its name."""


@dataclass(frozen=True)
class _Shape:
    """The fields of a kind, told apart: what everybody may see, and what is committed to."""

    public: dict[str, Form]
    committed: dict[str, Form]


_SHAPES: dict[type[Event], _Shape] = {}


def _shape(kind: type[Event]) -> _Shape:
    if kind not in _SHAPES:
        _SHAPES[kind] = _told_apart(kind)
    return _SHAPES[kind]


def _told_apart(kind: type[Event]) -> _Shape:
    public: dict[str, Form] = {}
    committed: dict[str, Form] = {}
    hints = get_type_hints(kind, include_extras=True)
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]
        form, *marks = hints[name].__metadata__
        (committed if COMMITTED in marks else public)[name] = form
    return _Shape(public, committed)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log. ``group`` counts the checkpoints before it."""

    index: int
    group: int
    time: datetime
    boundary: Boundary
    event: Event
    commit: str | None = None

    @classmethod
    def decode(cls, leaf: bytes) -> Entry:
        """Read a leaf. Raises ``BadInput`` for anything that ``encode`` would not have written.

        Committed fields are None.
        """
        fields = canonical.decode(leaf)
        try:
            return cls._of(fields)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadInput(Control.BYTES, "The leaf is not an entry of this log.") from None

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Entry:
        kind = KINDS[fields["kind"]]
        shape = _shape(kind)
        named = fields.keys() - {"commit"} if shape.committed else fields.keys()
        index, group, commit = fields["index"], fields["group"], fields.get("commit")
        if named != _FIELDS or type(index) is not int or type(group) is not int:
            raise ValueError(sorted(fields))
        if bool(shape.committed) != isinstance(commit, str):
            raise ValueError("commit")
        values = _values(shape.public, fields["event"])
        event = kind(**values, **dict.fromkeys(shape.committed))
        return cls(
            index, group, read_time(fields["time"]), _BOUNDARIES[fields["boundary"]], event, commit
        )

    def disclosed(self, salt: bytes, payload: bytes) -> Entry:
        """Return the entry with its committed fields. Raises ``BadInput`` when they don't fit."""
        shape = _shape(type(self.event))
        if commitment(salt, payload) != self.commit:
            raise BadInput(Control.BYTES, "The payload is not the one that was committed to.")
        try:
            hidden = _values(shape.committed, canonical.decode(payload))
        except (TypeError, ValueError, AttributeError):
            raise BadInput(Control.BYTES, "The payload is not one of this kind.") from None
        event = dataclasses.replace(self.event, **hidden)  # type: ignore[type-var]
        return dataclasses.replace(self, event=event)

    def encode(self) -> bytes:
        """Return the leaf. Raises ``ValueError`` for a naive time."""
        fields = {
            "boundary": self.boundary.value,
            "event": public_fields(self.event),
            "group": self.group,
            "index": self.index,
            "kind": self.event.kind,
            "time": write_time(self.time),
        }
        return canonical.encode(fields if self.commit is None else fields | {"commit": self.commit})


def public_fields(event: Event) -> dict[str, Any]:
    """Return what everybody may see of an event, as JSON values."""
    return _written(_shape(type(event)).public, event)


def fields_of(event: Event) -> dict[str, Any]:
    """Return every field of an event that is known here, as JSON values."""
    committed = _written(_shape(type(event)).committed, event)
    return public_fields(event) | {name: v for name, v in committed.items() if v is not None}


def read_event(kind: str, fields: dict[str, Any]) -> Event:
    """Return an event from what ``fields_of`` gave of all its fields. Raises ``BadInput``."""
    try:
        shape = _shape(KINDS[kind])
        return KINDS[kind](**_values({**shape.public, **shape.committed}, fields))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(Control.BYTES, "This is not an event of this log.") from None


def committed_payload(event: Event) -> bytes | None:
    """Return the canonical JSON of an event's committed fields; None when its kind has none."""
    committed = _shape(type(event)).committed
    return canonical.encode(_written(committed, event)) if committed else None


def checked(event: Event) -> Event:
    """Return the event. Raises ``BadInput`` (BYTES), naming the field that has not its form."""
    shape = _shape(type(event))
    for name, form in {**shape.public, **shape.committed}.items():
        try:
            form.read(form.write(getattr(event, name)))
        except (TypeError, ValueError, AttributeError):
            raise BadInput(
                Control.BYTES,
                f"This can't be recorded: '{name}' of {event.kind} is not in its form. Names have "
                "1 to 64 letters, digits, spaces and . _ @ -, and no number as long as a card's.",
            ) from None
    return event


def commitment(salt: bytes, payload: bytes) -> str:
    """Return the hex commitment to a payload under a 32-byte salt."""
    return hashlib.sha256(b"\x00" + salt + payload).hexdigest()


def _written(forms: dict[str, Form], event: Event) -> dict[str, Any]:
    return {name: form.write(getattr(event, name)) for name, form in forms.items()}


def _values(forms: dict[str, Form], fields: dict[str, Any]) -> dict[str, Any]:
    if fields.keys() != forms.keys():
        raise ValueError(sorted(fields))
    return {name: form.read(fields[name]) for name, form in forms.items()}
