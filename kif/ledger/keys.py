"""The keys by reference: what each is for, its check values, and its state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import SITE, KeyRef
from kif.formats.purpose import (
    ENVELOPE_RECIPIENT,
    KEPT,
    LOG_SIGNER,
    SITE_CA,
    Owner,
    purpose_of,
)
from kif.formats.state import KEY_STEPS, KeyState
from kif.ledger.events.ceremony import KeyGenerated
from kif.ledger.events.custody import QuorumMade
from kif.ledger.events.key import KeyFormed, KeyImported
from kif.ledger.form import read_time, write_time
from kif.ledger.journal import Journal

_KEPT_BESIDE = {SITE_CA: 0, ENVELOPE_RECIPIENT: 1}
"""How many older ones stay in use beside the newest; of other purposes, all do."""


@dataclass(frozen=True)
class KeyEntry:
    """A key as the log knows it; ``public_key`` is hex, of a key pair only.

    ``derived`` is the check value of a key that is derived from it, of a master only.
    """

    usage: str
    algorithm: str
    kcv: str | None
    derived: str | None
    public_key: str | None
    state: KeyState = KeyState.PRE_ACTIVE
    valid_until: datetime | None = None
    """The end of its cryptoperiod (NIST SP 800-57 part 1, 5.3), if it has one."""

    def may_be_used(self, now: datetime) -> bool:
        """Return whether it is active and within its cryptoperiod."""
        in_time = self.valid_until is None or now <= self.valid_until
        return self.state is KeyState.ACTIVE and in_time


class Keys:
    """Every key by its reference."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.known: dict[KeyRef, KeyEntry] = {}

    def generated(self, event: KeyGenerated) -> None:
        """Enter a key that was generated inside the token."""
        row = purpose_of(event.key)
        of_site = event.key.owner == SITE and Owner.SITE in row.owners and not row.quorum
        if not (of_site or row.partners):
            raise Refused(Control.KEY_USAGE, f"No key like {event.key} is generated.")
        made = (event.usage, event.algorithm, event.kcv, event.derived, event.public_key)
        entry = KeyEntry(*made, valid_until=event.valid_until)
        self._enter(event.key, entry)

    def formed(self, event: KeyFormed | KeyImported) -> None:
        """Enter a key that was combined of components, or came in a block."""
        entry = KeyEntry(
            event.usage,
            event.algorithm,
            event.kcv,
            event.derived,
            None,
            valid_until=event.valid_until,
        )
        self._enter(event.key, entry)

    def quorum_made(self, event: QuorumMade) -> None:
        """Enter a key that a quorum's shares give; it is not kept in the token."""
        row = purpose_of(event.key)
        (algorithm,) = row.algorithms
        self._enter(event.key, KeyEntry(row.usage, algorithm, event.kcv, None, None))

    def succeeded(self, key: KeyRef, public_key: bytes) -> None:
        """Enter a pair of the site that is used from here on; the one before it never is again."""
        row = purpose_of(key)
        (algorithm,) = row.algorithms
        for other in self.in_use_before(key):
            self.erased(other)
        entry = KeyEntry(row.usage, algorithm, None, None, public_key.hex(), KeyState.ACTIVE)
        self._enter(key, entry)

    def lost(self, kept: Iterable[KeyRef]) -> tuple[KeyRef, ...]:
        """Return what is lost with a token when these keys are in another one.

        The key that signs the log is replaced by itself, and a quorum's key is in no token.
        """
        there = set(kept)
        return tuple(
            sorted(
                key
                for key, entry in self.known.items()
                if entry.state is not KeyState.DESTROYED
                and key not in there
                and not purpose_of(key).quorum
                and key.purpose != LOG_SIGNER
            )
        )

    def lose(self, keys: Iterable[KeyRef]) -> None:
        """Take keys out of use that were lost with their token."""
        for key in keys:
            self.end((key,))
            self.step(key, KeyState.DESTROYED)

    def supersede(self, keys: Iterable[KeyRef]) -> None:
        """End the pairs of the site after which these came, except one beside that is kept."""
        for key in keys:
            for other in superseded(key, self.in_use_before(key)):
                self.erased(other)

    def end(self, keys: Iterable[KeyRef]) -> None:
        """Deactivate keys that another version came after, as far as they are not ended already."""
        for key in keys:
            if KeyState.DEACTIVATED in KEY_STEPS[self.require(key).state]:
                self.step(key, KeyState.DEACTIVATED)

    def in_use_before(self, key: KeyRef) -> list[KeyRef]:
        """Return the older active keys of an owner and purpose, newest first."""
        return key.before(k for k, e in self.known.items() if e.state is KeyState.ACTIVE)

    def newest_pair(self, purpose: str) -> KeyRef:
        """Return the newest pair of the site for a purpose that is not destroyed (KEY_FOUND)."""
        there = self._versions(SITE, purpose).items()
        found = [key for key, entry in there if entry.state is not KeyState.DESTROYED]
        if not found:
            raise Refused(Control.KEY_FOUND, f"There is no key {SITE}/{purpose}.")
        return max(found)

    def masters(self) -> tuple[KeyRef, ...]:
        """Return every master that is not destroyed: what a backup holds."""
        return tuple(
            sorted(
                key
                for key, entry in self.known.items()
                if entry.usage in KEPT and entry.state is not KeyState.DESTROYED
            )
        )

    def unmade(self, keys: Iterable[KeyRef]) -> None:
        """Forget keys that an interrupted step had made: their references are made again."""
        for key in keys:
            if self.require(key).state is not KeyState.PRE_ACTIVE:
                raise Refused(Control.KEY_STATE, f"{key} is in use; it is not made again.")
            self._journal.drop(self.known, key)

    def retained(self, key: KeyRef, derived: str) -> None:
        """Take the retention key of a batch: made with the first of its window, then the same."""
        if key not in self.known:
            row = purpose_of(key)
            (algorithm,) = row.algorithms
            self._enter(key, KeyEntry(row.usage, algorithm, None, derived, None, KeyState.ACTIVE))
        entry = self.known[key]
        if (entry.state, entry.derived) != (KeyState.ACTIVE, derived):
            raise Refused(
                Control.KEY_STATE,
                f"The retention key {key} is {entry.state.value}, or another one than before.",
            )

    def erased(self, key: KeyRef) -> None:
        """Take a key out of use for ever."""
        self.step(key, KeyState.DEACTIVATED)
        self.step(key, KeyState.DESTROYED)

    def changed(self, key: KeyRef, to: KeyState) -> None:
        """Move a key of an issuer or a vendor along its states."""
        if not purpose_of(key).partners:
            raise Refused(
                Control.KEY_STATE, f"{key} is the site's own; its state is not changed like that."
            )
        if self.require(key).state is KeyState.PRE_ACTIVE:
            raise Refused(Control.KEY_STATE, f"{key} belongs to a ceremony that is not closed.")
        self.step(key, to)

    def step(self, key: KeyRef, to: KeyState) -> None:
        """Move a key one step. Raises ``Refused`` (KEY_STATE) when there is no such step."""
        entry = self.require(key)
        if to not in KEY_STEPS[entry.state]:
            after = ", ".join(sorted(KEY_STEPS[entry.state])) or "nothing"
            raise Refused(
                Control.KEY_STATE,
                f"The key {key} is {entry.state.value}; it can't become {to.value}. After "
                f"{entry.state.value} comes {after}.",
            )
        self._journal.put(self.known, key, replace(entry, state=to))

    def step_all(self, keys: Iterable[KeyRef], to: KeyState) -> None:
        """Move several keys one step."""
        for key in keys:
            self.step(key, to)

    def require(self, key: KeyRef) -> KeyEntry:
        """Return a key, or raise ``BadInput`` (KEY_FOUND)."""
        if key not in self.known:
            raise BadInput(Control.KEY_FOUND, f"There is no key {key}. 'kif key list' lists them.")
        return self.known[key]

    def require_active(self, key: KeyRef, kcv: str, now: datetime) -> None:
        """Require that a key may be used and has this check value (KEY_CHECK_VALUE)."""
        entry = self.known.get(key)
        if entry is None or entry.state is not KeyState.ACTIVE:
            state = "unknown" if entry is None else entry.state.value
            raise Refused(Control.KEY_STATE, f"The key {key} is {state}; an active one is needed.")
        if entry.valid_until is not None and now > entry.valid_until:
            raise _expired(key, entry.valid_until)
        if entry.kcv != kcv:
            raise Refused(
                Control.KEY_CHECK_VALUE,
                f"The key {key} has the check value {entry.kcv} on the record, not {kcv}.",
            )

    def newest(self, owner: str, purpose: str, now: datetime, cipher: str = "") -> KeyRef:
        """Return the newest key of an owner and purpose that may be used, or raise (KEY_FOUND).

        ``cipher`` is a part of its algorithm's name, where that matters: AES or TDEA.
        """
        there = self._versions(owner, purpose).items()
        found = [key for key, each in there if each.may_be_used(now) and cipher in each.algorithm]
        if not found:
            what = f"{cipher} key" if cipher else "key"
            raise Refused(
                Control.KEY_FOUND,
                f"{owner} has no active {what} for {purpose}. Hold the ceremony that makes it "
                "('kif ceremony run'; docs/custodian.md says which).",
            )
        return max(found)

    def in_use(self, owner: str, purpose: str) -> KeyRef:
        """Return the newest active key of an owner and purpose, or raise (KEY_FOUND)."""
        there = self._versions(owner, purpose).items()
        found = [key for key, entry in there if entry.state is KeyState.ACTIVE]
        if not found:
            raise Refused(Control.KEY_FOUND, f"There is no active key {owner}/{purpose}.")
        return max(found)

    def next_version(self, owner: str, purpose: str) -> KeyRef:
        """Return the reference of a key that comes next; no version is ever taken again."""
        versions = [key.version for key in self._versions(owner, purpose)]
        return KeyRef(owner, purpose, max(versions, default=0) + 1)

    def _versions(self, owner: str, purpose: str) -> dict[KeyRef, KeyEntry]:
        """Return every version of an owner's key for a purpose."""
        wanted = (owner, purpose)
        return {k: entry for k, entry in self.known.items() if (k.owner, k.purpose) == wanted}

    def check_value(self, key: KeyRef) -> str:
        """Return the check value of a secret key, or raise (KEY_FOUND)."""
        kcv = self.require(key).kcv
        if kcv is None:
            raise Refused(Control.KEY_FOUND, f"The key {key} has no check value.")
        return kcv

    def public_key(self, key: KeyRef) -> bytes:
        """Return the public key of a pair, or raise (KEY_FOUND)."""
        public = self.require(key).public_key
        if public is None:
            raise Refused(Control.KEY_FOUND, f"The key {key} is not a pair.")
        return bytes.fromhex(public)

    def _enter(self, key: KeyRef, entry: KeyEntry) -> None:
        row = purpose_of(key)
        if entry.usage != row.usage or entry.algorithm not in row.algorithms:
            raise Refused(
                Control.KEY_USAGE,
                f"{key} is {entry.usage} with {entry.algorithm}; a key of that purpose is "
                f"{row.usage} with {' or '.join(sorted(row.algorithms))}.",
            )
        if key in self.known:
            raise Refused(Control.KEY_FOUND, f"The key {key} is on the record already.")
        self._journal.put(self.known, key, entry)

    def encode(self) -> list[list[str | None]]:
        """Return every key as JSON values."""
        return [
            [
                str(key),
                e.usage,
                e.algorithm,
                e.kcv,
                e.derived,
                e.public_key,
                e.state.value,
                None if e.valid_until is None else write_time(e.valid_until),
            ]
            for key, e in self.known.items()
        ]

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.known = {
            KeyRef.parse(key): KeyEntry(
                usage,
                algorithm,
                kcv,
                derived,
                public,
                KeyState(state),
                None if until is None else read_time(until),
            )
            for key, usage, algorithm, kcv, derived, public, state, until in fields
        }


def superseded(key: KeyRef, older: Sequence[KeyRef]) -> Sequence[KeyRef]:
    """Return which of the older ones in use, newest first, end when a key becomes active."""
    return older[_KEPT_BESIDE[key.purpose] :] if key.purpose in _KEPT_BESIDE else ()


def _expired(key: KeyRef, until: datetime) -> Refused:
    return Refused(
        Control.KEY_STATE,
        f"The key {key} was valid until {until:%Y-%m-%d}; nothing is made with it any more. Hold "
        "the ceremony that forms its next version.",
    )
