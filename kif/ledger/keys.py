"""The keys of a site by reference: what each is for, its check value, and its state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.ledger.events.ceremony import ComponentEntered, KeyFormed, KeyGenerated
from kif.ledger.journal import Journal

_COMPONENTS = 2


class KeyState(StrEnum):
    """A key's state (NIST SP 800-57 part 1, 7)."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"


@dataclass(frozen=True)
class KeyEntry:
    """A key as the log knows it; ``public_key`` is hex, of a key pair only."""

    usage: str
    algorithm: str
    kcv: str | None
    public_key: str | None
    state: KeyState = KeyState.PRE_ACTIVE


class Keys:
    """Every key by its reference."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.known: dict[KeyRef, KeyEntry] = {}
        self._components: dict[tuple[KeyRef, int], str] = {}
        """Who entered which component of a key that is not formed yet."""

    def generated(self, event: KeyGenerated) -> None:
        """Enter a key that was generated inside the token."""
        self._enter(event.key, KeyEntry(event.usage, event.algorithm, event.kcv, event.public_key))

    def component(self, event: ComponentEntered) -> None:
        """Note a component: each has another custodian."""
        others = {who for (key, _), who in self._components.items() if key == event.key}
        if event.person in others or (event.key, event.component) in self._components:
            raise Refused(
                Control.CUSTODIANS,
                f"Component {event.component} of {event.key} was entered before, or by "
                f"{event.person}, who has entered another. Each has a custodian of its own.",
            )
        self._journal.put(self._components, (event.key, event.component), event.person)

    def formed(self, event: KeyFormed) -> None:
        """Enter a key that was combined of at least two components."""
        count = sum(key == event.key for key, _ in self._components)
        if count < _COMPONENTS:
            raise Refused(
                Control.COMPONENT,
                f"{event.key} is formed of {count} components; it takes at least {_COMPONENTS}.",
            )
        self._enter(event.key, KeyEntry(event.usage, event.algorithm, event.kcv, None))

    def activate_all(self) -> None:
        """Make every key active: the ceremony is closed."""
        for key, entry in list(self.known.items()):
            self._journal.put(self.known, key, replace(entry, state=KeyState.ACTIVE))

    def require_active(self, key: KeyRef, kcv: str) -> None:
        """Require that a key may be used and has this check value (KEY_CHECK_VALUE)."""
        entry = self.known.get(key)
        if entry is None or entry.state is not KeyState.ACTIVE:
            state = "unknown" if entry is None else entry.state.value
            raise Refused(Control.KEY_FOUND, f"The key {key} is {state}; an active one is needed.")
        if entry.kcv != kcv:
            raise Refused(
                Control.KEY_CHECK_VALUE,
                f"The key {key} has the check value {entry.kcv} on the record, not {kcv}.",
            )

    def check_value(self, key: KeyRef) -> str:
        """Return the check value of a secret key, or raise ``Refused`` (KEY_FOUND)."""
        entry = self.known.get(key)
        if entry is None or entry.kcv is None:
            raise Refused(Control.KEY_FOUND, f"There is no key {key} with a check value.")
        return entry.kcv

    def public_key(self, key: KeyRef) -> bytes:
        """Return the public key of a pair, or raise ``Refused`` (KEY_FOUND)."""
        entry = self.known.get(key)
        if entry is None or entry.public_key is None:
            raise Refused(Control.KEY_FOUND, f"There is no key pair {key} on the record.")
        return bytes.fromhex(entry.public_key)

    def _enter(self, key: KeyRef, entry: KeyEntry) -> None:
        if key in self.known:
            raise Refused(Control.KEY_FOUND, f"The key {key} is on the record already.")
        self._journal.put(self.known, key, entry)

    def encode(self) -> list[list[str | None]]:
        """Return every key as JSON values."""
        return [
            [str(key), e.usage, e.algorithm, e.kcv, e.public_key, e.state.value]
            for key, e in self.known.items()
        ]

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.known = {
            KeyRef.parse(key): KeyEntry(usage, algorithm, kcv, public, KeyState(state))
            for key, usage, algorithm, kcv, public, state in fields
        }
