"""What happens to keys after the genesis: ceremonies that form them, and changes of their state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from kif.formats.control import Control
from kif.formats.state import KeyState
from kif.ledger.event import Event
from kif.ledger.form import (
    Count,
    Digest,
    Form,
    Kcv,
    Key,
    Keys,
    Label,
    Name,
    Pair,
    Reason,
    one_of,
    optional,
    read_time,
    write_time,
)


@dataclass(frozen=True)
class KeyCeremonyBegun(Event, kind="key-ceremony-begun"):
    """Two operators opened the token for a ceremony that forms these keys, by this plan."""

    by: Pair
    ceremony: Name
    plan: Digest
    keys: Keys


@dataclass(frozen=True)
class ComponentEntered(Event, kind="component-entered"):
    """A custodian entered a component whose check value is that of its sheet."""

    person: Name
    key: Key
    component: Count
    kcv: Kcv


@dataclass(frozen=True)
class Deviation(Event, kind="deviation"):
    """Something did not go by the plan and was tried again."""

    person: Name
    key: Key
    control: Annotated[Control, one_of(Control)]
    reason: Reason


@dataclass(frozen=True)
class KeyFormed(Event, kind="key-formed"):
    """A key is combined inside the token from its custodians' components."""

    by: Pair
    key: Key
    usage: Label
    algorithm: Label
    kcv: Kcv
    derived: Kcv
    """The check value of a key that is derived from it: what each opening compares."""
    valid_until: Annotated[datetime | None, optional(Form(read_time, write_time))]
    """The end of its cryptoperiod, when the plan gives it one."""


@dataclass(frozen=True)
class KeyCeremonyClosed(Event, kind="key-ceremony-closed"):
    """Every key of the ceremony stands in the token: they are active."""

    by: Pair
    ceremony: Name


@dataclass(frozen=True)
class KeyCeremonyAborted(Event, kind="key-ceremony-aborted"):
    """The ceremony ended before its closing: what it formed is destroyed."""

    by: Pair
    ceremony: Name
    reason: Reason


@dataclass(frozen=True)
class KeyStateChanged(Event, kind="key-state-changed"):
    """A key of an issuer or a vendor moved along its states (NIST SP 800-57 part 1, 7)."""

    by: Pair
    key: Key
    state: Annotated[KeyState, one_of(KeyState)]
    reason: Reason
