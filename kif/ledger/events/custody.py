"""What happens to shares, to the keys that they give, and to what is kept under these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from kif.ledger.event import Event
from kif.ledger.form import (
    Digest,
    Holders,
    Kcv,
    Key,
    KeysIfAny,
    Name,
    Openers,
    Sentence,
    number,
    one_of,
)


class Medium(StrEnum):
    """What a share is kept on."""

    FILE = "file"
    PAPER = "paper"
    TOKEN = "token"  # noqa: S105


Number = Annotated[int, number(1, 20)]
"""A custodian's place in a quorum, from 1."""


@dataclass(frozen=True)
class OfficerOpened(Event, kind="officer-opened"):
    """Custodians opened the security officer's PIN: masters may leave the token in this session."""

    people: Holders


@dataclass(frozen=True)
class ShareGiven(Event, kind="share-given"):
    """A share was drawn in the HSM and given to its custodian, alone."""

    person: Name
    key: Key
    number: Number
    medium: Annotated[Medium, one_of(Medium)]
    kcv: Kcv
    """Of the share: by it a wrong one is told."""


@dataclass(frozen=True)
class QuorumMade(Event, kind="quorum-made"):
    """The shares bring a key back: every subset was tried, and none that is one short."""

    by: Openers
    key: Key
    threshold: Number
    kcv: Kcv
    file: Digest
    """Of the quorum's public file."""


@dataclass(frozen=True)
class ShareEntered(Event, kind="share-entered"):
    """A custodian entered a share, which was the right one."""

    person: Name
    key: Key
    number: Number


@dataclass(frozen=True)
class PackageClosed(Event, kind="package-closed"):
    """Somebody's package went into a bag that is used once, and the bag to where it is kept."""

    person: Name
    bag: Name
    """Its number."""
    what: Sentence
    place: Name
    """The safe, and what of it."""


@dataclass(frozen=True)
class PackageOpened(Event, kind="package-opened"):
    """A bag was opened before the people of a ceremony: it is never used again."""

    person: Name
    bag: Name


@dataclass(frozen=True)
class MastersRestored(Event, kind="masters-restored"):
    """Masters came out of a backup into a new token, with the check values that they had."""

    by: Openers
    key: Key
    """The quorum's."""
    keys: KeysIfAny
    lost: KeysIfAny
    """What the backup did not have: it was only in the token that is lost."""


@dataclass(frozen=True)
class QuorumRetired(Event, kind="quorum-retired"):
    """A quorum's key is never brought back again: its public file and its backup are destroyed."""

    by: Openers
    key: Key


@dataclass(frozen=True)
class BackupMade(Event, kind="backup-made"):
    """Masters were wrapped under a quorum's key, which its shares had brought back."""

    by: Openers
    key: Key
    """The quorum's."""
    keys: KeysIfAny
    file: Digest
    """Of the backup's file."""
