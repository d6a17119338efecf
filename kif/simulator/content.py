"""Code in a card: what is in its ROM, what is loaded, and which instances it can be made into.

A simulated load file names its modules after a mark; the card has the code of each in itself.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from kif.formats.apdu import Command, Response
from kif.formats.content import DOMAIN_PRIVILEGE, read_fields
from kif.formats.error import BadInput
from kif.formats.tlv import find, read_all, tlv

MARK = b"KIF TEST CODE"
APPLICATION_PACKAGE = bytes.fromhex("A0000000999900")
APPLICATION_MODULE = bytes.fromhex("A000000099990001")
DOMAIN_PACKAGE, DOMAIN_MODULE = (bytes.fromhex("A00000015153" + end) for end in ("50", "5041"))
DIRECTORY_PACKAGE = bytes.fromhex("A0000000999901")
DIRECTORY_MODULE = bytes.fromhex("A000000099990101")
_LAST = 0x80


def load_file(*modules: bytes) -> bytes:
    """Return a load file data block that this card takes for these modules' code."""
    return MARK + b"".join(tlv(0x4F, module) for module in modules)


@dataclass
class _Loading:
    package: bytes
    digest: bytes
    data: bytes = b""
    blocks: int = 0


@dataclass
class Code:
    """The packages of a card, each with its modules."""

    packages: dict[bytes, list[bytes]] = field(default_factory=dict)
    _loading: _Loading | None = None

    @classmethod
    def delivered(cls, *, bare: bool) -> Code:
        """Return the code of a blank: its ROM, without the application in a ``bare`` one."""
        rom = {DOMAIN_PACKAGE: [DOMAIN_MODULE], DIRECTORY_PACKAGE: [DIRECTORY_MODULE]}
        return cls(rom if bare else rom | {APPLICATION_PACKAGE: [APPLICATION_MODULE]})

    def forget(self) -> None:
        """End a load that was not ended: its session is over."""
        self._loading = None

    def begin(self, command: Command) -> Response:
        """INSTALL [for load] (GPC 2.3.1, 11.5.2.3.1)."""
        try:
            package, domain, digest, parameters, token = read_fields(command.data, 5)
        except BadInput:
            return Response(b"", 0x6A80)
        if not 5 <= len(package) <= 16 or domain or parameters or token:
            return Response(b"", 0x6A80)
        if package in self.packages:
            return Response(b"", 0x6985)
        self._loading = _Loading(package, digest)
        return Response(b"\x00", 0x9000)

    def load(self, command: Command) -> Response:
        """LOAD (11.6): blocks in their order; the last has the hash that was told compared."""
        loading = self._loading
        if loading is None:
            return Response(b"", 0x6985)
        if command.p2 != loading.blocks & 0xFF or command.p1 & ~_LAST:
            self._loading = None
            return Response(b"", 0x6A86)
        loading.blocks, loading.data = loading.blocks + 1, loading.data + command.data
        if not command.p1 & _LAST:
            return Response(b"", 0x9000)
        self._loading = None
        modules = _modules(loading)
        if modules is None:
            return Response(b"", 0x6A80)
        self.packages[loading.package] = modules
        return Response(b"\x00", 0x9000)

    def instance(self, command: Command) -> tuple[bytes, bytes, bool] | None:
        """Return AID and module of what an INSTALL [for install] makes, and whether a domain.

        None for what can't be made of the card's code.
        """
        try:
            package, module, aid, privileges, parameters, token = read_fields(command.data, 6)
            told = find(parameters, 0xC9)
        except BadInput:
            return None
        if module not in self.packages.get(package, []) or token or told is None:
            return None
        if len(privileges) not in (1, 3) or not 5 <= len(aid) <= 16:
            return None
        return aid, module, bool(privileges[0] & DOMAIN_PRIVILEGE)


def _modules(loading: _Loading) -> list[bytes] | None:
    """Return the modules of a load file, or None where it is none or has another hash."""
    try:
        code = find(loading.data, 0xC4) or b""
        found = [each.value for each in read_all(code.removeprefix(MARK)) if each.tag == 0x4F]
    except BadInput:
        return None
    if not code.startswith(MARK) or not found:
        return None
    same = hmac.compare_digest(hashlib.sha256(code).digest(), loading.digest)
    return found if same else None
