"""What a card would be sent, told without a card and without a key: secrets by reference.

The sessions are those of the recipe itself; a card that is none gives its instructions in words.
Nothing of the cardholder is told, and nothing that would be protected is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kif.formats.apdu import Command
from kif.formats.content import (
    FOR_EXTRADITION,
    FOR_PERSONALIZATION,
    Load,
    install_for_load,
    load_blocks,
    read_fields,
)
from kif.formats.dgi import Dgi, store_data
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.offline import PublicKey
from kif.formats.putkey import KeyField, put_key
from kif.formats.scp03 import StaticKey
from kif.formats.script import Group, KeyedDomain, Made, Script
from kif.formats.tlv import find
from kif.oracle.certifying import certificate_records, key_request, offline_of, static_signature
from kif.oracle.messages import Line
from kif.oracle.recipe import Instruction, SizeOf, named, sessions, structure_of

_KEY, _CHECK_VALUE, _PIN_BLOCK, _SERIAL = 16, 3, 16, 3
_EXPONENT = b"\x03"
_OF_THE_HOLDER = (0x56, 0x57, 0x5A, 0x5F20, 0x5F24, 0x9F1F)
"""Data objects of a record that are not told."""
_RECORD = b"\x70"


@dataclass(frozen=True)
class _Told(Instruction):
    """An instruction that is told and not sent."""

    what: str = ""


@dataclass(frozen=True)
class _Nobody:
    """Implements :class:`kif.oracle.certifying.Signer` with zeros."""

    public: PublicKey

    def sign(self, block: bytes) -> bytes:
        return bytes(len(block))


@dataclass
class _NoCard:
    """Implements :class:`kif.oracle.recipe.Card` for a script that goes nowhere."""

    script: Script
    size_of: SizeOf
    blocks: int = 0

    def stored(self, groups: Sequence[Group], *, more: bool = False) -> tuple[Instruction, ...]:
        """Return STORE DATA, block by block, of data that is not there."""
        most = self.script.largest_block
        told: list[Instruction] = []
        for at, group in enumerate(groups, start=1):
            follows = more or at < len(groups)
            first = self.blocks + len(told)
            grouping, structure = self._grouping(group), structure_of(self.script)
            commands = store_data([grouping], most, first, more=follows, structure=structure)
            for part, command in enumerate(commands, start=1):
                of_parts = f", part {part} of {len(commands)}" if len(commands) > 1 else ""
                what = f"STORE DATA {group.dgi}{of_parts}: {self._content(group)}"
                told.append(_Told(command, what=what))
        self.blocks = self.blocks + len(told) if more else 0
        return tuple(told)

    def loaded(self, load: Load) -> tuple[Instruction, ...]:
        """Return INSTALL [for load], and LOAD of as much code as there is."""
        commands = load_blocks(bytes(load.size), self.script.largest_block)
        told = f"LOAD of {load.package}, SHA-256 {load.digest}"
        return (
            _Told(install_for_load(load), what=f"INSTALL [for load] of {load.package}"),
            *(_Told(each, what=told) for each in commands),
        )

    def put_key(self, domain: KeyedDomain, replaced: int) -> Instruction:
        """Return PUT KEY."""
        size = self.size_of(domain.master)
        field = KeyField(size, bytes(-(-size // 16) * 16), bytes(3))
        command = put_key(replaced, domain.version, [field] * len(StaticKey))
        return _Told(command, what=f"PUT KEY: three keys derived from {{{domain.key}}}")

    def _grouping(self, group: Group) -> Dgi:
        encrypted = bool(group.keys) or group.made is Made.PIN
        answered = group.made is Made.KEY_PAIR
        return Dgi(int(group.dgi, 16), bytes(self._size(group)), encrypted, answered)

    def _size(self, group: Group) -> int:
        if group.made is not None:
            return self._made_size(group.made)
        keys = _KEY * len(group.keys) + _CHECK_VALUE * len(group.check_values)
        return keys or len(group.data or "") // 2

    def _made_size(self, made: Made) -> int:
        if made is Made.PIN:
            return _PIN_BLOCK
        offline = offline_of(self.script)
        if made is Made.KEY_PAIR:
            return len(key_request(offline))
        modulus = bytes(self.size_of(KeyRef.parse(offline.signer)))
        nobody = _Nobody(PublicKey(modulus, _EXPONENT))
        if made is Made.STATIC_SIGNATURE:
            return len(static_signature(offline, nobody))
        card = PublicKey(bytes(offline.card_key_bits // 8), _EXPONENT)
        return len(certificate_records(offline, nobody, bytes(_SERIAL), card)[made])

    def _content(self, group: Group) -> str:
        named = [f"{{{key}}}" for key in (*group.keys, *group.check_values)]
        if named:
            what = "card keys of" if group.keys else "check values of card keys of"
            return f"{what} {', '.join(named)}"
        if group.made is not None:
            signed = group.made in _SIGNED
            by = f" by {{{offline_of(self.script).signer}}}" if signed else ""
            return f"{{{group.made.value}}}{by}, {self._size(group)} bytes"
        raw = bytes.fromhex(group.data or "")
        return (
            f"{{cardholder data}}, {len(raw)} bytes" if _of_the_holder(raw) else raw.hex().upper()
        )


_SIGNED = (Made.STATIC_SIGNATURE, Made.CARD_CERTIFICATE, Made.CONTACTLESS_CERTIFICATE)


def dry_run(script: Script, size_of: SizeOf) -> Iterator[Line]:
    """Yield every command of a script in its order."""
    card = _NoCard(script, size_of)
    for number, session in enumerate(sessions(script), start=1):
        opening = session.opening(script, bytes(script.challenge))
        last = Command(0x84, 0x82, script.security_level, 0).encode()
        for raw in (*opening, last):
            yield Line(number, 1, raw[:4].hex().upper(), named(raw))
        for part, make in enumerate(session.parts, start=1):
            for each in make(card):
                what = each.what if isinstance(each, _Told) else _installing(each.command)
                yield Line(number, part, each.command.header.hex().upper(), what)


def _installing(command: Command) -> str:
    """Return the name of an INSTALL command, with the instance that it makes or moves."""
    if command.p1 == FOR_PERSONALIZATION:
        return "INSTALL [for personalization]"
    first, _, aid, *_ = (each.hex().upper() for each in read_fields(command.data, 6))
    if command.p1 == FOR_EXTRADITION:
        return f"INSTALL [for extradition] of {aid} to {first}"
    return f"INSTALL [for install and make selectable] of {aid}"


def _of_the_holder(raw: bytes) -> bool:
    if raw[:1] != _RECORD:
        return False
    try:
        return any(find(raw, tag) is not None for tag in _OF_THE_HOLDER)
    except BadInput:
        return True
