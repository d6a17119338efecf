"""The chip's check after personalisation, as a terminal would read it (EMV Books 1 and 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from kif.formats.afl import located
from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.elements import Aip
from kif.formats.error import BadInput, CheckFailed, DeviceFailed
from kif.formats.interface import CONTACTLESS, CONTACTS, Interface
from kif.formats.offline import PublicKey
from kif.formats.script import Offline, Script
from kif.formats.tlv import find, read_dol, tlv
from kif.oracle.interface import QualityOracle
from kif.oracle.messages import JobRef, JobView
from kif.quality.authentication import authenticate, certified_key
from kif.quality.comparing import ask, compare, prepared_of
from kif.quality.link import CardLink, Entropy
from kif.quality.pin import check_pin
from kif.quality.terminal import read_application
from kif.quality.transaction import check_contactless_cryptogram, check_transaction

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
_CONTACTLESS_CHECKS = tuple(f"contactless {each}" for each in CHECKS[:5])
_FORMAT_1, _FORMAT_2 = 0x80, 0x77
Antenna = Callable[[], AbstractContextManager[CardLink]]
"""Has the card at a contactless reader for the length of a block, and at its contacts after it."""


def check_chip(
    job: JobRef,
    link: CardLink,
    oracle: QualityOracle,
    entropy: Entropy,
    antenna: Antenna | None = None,
) -> JobView:
    """Check the card in the reader against its script: GOOD or SUSPECT.

    1. Over the air, where it is read so, what comes in 2 to 7; 2. the directory names the
    application; 3. SELECT: the file control information; 4. GET PROCESSING OPTIONS; 5. every record
    of the AFL, byte for byte; 6. its certificates and signatures, from the scheme's key, where it
    has any; 7. an ARQC that the HSM verifies; 8. a TC on the issuer's response, which it verifies
    too; 9. its PIN, where it has one; 10. the vendor's keys open it no more, and the issuer's do;
    11. it becomes SECURED. ``entropy`` gives the terminal's unpredictable number.
    Raises ``DeviceFailed`` (READER) without an ``antenna`` for a card that is read over the air.
    """
    script = Script.decode(oracle.script(job))
    checks: list[str] = []
    if script.proximity and antenna is None:
        raise DeviceFailed(
            Control.READER,
            "The card is to be read over the air, and there is no contactless reader.",
        )
    try:
        if script.proximity and antenna is not None:
            with antenna() as air:
                offline, card = _check_reading(job, air, script, oracle, entropy, CONTACTLESS)
                check_contactless_cryptogram(job, air, script, oracle, entropy, card)
            checks += [*_CONTACTLESS_CHECKS, *(f"contactless {each}" for each in offline)]
        offline, card = _check_reading(job, link, script, oracle, entropy, CONTACTS)
        check_transaction(job, link, script, oracle, entropy, card)
        verified = check_pin(job, link, script, oracle)
        _secure(job, link, oracle)
    except (CheckFailed, DeviceFailed, BadInput) as fault:
        if fault.control in (Control.TOKEN_CALL, Control.TOKEN_PRESENT):
            raise
        return oracle.suspect(job, fault.control, fault.sentence)
    return oracle.accept(job, (*CHECKS, *offline, *verified, *checks))


def _check_reading(
    job: JobRef,
    link: CardLink,
    script: Script,
    oracle: QualityOracle,
    entropy: Entropy,
    interface: Interface,
) -> tuple[Sequence[str], PublicKey | None]:
    """Check what a terminal reads over an interface; return as ``_check_offline`` does."""
    _check_directory(link, script, interface)
    _check_selection(link, script, interface)
    _check_options(link, script, interface)
    _check_records(link, script, interface)
    aip = (find(prepared_of(script, interface.options), 0x82) or b"\x00")[0]
    if script.offline is None or not aip & (Aip.STATIC | Aip.DYNAMIC | Aip.COMBINED):
        return (), None
    return _check_offline(job, link, script, script.offline, oracle, entropy)


def _check_directory(link: CardLink, script: Script, interface: Interface) -> None:
    """Compare the environment: its FCI, and of a PSE its record (Book 1, 12.2.3; Book B, 3.3)."""
    groups = script.directory if interface is CONTACTS else script.proximity
    prepared = {group.dgi: bytes.fromhex(group.data or "") for group in groups}
    select = Command(0x00, 0xA4, 0x04, 0x00, interface.directory, 256)
    compare("directory", find(ask(link, select), 0xA5), prepared["9102"])
    if "0101" in prepared:
        record = Command(0x00, 0xB2, 0x01, 0x01 << 3 | 0x04, le=256)
        compare("directory's record", ask(link, record), prepared["0101"])


def _check_selection(link: CardLink, script: Script, interface: Interface) -> None:
    """Compare name and proprietary template: label, priority, PDOL (Book 1, 11.3.4, table 45)."""
    application = bytes.fromhex(script.application)
    answer = ask(link, Command(0x00, 0xA4, 0x04, 0x00, application, 256))
    template, prepared = find(answer, 0x6F) or b"", prepared_of(script, interface.selection)
    compare("application name", find(template, 0x84), application)
    compare("application label or its like", find(template, 0xA5), prepared)


def _check_options(link: CardLink, script: Script, interface: Interface) -> None:
    """Ask as the PDOL wants it; compare AIP and AFL, in format 2 or 1 (Book 3, 6.5.8.4)."""
    pdol = find(prepared_of(script, interface.selection), 0x9F38) or b""
    wanted = tlv(0x83, bytes(sum(size for _, size in read_dol(pdol))))
    answer = ask(link, Command(0x80, 0xA8, 0x00, 0x00, wanted, 256))
    prepared = prepared_of(script, interface.options)
    if (joined := find(answer, _FORMAT_1)) is not None:
        fields = (find(prepared, 0x82) or b"") + (find(prepared, 0x94) or b"")
        compare("processing options", joined, fields)
    else:
        compare("processing options", find(answer, _FORMAT_2), prepared)


def _check_records(link: CardLink, script: Script, interface: Interface) -> None:
    """Read what the *prepared* AFL lists; the chip's own AFL was compared with it before.

    A record that was made with the card there is judged by its signature, with the others.
    """
    made = {group.dgi for group in script.groups if group.made is not None}
    for sfi, number in located(find(prepared_of(script, interface.options), 0x94) or b""):
        answer = ask(link, Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=256))
        dgi = f"{sfi:02X}{number:02X}"
        if dgi not in made:
            compare(f"record {number} of SFI {sfi}", answer, prepared_of(script, dgi))


def _check_offline(
    job: JobRef,
    link: CardLink,
    script: Script,
    offline: Offline,
    oracle: QualityOracle,
    entropy: Entropy,
) -> tuple[Sequence[str], PublicKey | None]:
    """Verify what a terminal verifies offline (Book 2, 5 and 6).

    Return what it was, and the card's public key where it signs.
    """
    scheme = oracle.scheme_key(job)
    reading = read_application(link, bytes.fromhex(script.application))
    if reading is None:
        raise CheckFailed(Control.CHIP_DATA, "The chip's application can't be selected again.")
    keys, today = {(scheme.rid, scheme.index): scheme.key}, datetime.now(UTC).date()
    checks = authenticate(link, reading, keys, today, entropy)
    for each in checks:
        if not each.right:
            raise CheckFailed(Control.CHIP_AUTHENTIC, f"The {each.what}: {each.told}.")
    signs = bool(offline.card_key_bits)
    card = certified_key(reading, keys) if signs else None
    return [each.what for each in checks], card


def _secure(job: JobRef, link: CardLink, oracle: QualityOracle) -> None:
    """Relay the last session with the card: the oracle judges whose keys it has, and secures it."""
    answers = [link.transmit(command) for command in oracle.open_domain(job)]
    commands = oracle.secure(job, answers)
    oracle.require_secured(job, [link.transmit(command) for command in commands])
