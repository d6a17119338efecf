"""The people of a ceremony, as the ceremony sees them: at the terminal, or rehearsing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kif.formats.error import BadInput, KifError, Refused
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.hsm.handover import Handover
from kif.ledger.events.custody import Medium


@dataclass(frozen=True)
class Appointment:
    """A person with a role and a credential: an OpenSSH public key line."""

    name: str
    role: str
    public_key: str
    manager: str | None
    """Whom he or she reports to, if to anybody."""


@dataclass(frozen=True)
class Component:
    """A component as read from its sheet: the value, and the check value printed beside it."""

    value: Secret
    check_value: str
    """Hex, as printed."""


class People(Protocol):
    """Whoever is in the room."""

    def appoint(self, role: str, number: int) -> Appointment:
        """Ask the n-th person of a role (from 1) for name, public key and manager."""

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        """Have a person sign a statement; return the armoured SSH signature."""

    def present(self, role: str, names: Sequence[str], count: int) -> Sequence[str]:
        """Ask who of these people of a role takes part; ``count`` different ones."""

    def leaving(self, role: str, names: Sequence[str]) -> str:
        """Ask who of these people of a role is released."""

    def station(self, number: int) -> tuple[str, str]:
        """Ask for the name of the n-th station (from 1), and its OpenSSH public key line."""

    def bag(self, person: str, what: str, count: int) -> tuple[str, str]:
        """Have a custodian close a bag; return its number, and where it is kept.

        ``count`` says the how-manieth bag of the site it is.
        """

    def unbag(self, person: str, newest: str) -> str:
        """Have a custodian read the number of the bag to be opened; ``newest`` is the last one."""

    def key_block(self, key: KeyRef) -> str:
        """Ask for the file with the block of a key that comes in; return the block."""

    def recipient(self, key: KeyRef) -> str:
        """Ask for the file with the public key, or certificate (PEM), that a key leaves to."""

    def issuer_certificate(self, key: KeyRef) -> str:
        """Ask for the file with a scheme's certificate of an issuer's key; return it."""

    def agree(self, question: str) -> None:
        """Ask everyone; go on when they agree. Raises ``Refused`` (CEREMONY) when they don't."""

    def reason(self) -> str:
        """Ask why what comes next is done; it stands on the record."""

    def component(self, person: str, key: KeyRef, number: int) -> Component:
        """Have a custodian enter the n-th component of a key (from 1), alone and unseen.

        Raises ``BadInput`` (COMPONENT) when it can't be read as one.
        """

    def give_component(
        self, person: str, key: KeyRef, number: int, component: Secret, kcv: Kcv
    ) -> None:
        """Have a custodian put the n-th component of a key (from 1) on a sheet, alone and unseen.

        Raises ``BadInput`` (COMPONENT) when it is not read back as it was given.
        """

    def give_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> Medium:
        """Have a custodian keep a share, alone and unseen; return what it is kept on.

        Raises ``BadInput`` (QUORUM) when it could not be kept.
        """

    def take_share(self, person: str, key: KeyRef, number: int, handover: Handover) -> None:
        """Have a custodian hand a share back, alone and unseen.

        Raises ``BadInput`` (QUORUM) when it is not this one, or can't be read.
        """

    def passphrase(self, person: str, purpose: str) -> Secret:
        """Have a person choose a passphrase, at least 12 characters."""

    def unlock(self, purpose: str, holders: Sequence[str], count: int) -> Mapping[str, Secret]:
        """Have so many holders of a seal give their passphrases."""

    def tell(self, text: str) -> None:
        """Say something to the room; never a secret."""


TRIES = 3
Missed = Callable[[KifError], None]


def until_right(
    people: People,
    step: Callable[[], None],
    missed: Missed,
    slips: tuple[type[KifError], ...] = (BadInput, Refused),
) -> None:
    """Have people do something until it is taken, three times at most. Raises the last slip.

    ``missed`` puts each slip on the record.
    """
    for left in reversed(range(TRIES)):
        try:
            step()
        except slips as slip:
            missed(slip)
            if not left:
                raise
            people.tell(f"{slip.sentence} Once more, please.")
        else:
            return
