"""What a script becomes on the chip: sessions, each with what is sent in it, by its recipe.

EMV (EMV CPS 1.1 over GlobalPlatform): INSTALL [for personalization] and STORE DATA with the card's
keys, derived and wrapped inside the HSM; then PUT KEY, by which the issuer's keys replace the
vendor's. A card that makes a key pair answers with its public key: what the issuer certifies comes
in a segment after that. A card that refuses INSTALL [for personalization] has its application
selected instead, and a session with its security domain after that. An application that belongs to
a domain of its own is extradited to that, which has got its keys, and personalised from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

from kif.formats import scp03
from kif.formats.apdu import Command
from kif.formats.content import (
    FOR_PERSONALIZATION,
    Load,
    install_for_extradition,
    install_for_load,
    install_instance,
    load_blocks,
)
from kif.formats.control import Control
from kif.formats.dgi import FORMAT_DGI, Dgi, store_data
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.putkey import key_information, put_key, put_key_answer
from kif.formats.script import Group, KeyedDomain, Made, Personalization, Script
from kif.hsm.deliver import icc_check_values
from kif.hsm.issuersigner import IssuerSigner
from kif.hsm.key import Key
from kif.hsm.pinkeeping import KeptPin
from kif.oracle.certifying import certified, key_request, offline_of, static_signature
from kif.oracle.securechannel import Delivery

_SELECT, _GET_DATA, _INITIALIZE_UPDATE = 0xA4, 0xCA, 0x50
_SELECT_BY_NAME = 0x04
_LIFE_CYCLE = Command(0x80, _GET_DATA, 0x9F, 0x7F, le=256)
"""GET DATA of the card production life cycle data."""
SizeOf = Callable[[KeyRef], int]
"""How many bytes a key on the record has: a secret one, or the modulus of a pair."""
KEY_LIST = Command(0x80, _GET_DATA, 0x00, 0xE0, le=256)
"""GET DATA of a security domain's keys (GPC 2.3.1, 11.3.3.1)."""


@dataclass(frozen=True)
class Instruction:
    """A command of a script; ``answer`` is the data that it must be answered with, where known."""

    command: Command
    answer: bytes | None = None


def selection(aid: bytes) -> bytes:
    """Return SELECT by name."""
    return Command(0x00, _SELECT, _SELECT_BY_NAME, 0x00, aid, 256).encode()


def structure_of(script: Script) -> int:
    """Return what P1 of STORE DATA says of the structure of its data."""
    return FORMAT_DGI if script.structured else 0


def key_list(version: int, size: int, kind: int) -> Instruction:
    """Return GET DATA of a domain's keys: of the one set that it has, of this size and kind."""
    return Instruction(KEY_LIST, key_information([(version, size)], kind))


class Card(Protocol):
    """A card that a script is made for: the real one (``Material``), or none at all."""

    def stored(self, groups: Sequence[Group], *, more: bool = False) -> tuple[Instruction, ...]:
        """Return STORE DATA of one application's groups in their order; ``more`` follow later."""

    def put_key(self, domain: KeyedDomain, replaced: int) -> Instruction:
        """Return PUT KEY of a domain's keys.

        ``replaced`` is the version of those that they replace, 0 for none (GPC 11.8.2.1).
        """

    def loaded(self, load: Load) -> tuple[Instruction, ...]:
        """Return INSTALL [for load], and LOAD of the code."""


Part = Callable[[Card], tuple[Instruction, ...]]
"""What is sent at once."""


@dataclass(frozen=True)
class Session:
    """One secure channel: with whom, by which of its keys, and what is sent in it."""

    aid: bytes
    master: KeyRef
    """What the card's keys of this session are derived from."""
    version: int
    """The key version number that they have."""
    parts: tuple[Part, ...]
    """Each depends on the card's answers to those before."""
    chip: bool = False
    """Whether the card is asked for its chip before the session begins."""

    def opening(self, script: Script, challenge: bytes) -> tuple[bytes, ...]:
        """Return SELECT, and INITIALIZE UPDATE with the host's challenge.

        Before these GET DATA of the CPLC, where it is compared: its domain has that.
        """
        select = selection(self.aid)
        update = scp03.initialize_update(self.version, challenge)
        if not self.chip:
            return select, update
        domain = bytes.fromhex(script.security_domain)
        asked = (selection(domain), _LIFE_CYCLE.encode())
        return (*asked, update) if self.aid == domain else (*asked, select, update)


def named(raw: bytes) -> str:
    """Return the name of a command that opens a session."""
    command = Command.decode(raw)
    return {
        _SELECT: f"SELECT of {command.data.hex().upper()}",
        _GET_DATA: "GET DATA of the CPLC",
        _INITIALIZE_UPDATE: f"INITIALIZE UPDATE with key version {command.p1}",
    }.get(command.ins, "EXTERNAL AUTHENTICATE")


def sessions(script: Script) -> tuple[Session, ...]:
    """Return the sessions by which a script is executed, in their order."""
    first, *others = _sessions(script)
    return (replace(first, chip=bool(script.chip)), *others)


def _sessions(script: Script) -> tuple[Session, ...]:
    domain = bytes.fromhex(script.security_domain)
    application = bytes.fromhex(script.application)
    vendors = (KeyRef.parse(script.card_manager), script.key_version)
    first, *more = (_storing(runs) for runs in _runs(script.groups))
    content = _content(script)
    put_key_last = _put_key(script.issuer_domain, replaced=script.key_version)
    directories = [(PAYMENT_SYSTEM_ENVIRONMENT, _storing((script.directory, False)))]
    if script.proximity:
        directories.append((PROXIMITY_ENVIRONMENT, _storing((script.proximity, False))))
    if script.personalization is Personalization.SELECT:
        return (
            *((Session(domain, *vendors, (_joined(content),)),) if content else ()),
            Session(application, *vendors, (first, *more)),
            *(Session(name, *vendors, (stored,)) for name, stored in directories),
            Session(domain, *vendors, (put_key_last,)),
        )
    installed = [part for name, stored in directories for part in (_installing(name), stored)]
    end = (*installed, put_key_last)
    own = script.application_domain
    if own is not None:
        extradited = _saying(install_for_extradition(application, own.name))
        stored = (_joined((_installing(application), first)), *more)
        return (
            Session(domain, *vendors, (_joined(content),)),
            Session(own.name, *vendors, (_put_key(own, replaced=0),)),
            Session(domain, *vendors, (_joined((extradited, *end)),)),
            Session(own.name, own.master, own.version, stored),
        )
    *before, last = ((*content, _installing(application), first), *((each,) for each in more))
    parts = (*(_joined(each) for each in before), _joined((*last, *end)))
    return (Session(domain, *vendors, parts),)


def _content(script: Script) -> tuple[Part, ...]:
    """Return what brings the blank's content, if it comes without."""
    if script.content is None:
        return ()
    load, instances = script.content.load, script.content.instances
    installed = _saying(*map(install_instance, instances))
    return (installed,) if load is None else (lambda card: card.loaded(load), installed)


def _runs(groups: Sequence[Group]) -> Iterator[tuple[Sequence[Group], bool]]:
    """Yield the groups up to each one that is answered, and whether more follow."""
    start = 0
    for at, group in enumerate(groups, start=1):
        if group.made is Made.KEY_PAIR or at == len(groups):
            yield groups[start:at], at < len(groups)
            start = at


def _storing(run: tuple[Sequence[Group], bool]) -> Part:
    groups, more = run
    return lambda card: card.stored(groups, more=more)


def _installing(aid: bytes) -> Part:
    return _saying(_install(aid))


def _put_key(domain: KeyedDomain, replaced: int) -> Part:
    return lambda card: (card.put_key(domain, replaced),)


def _saying(*commands: Command) -> Part:
    """Return what is the same for every card."""
    return lambda _: tuple(map(Instruction, commands))


def _joined(parts: Sequence[Part]) -> Part:
    return lambda card: tuple(chain.from_iterable(part(card) for part in parts))


@dataclass
class Material:
    """What instructions are made of for a card that has proved its keys.

    ``delivery`` encrypts to it, over its ``serial`` (ten bytes) where keys are its own; ``master``
    and ``signer`` give a key that its batch was released with.
    """

    script: Script
    delivery: Delivery
    master: Callable[[KeyRef], Key]
    signer: Callable[[KeyRef], IssuerSigner]
    pins: Callable[[], Key]
    """Gives the key that its batch's PINs rest under."""
    code: Callable[[str], bytes]
    """Gives a load file's data block by its SHA-256 (hex)."""
    serial: bytes
    answered: bytes = b""
    """The card's last answer."""
    _blocks: int = 0
    """How many blocks of an application's data were sent, of which more follow."""
    _certified: dict[Made, bytes] = field(default_factory=dict)

    def stored(self, groups: Sequence[Group], *, more: bool = False) -> tuple[Instruction, ...]:
        """Return STORE DATA of one application's groups in their order; ``more`` follow later."""
        groupings = [self._grouping(group) for group in groups]
        block = self.script.largest_block
        structure = structure_of(self.script)
        commands = store_data(groupings, block, self._blocks, more=more, structure=structure)
        self._blocks = self._blocks + len(commands) if more else 0
        return tuple(map(Instruction, commands))

    def put_key(self, domain: KeyedDomain, replaced: int) -> Instruction:
        """Return PUT KEY, and what a card answers that took the keys."""
        keys = self.delivery.domain_keys(domain.master, self.serial)
        command = put_key(replaced, domain.version, keys, self.delivery.kind)
        return Instruction(command, put_key_answer(domain.version, keys))

    def loaded(self, load: Load) -> tuple[Instruction, ...]:
        """Return INSTALL [for load], and LOAD of the code, whose hash the profile has."""
        commands = load_blocks(self.code(load.digest), self.script.largest_block)
        return tuple(map(Instruction, (install_for_load(load), *commands)))

    def _grouping(self, group: Group) -> Dgi:
        identifier = int(group.dgi, 16)
        diversification = bytes.fromhex(self.script.diversification)
        if group.keys:
            cryptogram = self.delivery.icc_keys(self._masters(group.keys), diversification)
            return Dgi(identifier, cryptogram, encrypted=True)
        if group.check_values:
            masters = self._masters(group.check_values)
            return Dgi(identifier, icc_check_values(masters, diversification))
        if group.made is not None:
            if group.made is Made.PIN:
                return Dgi(identifier, self._pin(), encrypted=True)
            made = self._made(group.made)
            return Dgi(identifier, made, answered=group.made is Made.KEY_PAIR)
        return Dgi(identifier, bytes.fromhex(group.data or ""))

    def _pin(self) -> bytes:
        """Return the reference PIN block under the Key-DEK."""
        if self.script.pin is None:
            raise BadInput(Control.BYTES, "The script has no PIN.")
        return self.delivery.pin(self.pins(), KeptPin.decode(self.script.pin.kept))

    def _made(self, what: Made) -> bytes:
        """Return what is made now that the card is here."""
        offline = offline_of(self.script)
        if what is Made.KEY_PAIR:
            return key_request(offline)
        signer = self.signer(KeyRef.parse(offline.signer))
        if what is Made.STATIC_SIGNATURE:
            return static_signature(offline, signer)
        if not self._certified:
            self._certified = certified(offline, signer, self.serial, self.answered)
        return self._certified[what]

    def _masters(self, names: Sequence[str]) -> list[Key]:
        return [self.master(KeyRef.parse(name)) for name in names]


def _install(aid: bytes) -> Command:
    """INSTALL [for personalization] (GPC 2.3.1, 11.5.2.3.6)."""
    data = bytes((0, 0, len(aid))) + aid + bytes(3)
    return Command(0x80, 0xE6, FOR_PERSONALIZATION, 0x00, data)
