"""A blank GlobalPlatform card (Card Specification 2.3.1): security domain and one application.

Every card is delivered with its own serial, ten bytes of diversification data, and static keys that
the vendor derived for it. What cards are free to answer, this one refuses: a block out of its
order, a P1 that is not DGI format, a repeated or half-finished script.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from kif.formats.apdu import Command, Response
from kif.formats.content import FOR_EXTRADITION, FOR_PERSONALIZATION
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT
from kif.formats.error import BadInput
from kif.formats.lifecycle import CardState
from kif.formats.scp03 import Options, StaticKey
from kif.formats.tlv import tlv
from kif.simulator.content import APPLICATION_MODULE, DIRECTORY_MODULE, DOMAIN_MODULE, Code
from kif.simulator.data import domain_data
from kif.simulator.directory import Directory
from kif.simulator.emv import APPLICATION_AID, EmvApplication
from kif.simulator.fault import Faults
from kif.simulator.keyset import KeySet, KeySets, new_keys
from kif.simulator.loading import Loading
from kif.simulator.registry import Registry
from kif.simulator.securechannel import (
    FULL,
    CardKeys,
    SecurityError,
)
from kif.simulator.securechannel02 import CardChannel02
from kif.simulator.session import OLD_OPTIONS, Channel, Opening, authenticated
from kif.simulator.vendor import TEST_VENDOR, Vendor

DOMAIN_AID = bytes.fromhex("A000000151000000")
_KEY_VERSION = 1
_SERIAL_PREFIX = b"KIFT"
_SELECT, _EXTERNAL_AUTHENTICATE = 0xA4, 0x82
_KEYS = (b"\xd0", b"\xd2")
"""What DELETE of keys names first: an identifier, or a version."""
_SECURED = frozenset({0xE6, 0xE2, 0xE8, 0xD8, 0xF0, 0xF2, 0xE4})
_CONTENT = frozenset({0xE6, 0xE2, 0xE8, 0xD8, 0xE4})
_DIRECTORIES = (PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT)
_DIRECT = frozenset({0x50, 0x82, 0xE2})
"""INITIALIZE UPDATE, EXTERNAL AUTHENTICATE and STORE DATA to an application that is selected."""
_OF_DOMAINS = _DIRECT | {0xE6, 0xD8, 0xCA}
"""Those, INSTALL, PUT KEY and GET DATA, to a supplementary security domain."""
_PLAIN_CLA, _MAC_CLA, _LOGICAL = 0x80, 0x84, 0x03
_LOCKED_WARNING = 0x6283
_INITIALIZE_UPDATE, _GET_DATA = 0x50, 0xCA


class Card:
    """A card's chip. ``apdu`` answers commands; power and reset keep what is in its memory.

    ``serial`` is its diversification data, ten bytes. The keys of its issuer security domain are
    derived from a version of its vendor's until PUT KEY replaces them.
    """

    atr = bytes.fromhex("3B80800101")

    def __init__(
        self,
        faults: Faults | None = None,
        vendor: Vendor = TEST_VENDOR,
        version: int = 1,
        options: Options = FULL,
    ) -> None:
        self.options, self.vendor = options, vendor
        self.serial = _SERIAL_PREFIX + secrets.token_bytes(6)
        keys = (vendor.static_key(which, self.serial, version) for which in StaticKey)
        keysets = KeySets([KeySet(CardKeys(*keys), _KEY_VERSION)])
        self._faults = faults or Faults()
        self.application = self._new_application()
        self.directory = Directory()
        self.proximity = Directory(PROXIMITY_ENVIRONMENT)
        there = [] if vendor.bare else [APPLICATION_AID, *_DIRECTORIES]
        code = Code.delivered(bare=vendor.bare)
        self.registry = Registry(DOMAIN_AID, there, code, {DOMAIN_AID: keysets})
        self._domain: dict[int, Callable[[Command], Response]] = {
            _INITIALIZE_UPDATE: self._initialize_update,
            _EXTERNAL_AUTHENTICATE: self._external_authenticate,
            0xE6: self._install,
            0xE2: self._store_data,
            0xE8: self.registry.code.load,
            0xD8: self._put_key,
            _GET_DATA: self._get_data,
            0xF0: self._set_status,
            0xF2: self.registry.get_status,
            0xE4: self._delete,
        }
        self.reset()

    def _new_application(self) -> EmvApplication:
        made = EmvApplication(self.opens)
        made.wrong_arqc = self._faults.wrong_arqc
        made.wrong_signature = self._faults.wrong_signature
        return made

    def opens(self, cryptogram: bytes) -> bytes:
        """Decrypt what came in a session: keys of a domain, keys and PIN of an application."""
        return b"" if self._channel is None else self._channel.opens(cryptogram)

    @property
    def keyset(self) -> KeySet:
        """The first keys of the card's own domain."""
        return self.registry.domains[DOMAIN_AID].sets[0]

    def reset(self, *, contactless: bool = False) -> None:
        """Forget sessions and selection, as a reset or a loss of power does.

        ``contactless`` says over which interface it is powered.
        """
        self.application.stored.contactless = contactless
        self._selected = DOMAIN_AID
        self._end_session()

    def _end_session(self) -> None:
        """End the secure channel, and the personalization session with it (11.5.2.3.6)."""
        self._channel: Channel | None = None
        self._used: KeySet | None = None
        self.registry.code.forget()
        direct = self._application(self._selected) if self.vendor.direct else None
        self._loading = None if direct is None else self._loads(direct)

    def apdu(self, raw: bytes) -> bytes:
        """Answer one command. Raises ``CardGone`` when a fault makes the card disappear."""
        forced = self._faults.strike()
        if forced is not None:
            return forced.to_bytes(2, "big")
        try:
            command = Command.decode(raw)
        except BadInput:
            return b"\x67\x00"
        if len(command.data) > self.vendor.largest:
            return b"\x67\x00"
        return self._answer(command).encode()

    def _answer(self, command: Command) -> Response:
        if command.cla & ~_LOGICAL not in (0x00, _PLAIN_CLA, _MAC_CLA):
            return Response(b"", 0x6E00)
        if command.cla & _LOGICAL:
            return Response(b"", 0x6881)
        if self.registry.state is CardState.TERMINATED and command.ins != _GET_DATA:
            return Response(b"", 0x6985)
        if command.ins == _SELECT:
            return self._select(command)
        selected = self._application(self._selected)
        if selected is not None and not self._takes_data(command, selected):
            return selected.process(command)
        if self._channel is not None and self._channel.protected and not _begins(command):
            return self._secured(command, self._channel)
        return self._in_domain(command)

    def _application(self, aid: bytes) -> EmvApplication | Directory | None:
        """Return what has this name, unless it was deleted."""
        if aid not in self.registry.applications or aid in self.registry.domains:
            return None
        if aid == APPLICATION_AID:
            return self.application
        return self.proximity if aid == PROXIMITY_ENVIRONMENT else self.directory

    def _takes_data(self, command: Command, selected: EmvApplication | Directory) -> bool:
        """Whether a command is for the channel of an application that is personalised directly."""
        direct = self.vendor.direct and not selected.personalised
        return direct and (command.ins in _DIRECT or self._channel is not None)

    def _secured(self, command: Command, channel: Channel) -> Response:
        """Look at the C-MAC before anything else (6.2.4); without a right one the session ends."""
        try:
            plain = channel.unwrap(command)
        except SecurityError:
            self._end_session()
            return Response(b"", 0x6982)
        handler = self._handler(plain.ins)
        response = Response(b"", 0x6D00) if handler is None else self._handled(handler, plain)
        return self._faults.spoil_mac(channel.wrap(response))

    def _handler(self, instruction: int) -> Callable[[Command], Response] | None:
        """Return what answers to whoever is selected, or None."""
        supplementary = self._selected in self.registry.domains
        known = _OF_DOMAINS if supplementary else _DIRECT
        if self._selected != DOMAIN_AID and instruction not in known:
            return None
        return self._domain.get(instruction)

    def _handled(self, handler: Callable[[Command], Response], command: Command) -> Response:
        """Refuse what changes the content of a card that is locked (5.1.1.4)."""
        if command.ins in _CONTENT and not self.registry.working:
            return Response(b"", 0x6985)
        return handler(command)

    def _in_domain(self, command: Command) -> Response:
        """Answer a command that no C-MAC is asked for: no session, or one without protection."""
        handler = self._handler(command.ins)
        if handler is None:
            return Response(b"", 0x6D00)
        if command.ins in _SECURED and command.cla:
            if self._channel is None or not self._channel.open or command.cla == _MAC_CLA:
                self._end_session()
                return Response(b"", 0x6982)
            return self._handled(handler, command)
        authenticating = command.ins == _EXTERNAL_AUTHENTICATE
        if command.cla != (_MAC_CLA if authenticating else _PLAIN_CLA):
            return Response(b"", 0x6E00)
        return handler(command)

    def _select(self, command: Command) -> Response:
        """SELECT by AID (11.9); what is not found leaves everything as it was."""
        if command.cla:
            return Response(b"", 0x6E00)
        if (command.p1, command.p2) != (0x04, 0x00):
            return Response(b"", 0x6A86)
        known = {b"", DOMAIN_AID}
        if self.registry.working:
            known.update(self.registry.applications)
        if command.data not in known or self._faults.foreign:
            return Response(b"", 0x6A82)
        self._selected = command.data or DOMAIN_AID
        self._end_session()
        selected = self._application(self._selected)
        if selected is not None:
            return selected.select()
        status = 0x9000 if self.registry.working else _LOCKED_WARNING
        return Response(tlv(0x6F, tlv(0x84, self._selected) + tlv(0xA5, b"")), status)

    def _initialize_update(self, command: Command) -> Response:
        """INITIALIZE UPDATE (Amendment D, 7.1.1): a new session, whatever became of the last."""
        self._end_session()
        own = self.registry.keys(self._selected).find(command.p1)
        if own is None:
            return Response(b"", 0x6A88)
        if command.p2:
            return Response(b"", 0x6A86)
        self._used = own
        opening = Opening(self.serial, own, self._selected, self._faults.spoil_cryptogram)
        old = self.vendor.old
        begun = opening.scp02(command) if old else opening.scp03(command, self.options)
        self._channel, answer = begun
        return answer

    def _external_authenticate(self, command: Command) -> Response:
        """EXTERNAL AUTHENTICATE: a session is open, or there is none."""
        channel, self._channel = self._channel, None
        status = authenticated(channel, command)
        if status == 0x9000:
            self._channel = channel
        if isinstance(self._channel, CardChannel02) and self._used is not None:
            self._used.sequence = self._used.sequence + 1 & 0xFFFF
        return Response(b"", status)

    def _install(self, command: Command) -> Response:
        """INSTALL (11.5): for load, for install and make selectable, for personalization."""
        if self._selected != DOMAIN_AID and command.p1 != FOR_PERSONALIZATION:
            return Response(b"", 0x6985)  # without the privilege of its own content management
        if (command.p1, command.p2) == (FOR_EXTRADITION, 0x00):
            return self.registry.extradite(command)
        if (command.p1, command.p2) == (0x02, 0x00):
            return self.registry.code.begin(command)
        if (command.p1, command.p2) == (0x0C, 0x00):
            return self._install_instance(command)
        if self.vendor.direct:
            return Response(b"", 0x6985)
        size = int.from_bytes(command.data[2:3], "big")
        aid = command.data[3 : 3 + size]
        target = self._application(aid)
        if (command.p1, command.p2) != (FOR_PERSONALIZATION, 0x00):
            return Response(b"", 0x6A86)
        if command.data != bytes((0, 0, size)) + aid + bytes(3) or target is None:
            return Response(b"", 0x6A80)
        if self.registry.owner(aid) != self._selected:
            return Response(b"", 0x6985)
        self._loading = self._loads(target)
        return Response(b"\x00", 0x9000)

    def _loads(self, target: EmvApplication | Directory) -> Loading:
        return Loading(target, 0) if self.vendor.old else Loading(target)

    def _install_instance(self, command: Command) -> Response:
        """Make an instance of the card's code: a domain, a directory or the one application."""
        made = self.registry.code.instance(command)
        if made is None or made[0] in (DOMAIN_AID, *self.registry.applications):
            return Response(b"", 0x6A80)
        aid, module, domain = made
        names = {
            APPLICATION_MODULE: (APPLICATION_AID,),
            DIRECTORY_MODULE: _DIRECTORIES,
        }.get(module, (aid,))
        if aid not in names or domain != (module == DOMAIN_MODULE):
            return Response(b"", 0x6A80)
        if aid == APPLICATION_AID:
            self.application = self._new_application()
        if domain:
            self.registry.domains[aid] = KeySets()
        self.registry.applications.append(aid)
        return Response(b"\x00", 0x9000)

    def _get_data(self, command: Command) -> Response:
        """GET DATA (11.3): one object; 6A88 for what there is none of."""
        old, own = self.vendor.old, self.registry.keys(self._selected)
        protocol = bytes((0x02, OLD_OPTIONS.i)) if old else bytes((0x03, self.options.i))
        keys, counter = own.information(old=old), own.sets[0].sequence
        told = domain_data(self.serial, self.vendor.chip, keys, protocol, counter)
        found = told.get(command.p1 << 8 | command.p2)
        return Response(b"", 0x6A88) if found is None else Response(found, 0x9000)

    def _set_status(self, command: Command) -> Response:
        if self._faults.stays_open:
            return Response(b"", 0x9000)
        return self.registry.set_status(command)

    def _put_key(self, command: Command) -> Response:
        """PUT KEY (11.8): keys for the domain that is selected, all of them or none."""
        made, answer = new_keys(command, self.opens, old=self.vendor.old)
        if made is None or self._faults.keeps_keys:
            return answer
        status = self.registry.domains[self._selected].put(made, command.p1)
        return answer if status == 0x9000 else Response(b"", status)

    def _delete(self, command: Command) -> Response:
        """DELETE (11.2) of what is on the card, or of keys of its domain."""
        if command.data[:1] in _KEYS:
            return self.registry.domains[DOMAIN_AID].delete(command, self._used)
        return self.registry.delete(command)

    def _store_data(self, command: Command) -> Response:
        """STORE DATA (11.11), to whatever is being personalised."""
        loading = self._loading
        if loading is None:
            return Response(b"", 0x6985)
        answer = loading.store_data(command)
        if loading.ended:
            self._loading = None
        return answer


def _begins(command: Command) -> bool:
    """Whether a command begins another session, so that it carries no C-MAC of this one."""
    return command.ins == _INITIALIZE_UPDATE and command.cla == _PLAIN_CLA
