"""The three-way check of keys: what the registry, the token and the log say of each.

The log decides; what differs from it is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kif.formats.error import KifError
from kif.formats.keyref import KeyRef
from kif.formats.purpose import purpose_of
from kif.formats.state import KeyState
from kif.hsm.form import object_labels, standing_check_value
from kif.hsm.key import Algorithm, drifted
from kif.hsm.keypair import public_key
from kif.hsm.native import NativeKey
from kif.hsm.token import PRIVATE, SECRET, Token
from kif.hsm.usage import RULES, Usage
from kif.ledger.keys import KeyEntry, Keys
from kif.oracle.messages import KeyView

_Objects = dict[tuple[str, str], list[NativeKey]]
_GONE = (KeyState.PRE_ACTIVE, KeyState.DESTROYED)


@dataclass(frozen=True)
class Finding:
    """Something that does not fit: the key, where it was found, and what it is."""

    key: str
    where: str
    """``token`` or ``registry``."""
    what: str


def compare(token: Token, keys: Keys, registry: Sequence[KeyView]) -> list[Finding]:
    """Return every finding, in the order of the keys."""
    objects = token.key_objects()
    found = [
        *_of_registry(keys, {view.key: view for view in registry}),
        *_strangers(objects, keys),
        *(
            finding
            for key, entry in keys.known.items()
            for finding in _of_key(token, objects, key, entry)
        ),
    ]
    return sorted(found, key=lambda each: (each.key, each.where, each.what))


def _of_registry(keys: Keys, registry: dict[KeyRef, KeyView]) -> Iterator[Finding]:
    for key in sorted(keys.known.keys() | registry.keys()):
        entry, view = keys.known.get(key), registry.get(key)
        if view is None:
            yield Finding(str(key), "registry", "is not in the registry, but on the record.")
        elif entry is None:
            yield Finding(str(key), "registry", "is in the registry and not on the record.")
        else:
            ours = (entry.usage, entry.algorithm, entry.kcv, entry.state)
            theirs = (view.usage, view.algorithm, view.kcv, view.state)
            names = ("usage", "algorithm", "check value", "state")
            for name, here, there in zip(names, ours, theirs, strict=True):
                if here != there:
                    yield Finding(
                        str(key), "registry", f"has the {name} {there}; the record says {here}."
                    )


def _strangers(objects: _Objects, keys: Keys) -> Iterator[Finding]:
    on_record = {
        label: entry for key, entry in keys.known.items() for label in _labels(str(key), entry)
    }
    for (label, kind), natives in objects.items():
        known = on_record.get(label)
        if known is None:
            yield Finding(label, "token", f"no ceremony made this {kind} key.")
        elif known.state is KeyState.DESTROYED:
            yield Finding(label, "token", "is there, but was destroyed on the record.")
        if len(natives) > 1:
            yield Finding(label, "token", f"{len(natives)} {kind} keys have this label.")


def _of_key(token: Token, objects: _Objects, key: KeyRef, entry: KeyEntry) -> Iterator[Finding]:
    if purpose_of(key).quorum:
        return
    kind = SECRET if entry.public_key is None else PRIVATE
    usage = Usage(entry.usage)
    algorithm = Algorithm(entry.algorithm) if kind == SECRET else None
    comparable = entry.state not in _GONE
    for label in _labels(str(key), entry):
        natives = objects.get((label, kind), [])
        comparable = comparable and len(natives) == 1
        if not natives and entry.state not in _GONE:
            yield Finding(label, "token", f"is {entry.state.value} on the record and not there.")
        for native in natives:
            wrong = drifted(native, RULES[usage], label, algorithm)
            if wrong:
                yield Finding(label, "token", f"differs from its usage in {', '.join(wrong)}.")
    if comparable:
        yield from _other_value(token, key, entry)


def _labels(key: str, entry: KeyEntry) -> tuple[str, ...]:
    """Return the labels of a key's objects in the token."""
    return (key,) if entry.public_key is not None else object_labels(key, Usage(entry.usage))


def _other_value(token: Token, key: KeyRef, entry: KeyEntry) -> Iterator[Finding]:
    try:
        if entry.public_key is not None:
            same = public_key(token, str(key)).hex() == entry.public_key
        else:
            usage, algorithm = Usage(entry.usage), Algorithm(entry.algorithm)
            found = standing_check_value(token, str(key), usage, algorithm)
            same = str(found) == entry.derived
    except KifError as exc:
        yield Finding(str(key), "token", f"can't be compared: {exc.sentence}")
        return
    if not same:
        yield Finding(str(key), "token", "is another key: its check value differs.")
