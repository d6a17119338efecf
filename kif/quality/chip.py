"""The chip's check after personalisation, as a terminal would read it (EMV Books 1 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kif.formats.afl import located
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.elements import (
    ISSUER_AUTHENTICATION,
    PAYMENT_SYSTEM_ENVIRONMENT,
    RESPONSE_CODE,
    Aip,
)
from kif.formats.error import BadInput, CheckFailed, DeviceFailed
from kif.formats.script import Script
from kif.formats.tlv import find, read_all, read_dol, tlv
from kif.oracle.interface import JobRef, JobView, QualityOracle

CHECKS = (
    "directory",
    "selection",
    "processing options",
    "records",
    "arqc",
    "arpc",
    "keys",
    "secured",
)
_ARQC, _TC = 0x80, 0x40
_FORMAT_1, _FORMAT_2 = 0x80, 0x77
_UNPREDICTABLE_NUMBER = 0x9F37
_KINDS = {_ARQC: "ARQC", _TC: "TC"}
Entropy = Callable[[int], bytes]


class CardLink(Protocol):
    """A card in a reader: command in, data and status word out."""

    def transmit(self, command: bytes) -> bytes:
        """Raise ``DeviceFailed``: CARD_PRESENT when the card is gone, READER for the reader."""


def check_chip(job: JobRef, link: CardLink, oracle: QualityOracle, entropy: Entropy) -> JobView:
    """Check the card in the reader against its script: GOOD or SUSPECT.

    1. The directory names the application; 2. SELECT: the file control information; 3. GET
    PROCESSING OPTIONS; 4. every record of the AFL, byte for byte; 5. an ARQC that the HSM verifies;
    6. a TC on the issuer's response, which it verifies too; 7. the vendor's keys open it no more,
    and the issuer's do; 8. it becomes SECURED. ``entropy`` gives the terminal's unpredictable
    number.
    """
    script = Script.decode(oracle.script(job))
    try:
        _check_directory(link, script)
        _check_selection(link, script)
        _check_options(link, script)
        _check_records(link, script)
        _check_transaction(job, link, script, oracle, entropy)
        _secure(job, link, oracle)
    except (CheckFailed, DeviceFailed, BadInput) as fault:
        if fault.control in (Control.TOKEN_CALL, Control.TOKEN_PRESENT):
            raise
        return oracle.suspect(job, fault.control, fault.sentence)
    return oracle.accept(job, CHECKS)


def _check_directory(link: CardLink, script: Script) -> None:
    """Compare the payment system environment: its FCI and its record (Book 1, 12.2.3)."""
    prepared = {group.dgi: bytes.fromhex(group.data or "") for group in script.directory}
    select = Command(0x00, 0xA4, 0x04, 0x00, PAYMENT_SYSTEM_ENVIRONMENT, 256)
    _compare("directory", find(_ask(link, select), 0xA5), prepared["9102"])
    record = Command(0x00, 0xB2, 0x01, 0x01 << 3 | 0x04, le=256)
    _compare("directory's record", _ask(link, record), prepared["0101"])


def _check_selection(link: CardLink, script: Script) -> None:
    """Compare name and proprietary template: label, priority, PDOL (Book 1, 11.3.4, table 45)."""
    application = bytes.fromhex(script.application)
    answer = _ask(link, Command(0x00, 0xA4, 0x04, 0x00, application, 256))
    template = find(answer, 0x6F) or b""
    _compare("application name", find(template, 0x84), application)
    _compare("application label or its like", find(template, 0xA5), _prepared(script, "9102"))


def _check_options(link: CardLink, script: Script) -> None:
    """Ask as the PDOL wants it; compare AIP and AFL, in format 2 or 1 (Book 3, 6.5.8.4)."""
    pdol = find(_prepared(script, "9102"), 0x9F38) or b""
    wanted = tlv(0x83, bytes(sum(size for _, size in read_dol(pdol))))
    answer = _ask(link, Command(0x80, 0xA8, 0x00, 0x00, wanted, 256))
    prepared = _prepared(script, "9104")
    if (joined := find(answer, _FORMAT_1)) is not None:
        fields = (find(prepared, 0x82) or b"") + (find(prepared, 0x94) or b"")
        _compare("processing options", joined, fields)
    else:
        _compare("processing options", find(answer, _FORMAT_2), prepared)


def _check_records(link: CardLink, script: Script) -> None:
    """Read what the *prepared* AFL lists; the chip's own AFL was compared with it before."""
    for sfi, number in located(find(_prepared(script, "9104"), 0x94) or b""):
        answer = _ask(link, Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=256))
        prepared = _prepared(script, f"{sfi:02X}{number:02X}")
        _compare(f"record {number} of SFI {sfi}", answer, prepared)


def _check_transaction(
    job: JobRef, link: CardLink, script: Script, oracle: QualityOracle, entropy: Entropy
) -> None:
    """Make a transaction of no amount: ARQC, issuer's response, TC (Book 3, 10.8 to 10.11)."""
    terminal = _terminal_data(_list(script, 0x8C), entropy, {})
    atc, data, arqc = _generate_ac(link, script, _ARQC, terminal)
    oracle.verify_arqc(job, atc, data, arqc)
    response = oracle.answer_arqc(job)
    if (find(_prepared(script, "9104"), 0x82) or b"")[0] & Aip.ISSUER_AUTHENTICATION:
        _ask(link, Command(0x00, 0x82, 0x00, 0x00, response))
    told = {**terminal, RESPONSE_CODE: b"00", ISSUER_AUTHENTICATION: response}
    _, data, tc = _generate_ac(
        link, script, _TC, _terminal_data(_list(script, 0x8D), entropy, told)
    )
    oracle.verify_tc(job, data, tc)


def _generate_ac(
    link: CardLink, script: Script, kind: int, terminal: dict[int, bytes]
) -> tuple[bytes, bytes, bytes]:
    """Return ATC, what the card MACed, and the cryptogram, of the kind that was asked for."""
    command = Command(0x80, 0xAE, kind, 0x00, b"".join(terminal.values()), 256)
    fields = _cryptogram_fields(_ask(link, command))
    cid, atc, cryptogram = (fields.get(tag, b"") for tag in (0x9F27, 0x9F36, 0x9F26))
    if cid != bytes((kind,)) or len(atc) != 2 or len(cryptogram) != 8:
        raise CheckFailed(
            Control.CHIP_CRYPTOGRAM,
            f"The chip gave no {_KINDS[kind]} when it was asked for one.",
        )
    _compare("issuer application data", fields.get(0x9F10), find(_prepared(script, "9200"), 0x9F10))
    told = (RESPONSE_CODE, ISSUER_AUTHENTICATION)
    seen = b"".join(value for tag, value in terminal.items() if tag not in told)
    aip = find(_prepared(script, "9104"), 0x82) or b""
    return atc, seen + aip + atc + fields[0x9F10], cryptogram


def _secure(job: JobRef, link: CardLink, oracle: QualityOracle) -> None:
    """Relay the last session with the card: the oracle judges whose keys it has, and secures it."""
    answers = [link.transmit(command) for command in oracle.open_domain(job)]
    commands = oracle.secure(job, answers)
    oracle.require_secured(job, [link.transmit(command) for command in commands])


def _cryptogram_fields(answer: bytes) -> dict[int, bytes]:
    """Return the answer to GENERATE AC by tag, from format 2 or 1 (Book 3, 6.5.5.4)."""
    joined = find(answer, _FORMAT_1)
    if joined is None:
        return {each.tag: each.value for each in read_all(find(answer, _FORMAT_2) or b"")}
    return {0x9F27: joined[:1], 0x9F36: joined[1:3], 0x9F26: joined[3:11], 0x9F10: joined[11:]}


def _terminal_data(dol: bytes, entropy: Entropy, known: dict[int, bytes]) -> dict[int, bytes]:
    """Return the terminal's answer to a CDOL by tag: what is known, a fresh number, and zeros."""

    def value(tag: int, size: int) -> bytes:
        if tag in known:
            return known[tag]
        return entropy(size) if tag == _UNPREDICTABLE_NUMBER else bytes(size)

    return {tag: value(tag, size) for tag, size in read_dol(dol)}


def _list(script: Script, tag: int) -> bytes:
    records = (bytes.fromhex(group.data or "") for group in script.groups if not group.keys)
    found = (find(each, tag) for each in records if each[:1] == b"\x70")
    return next(value for value in found if value is not None)


def _prepared(script: Script, dgi: str) -> bytes:
    for group in script.groups:
        if group.dgi == dgi and group.data is not None:
            return bytes.fromhex(group.data)
    raise CheckFailed(Control.CHIP_DATA, f"DGI {dgi} is not in the prepared script.")


def _compare(what: str, found: bytes | None, prepared: bytes | None) -> None:
    if found is None or found != prepared:
        raise CheckFailed(
            Control.CHIP_DATA,
            f"The chip's {what} {'is missing' if found is None else 'differs'} from what was "
            "prepared.",
        )


def _ask(link: CardLink, command: Command) -> bytes:
    response = Response.decode(link.transmit(command.encode()))
    if not response.ok:
        raise CheckFailed(
            Control.CHIP_DATA,
            f"Command {command.header.hex().upper()} was answered {response.sw:04X}, not 9000.",
        )
    return response.data
