"""What a script becomes on the chip: the commands of its recipe, still without a secure channel.

EMV (EMV CPS 1.1 over GlobalPlatform): SELECT and INITIALIZE UPDATE; then INSTALL [for
personalization] and STORE DATA with the card's keys, derived and wrapped inside the HSM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kif.formats import scp03
from kif.formats.apdu import Command
from kif.formats.dgi import Dgi, store_data
from kif.formats.keyref import KeyRef
from kif.formats.script import Group, Script
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.key import Key

_SELECT_BY_NAME = 0x04
_INSTALL_FOR_PERSONALIZATION = 0x20


def opening(script: Script, challenge: bytes) -> tuple[bytes, bytes]:
    """Return SELECT of the security domain, and INITIALIZE UPDATE with the host's challenge."""
    domain = bytes.fromhex(script.security_domain)
    select = Command(0x00, 0xA4, _SELECT_BY_NAME, 0x00, domain, 256).encode()
    return select, scp03.initialize_update(script.key_version, challenge)


@dataclass(frozen=True)
class Personalisation:
    """The recipe's commands for a card; ``master`` gives a key that its batch was released with."""

    script: Script
    dek: Key
    master: Callable[[KeyRef], Key]

    def commands(self) -> list[Command]:
        """Return INSTALL [for personalization] and every STORE DATA, in their order."""
        groupings = [self._grouping(group) for group in self.script.groups]
        size = scp03.Options(self.script.options).size
        block = scp03.most_plain_data(self.script.security_level, size)
        return [_install(self.script.application), *store_data(groupings, block)]

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
