"""Card content: code that is loaded, and instances made of it (GPC 2.3.1, 11.5 and 11.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.tlv import tlv

DOMAIN_PRIVILEGE = 0x80
"""The first bit of the privileges: the instance is a security domain (6.6.1, table 6-1)."""
_INSTALL, _LOAD = 0xE6, 0xE8
_FOR_LOAD, _FOR_INSTALL_AND_SELECTABLE = 0x02, 0x0C
FOR_EXTRADITION, FOR_PERSONALIZATION = 0x10, 0x20
_LAST = 0x80
_BLOCK, _PARAMETERS = 0xC4, 0xC9


@dataclass(frozen=True)
class Load:
    """A load file: AID of its package, SHA-256 and size of its data block (hex, bytes)."""

    package: str
    digest: str
    size: int


@dataclass(frozen=True)
class Instance:
    """An instance that is installed and made selectable; AIDs and bytes are hex."""

    package: str
    module: str
    aid: str
    privileges: str
    """One byte, or three."""
    parameters: str = ""
    """The content of the application's own parameters (tag C9)."""

    @property
    def is_domain(self) -> bool:
        """Whether it is a security domain."""
        return bool(bytes.fromhex(self.privileges)[0] & DOMAIN_PRIVILEGE)


@dataclass(frozen=True)
class Content:
    """What a blank gets before its application is personalised."""

    load: Load | None
    instances: tuple[Instance, ...]


def install_for_load(load: Load) -> Command:
    """Return INSTALL [for load], of the domain that has the session (11.5.2.3.1)."""
    digest = bytes.fromhex(load.digest)
    data = _sized(bytes.fromhex(load.package)) + _sized(b"") + _sized(digest) + bytes(2)
    return Command(0x80, _INSTALL, _FOR_LOAD, 0x00, data, 256)


def load_blocks(code: bytes, most: int) -> Iterator[Command]:
    """Yield LOAD of a data block, ``most`` bytes in a command (11.6). Raises ``BadInput``."""
    whole = tlv(_BLOCK, code)
    count = -(-len(whole) // most)
    if count > 256:
        raise BadInput(Control.BYTES, f"A load file needs {count} blocks; P2 counts up to 256.")
    for number in range(count):
        last = _LAST if number == count - 1 else 0
        part = whole[number * most : (number + 1) * most]
        yield Command(0x80, _LOAD, last, number, part, 256)


def install_instance(instance: Instance) -> Command:
    """Return INSTALL [for install and make selectable] (11.5.2.3.2 and 11.5.2.3.3)."""
    aids = (instance.package, instance.module, instance.aid, instance.privileges)
    parameters = tlv(_PARAMETERS, bytes.fromhex(instance.parameters))
    data = b"".join(_sized(bytes.fromhex(each)) for each in aids) + _sized(parameters) + bytes(1)
    return Command(0x80, _INSTALL, _FOR_INSTALL_AND_SELECTABLE, 0x00, data, 256)


def install_for_extradition(application: bytes, domain: bytes) -> Command:
    """Return INSTALL [for extradition] of an application to a security domain (11.5.2.3.4)."""
    data = _sized(domain) + _sized(b"") + _sized(application) + bytes(3)
    return Command(0x80, _INSTALL, FOR_EXTRADITION, 0x00, data, 256)


def read_fields(data: bytes, count: int) -> list[bytes]:
    """Return the fields of an INSTALL command, each after its length; no byte is left over.

    Raises ``BadInput`` (BYTES).
    """
    fields, at = [], 0
    while at < len(data):
        size = data[at]
        fields.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    if at != len(data) or len(fields) != count:
        raise BadInput(Control.BYTES, "INSTALL has other fields than these.")
    return fields


def _sized(value: bytes) -> bytes:
    return bytes((len(value),)) + value
