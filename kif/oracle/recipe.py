"""What a script becomes on the chip: the commands of its recipe, still without a secure channel.

EMV (EMV CPS 1.1 over GlobalPlatform): SELECT and INITIALIZE UPDATE; then INSTALL [for
personalization] and STORE DATA with the card's keys, derived and wrapped inside the HSM; then PUT
KEY, by which the issuer's keys replace the vendor's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kif.formats import scp03
from kif.formats.apdu import Command
from kif.formats.dgi import Dgi, store_data
from kif.formats.keyref import KeyRef
from kif.formats.putkey import key_information, put_key, put_key_answer
from kif.formats.script import Group, Script
from kif.hsm.cmac import CmacMaster
from kif.hsm.deliver import domain_keys, icc_check_values, wrapped_icc_keys
from kif.hsm.key import Key

_SELECT_BY_NAME = 0x04
_INSTALL_FOR_PERSONALIZATION = 0x20


def opening(script: Script, challenge: bytes) -> tuple[bytes, bytes]:
    """Return SELECT of the security domain, and INITIALIZE UPDATE with the host's challenge."""
    return domain_selection(script), scp03.initialize_update(script.key_version, challenge)


def domain_selection(script: Script) -> bytes:
    """Return SELECT of the security domain."""
    domain = bytes.fromhex(script.security_domain)
    return Command(0x00, 0xA4, _SELECT_BY_NAME, 0x00, domain, 256).encode()


@dataclass(frozen=True)
class Instruction:
    """A command of a script; ``answer`` is the data that it must be answered with, where known."""

    command: Command
    answer: bytes | None = None


def key_list(version: int, size: int) -> Instruction:
    """Return GET DATA of the card's keys: of the one set that it has, of AES keys of this size."""
    return Instruction(Command(0x80, 0xCA, 0x00, 0xE0, le=256), key_information(version, size))


@dataclass(frozen=True)
class Personalisation:
    """The recipe's commands for a card; ``master`` gives a key that its batch was released with.

    ``domain`` is what the card's own keys are derived from, over its ``serial`` (ten bytes).
    """

    script: Script
    dek: Key
    master: Callable[[KeyRef], Key]
    domain: CmacMaster
    serial: bytes

    def instructions(self) -> tuple[Instruction, ...]:
        """Return INSTALL [for personalization], every STORE DATA, and PUT KEY, in their order."""
        groupings = [self._grouping(group) for group in self.script.groups]
        size = scp03.Options(self.script.options).size
        block = scp03.most_plain_data(self.script.security_level, size)
        commands = [_install(self.script.application), *store_data(groupings, block)]
        return (*map(Instruction, commands), self._put_key())

    def _put_key(self) -> Instruction:
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


def _install(application: str) -> Command:
    """INSTALL [for personalization] (GPC 2.3.1, 11.5.2.3.6)."""
    aid = bytes.fromhex(application)
    data = bytes((0, 0, len(aid))) + aid + bytes(3)
    return Command(0x80, 0xE6, _INSTALL_FOR_PERSONALIZATION, 0x00, data)
