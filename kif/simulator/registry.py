"""A card's registry: its life cycle and its applications (GPC 2.3.1, 5, 11.2, 11.4, 11.10)."""

from __future__ import annotations

from dataclasses import dataclass, field

from kif.formats.apdu import Command, Response
from kif.formats.content import read_fields
from kif.formats.error import BadInput
from kif.formats.lifecycle import CardState
from kif.formats.tlv import find, read_all, tlv
from kif.simulator.content import Code
from kif.simulator.keyset import KeySets

_CARD, _APPLICATIONS, _LOAD_FILES, _LOAD_FILES_AND_MODULES = 0x80, 0x40, 0x20, 0x10
_TLV_FORM = 0x02
_SELECTABLE, _PERSONALIZED = 0x07, 0x0F
_DOMAIN_PRIVILEGES, _NO_PRIVILEGES = bytes.fromhex("9EDE80"), bytes(3)
_DOMAIN = bytes.fromhex("800000")
"""Of a supplementary security domain."""
_NEXT = {
    CardState.OP_READY: {CardState.INITIALIZED},
    CardState.INITIALIZED: {CardState.SECURED},
    CardState.SECURED: {CardState.CARD_LOCKED},
    CardState.CARD_LOCKED: {CardState.SECURED},
}
"""The transitions of figure 5-1; from every state but the last the card can be terminated."""


@dataclass
class Registry:
    """What the card knows of itself; ``state`` stays without power."""

    domain: bytes
    applications: list[bytes]
    code: Code
    domains: dict[bytes, KeySets]
    """The security domains, the card's own and those of the applications that are any."""
    owners: dict[bytes, bytes] = field(default_factory=dict)
    """The domains of those applications that were extradited."""
    state: CardState = CardState.OP_READY

    @property
    def working(self) -> bool:
        """Whether content may be changed: not in a card that is locked or terminated."""
        return self.state not in (CardState.CARD_LOCKED, CardState.TERMINATED)

    def set_status(self, command: Command) -> Response:
        """SET STATUS of the card (11.10); a state that it has, or can't come to, is refused."""
        if command.p1 != _CARD:
            return Response(b"", 0x6A86)
        if command.data not in (b"", self.domain):
            return Response(b"", 0x6A88)
        wanted = _NEXT.get(self.state, set()) | {CardState.TERMINATED} - {self.state}
        if command.p2 not in wanted:
            return Response(b"", 0x6985)
        self.state = CardState(command.p2)
        return Response(b"", 0x9000)

    def get_status(self, command: Command) -> Response:
        """GET STATUS (11.4) in TLV form, by AID or its beginning; everything in one answer."""
        if command.p2 != _TLV_FORM or command.p1 not in (
            *(_CARD, _APPLICATIONS),
            *(_LOAD_FILES, _LOAD_FILES_AND_MODULES),
        ):
            return Response(b"", 0x6A86)
        sought = _sought(command.data)
        if sought is None:
            return Response(b"", 0x6A80)
        found = [entry for aid, entry in self._entries(command.p1) if aid.startswith(sought)]
        return Response(b"".join(found), 0x9000 if found else 0x6A88)

    def delete(self, command: Command) -> Response:
        """DELETE of an application (11.2)."""
        if (command.p1, command.p2) != (0x00, 0x00):
            return Response(b"", 0x6A86)
        aid = _sought(command.data)
        if aid is None:
            return Response(b"", 0x6A80)
        if aid not in self.applications:
            return Response(b"", 0x6A88)
        if aid in self.owners.values():
            return Response(b"", 0x6985)
        self.applications.remove(aid)
        self.domains.pop(aid, None)
        self.owners.pop(aid, None)
        return Response(b"\x00", 0x9000)

    def keys(self, aid: bytes) -> KeySets:
        """Return the keys of a domain, or of the one that an application belongs to.

        A domain without keys has its sessions by those of the domain that it is of (7.3).
        """
        return self.domains[self.owner(aid)] or self.domains[self.domain]

    def owner(self, aid: bytes) -> bytes:
        """Return the security domain of an application; a domain is its own."""
        return aid if aid in self.domains else self.owners.get(aid, self.domain)

    def extradite(self, command: Command) -> Response:
        """INSTALL [for extradition] (11.5.2.3.4) of an application to a domain that has keys."""
        try:
            to, nothing, aid, *more = read_fields(command.data, 6)
        except BadInput:
            return Response(b"", 0x6A80)
        if nothing or any(more):
            return Response(b"", 0x6A80)
        if to not in self.domains or aid not in self.applications or aid in self.domains:
            return Response(b"", 0x6A88)
        if not self.domains[to] or self.owner(aid) != self.domain or to == self.domain:
            return Response(b"", 0x6985)
        self.owners[aid] = to
        return Response(b"\x00", 0x9000)

    def _entries(self, scope: int) -> list[tuple[bytes, bytes]]:
        if scope == _CARD:
            return [(self.domain, _entry(self.domain, self.state, _DOMAIN_PRIVILEGES))]
        if scope == _APPLICATIONS:
            return [(aid, self._application(aid)) for aid in self.applications]
        files = self.code.packages.items()
        return [(aid, _file(aid, modules, scope)) for aid, modules in files]

    def _application(self, aid: bytes) -> bytes:
        if aid not in self.domains:
            return _entry(aid, _SELECTABLE, _NO_PRIVILEGES, self.owner(aid))
        state = _PERSONALIZED if self.domains[aid] else _SELECTABLE
        return _entry(aid, state, _DOMAIN, self.domain)


def _entry(aid: bytes, state: int, privileges: bytes, owner: bytes = b"") -> bytes:
    told = tlv(0x4F, aid) + tlv(0x9F70, bytes((state,))) + tlv(0xC5, privileges)
    return tlv(0xE3, told + (tlv(0xCC, owner) if owner else b""))


def _file(aid: bytes, modules: list[bytes], scope: int) -> bytes:
    """Return a load file's entry; with its modules where these are asked for (11.4.3.1)."""
    told = tlv(0x4F, aid) + tlv(0x9F70, b"\x01")
    if scope == _LOAD_FILES_AND_MODULES:
        told += b"".join(tlv(0x84, module) for module in modules)
    return tlv(0xE3, told)


def _sought(data: bytes) -> bytes | None:
    """Return the AID that a command names (tag 4F), or None where it names none."""
    try:
        read_all(data)
        return find(data, 0x4F)
    except BadInput:
        return None
