"""What a script becomes on the chip: sessions, each with what is sent in it, by its recipe.

EMV (EMV CPS 1.1 over GlobalPlatform): INSTALL [for personalization] and STORE DATA with the card's
keys, derived and wrapped inside the HSM; then PUT KEY, by which the issuer's keys replace the
vendor's. A card that refuses INSTALL [for personalization] has its application selected instead,
and a session with its security domain after that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from kif.formats import scp03
from kif.formats.apdu import Command
from kif.formats.dgi import Dgi, store_data
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT
from kif.formats.keyref import KeyRef
from kif.formats.putkey import key_information, put_key, put_key_answer
from kif.formats.script import Group, Personalization, Script
from kif.hsm.cmac import CmacMaster
from kif.hsm.deliver import domain_keys, icc_check_values, wrapped_icc_keys
from kif.hsm.key import Key

_SELECT_BY_NAME = 0x04
_INSTALL_FOR_PERSONALIZATION = 0x20


@dataclass(frozen=True)
class Instruction:
    """A command of a script; ``answer`` is the data that it must be answered with, where known."""

    command: Command
    answer: bytes | None = None


def selection(aid: bytes) -> bytes:
    """Return SELECT by name."""
    return Command(0x00, 0xA4, _SELECT_BY_NAME, 0x00, aid, 256).encode()


def key_list(version: int, size: int) -> Instruction:
    """Return GET DATA of the card's keys: of the one set that it has, of AES keys of this size."""
    return Instruction(Command(0x80, 0xCA, 0x00, 0xE0, le=256), key_information(version, size))


@dataclass(frozen=True)
class Session:
    """One secure channel, opened with the vendor's keys: with whom, and what is sent in it."""

    aid: bytes
    instructions: Callable[[Material], tuple[Instruction, ...]]

    def opening(self, script: Script, challenge: bytes) -> tuple[bytes, bytes]:
        """Return SELECT, and INITIALIZE UPDATE with the host's challenge."""
        return selection(self.aid), scp03.initialize_update(script.key_version, challenge)


def sessions(script: Script) -> tuple[Session, ...]:
    """Return the sessions by which a script is executed, in their order."""
    domain = bytes.fromhex(script.security_domain)
    application = bytes.fromhex(script.application)
    parts = ((application, script.groups), (PAYMENT_SYSTEM_ENVIRONMENT, script.directory))
    if script.personalization is Personalization.SELECT:
        direct = (_storing(aid, groups) for aid, groups in parts)
        return (*direct, Session(domain, lambda card: (card.put_key(),)))

    def whole(card: Material) -> tuple[Instruction, ...]:
        installed = ((Instruction(_install(aid)), *card.stored(groups)) for aid, groups in parts)
        return (*chain.from_iterable(installed), card.put_key())

    return (Session(domain, whole),)


def _storing(aid: bytes, groups: Sequence[Group]) -> Session:
    return Session(aid, lambda card: card.stored(groups))


@dataclass(frozen=True)
class Material:
    """What instructions are made of for a card that has proved its keys.

    ``dek`` is the Key-DEK it has now; ``master`` gives a key that its batch was released with;
    ``domain`` is what its own keys are derived from, over its ``serial`` (ten bytes).
    """

    script: Script
    dek: Key
    master: Callable[[KeyRef], Key]
    domain: CmacMaster
    serial: bytes

    def stored(self, groups: Sequence[Group]) -> tuple[Instruction, ...]:
        """Return STORE DATA of one application's groups, in their order."""
        script, size = self.script, scp03.Options(self.script.options).size
        groupings = [self._grouping(group) for group in groups]
        block = scp03.most_plain_data(script.security_level, size, script.largest_command)
        return tuple(map(Instruction, store_data(groupings, block)))

    def put_key(self) -> Instruction:
        """Return PUT KEY, and what a card answers that took the keys."""
        keys, version = domain_keys(self.dek, self.domain, self.serial), self.script.domain_version
        command = put_key(self.script.key_version, version, keys)
        return Instruction(command, put_key_answer(version, keys))

    def _grouping(self, group: Group) -> Dgi:
        identifier = int(group.dgi, 16)
        diversification = bytes.fromhex(self.script.diversification)
        if group.keys:
            cryptogram = wrapped_icc_keys(self.dek, self._masters(group.keys), diversification)
            return Dgi(identifier, cryptogram, encrypted=True)
        if group.check_values:
            masters = self._masters(group.check_values)
            return Dgi(identifier, icc_check_values(masters, diversification))
        return Dgi(identifier, bytes.fromhex(group.data or ""))

    def _masters(self, names: Sequence[str]) -> list[Key]:
        return [self.master(KeyRef.parse(name)) for name in names]


def _install(aid: bytes) -> Command:
    """INSTALL [for personalization] (GPC 2.3.1, 11.5.2.3.6)."""
    data = bytes((0, 0, len(aid))) + aid + bytes(3)
    return Command(0x80, 0xE6, _INSTALL_FOR_PERSONALIZATION, 0x00, data)
