"""What a chip answers, and what was prepared for it."""

from __future__ import annotations

from kif.formats.afl import located
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.interface import Interface
from kif.formats.link import CardLink
from kif.formats.script import Script
from kif.formats.tlv import find


def prepared_of(script: Script, dgi: str) -> bytes:
    """Return the data of a grouping of the script. Raises ``CheckFailed`` (CHIP_DATA)."""
    for group in script.groups:
        if group.dgi == dgi and group.data is not None:
            return bytes.fromhex(group.data)
    raise CheckFailed(Control.CHIP_DATA, f"DGI {dgi} is not in the prepared script.")


def object_of(script: Script, interface: Interface, tag: int) -> bytes | None:
    """Return a data object of the prepared records that are read over an interface."""
    places = located(find(prepared_of(script, interface.options), 0x94) or b"")
    wanted = {f"{sfi:02X}{number:02X}" for sfi, number in places}
    records = (each.data or "" for each in script.groups if each.dgi in wanted)
    found = (find(bytes.fromhex(each), tag) for each in records)
    return next((value for value in found if value is not None), None)


def compare(what: str, found: bytes | None, prepared: bytes | None) -> None:
    """Require that something is what was prepared (``CheckFailed``, CHIP_DATA)."""
    if found is None or found != prepared:
        raise CheckFailed(
            Control.CHIP_DATA,
            f"The chip's {what} {'is missing' if found is None else 'differs'} from what was "
            "prepared.",
        )


def ask(link: CardLink, command: Command) -> bytes:
    """Return the data of the answer, which is 9000 (``CheckFailed``, CHIP_DATA)."""
    return data_of(command, link.transmit(command.encode()))


def data_of(command: Command, answer: bytes) -> bytes:
    """Return the data of an answer, which is 9000 (``CheckFailed``, CHIP_DATA)."""
    response = Response.decode(answer)
    if not response.ok:
        raise CheckFailed(
            Control.CHIP_DATA,
            f"Command {command.header.hex().upper()} was answered {response.sw:04X}, not 9000.",
        )
    return response.data
