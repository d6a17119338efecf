"""What a terminal reads of a card over one interface, compared with what was prepared for it.

EMV Books 1 and 3; over the air EMV Contactless Book B, 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from kif.formats.afl import located
from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.elements import Aip
from kif.formats.error import CheckFailed
from kif.formats.interface import CONTACTS, Interface
from kif.formats.link import CardLink
from kif.formats.offline import PublicKey
from kif.formats.script import Offline, Script
from kif.formats.tlv import find, read_dol, tlv
from kif.oracle.interface import QualityOracle
from kif.oracle.messages import CardKey, JobRef
from kif.quality.authentication import authenticate, certified_key
from kif.quality.comparing import compare, data_of, prepared_of
from kif.quality.entropy import Entropy
from kif.quality.terminal import read_application

_FORMAT_1, _FORMAT_2 = 0x80, 0x77


@dataclass(frozen=True)
class Authenticated:
    """What of a card was verified offline: nothing, or so."""

    checks: Sequence[str] = ()
    card: PublicKey | None = None
    """Its public key, where it signs."""
    shown: CardKey | None = None
    """The same as the card shows it."""


@dataclass(frozen=True)
class _Question:
    """A command of which the answer is known, and what compares the data of its answer."""

    command: Command
    judge: Callable[[bytes], None]


def check_reading(
    job: JobRef,
    link: CardLink,
    script: Script,
    oracle: QualityOracle,
    entropy: Entropy,
    interface: Interface,
) -> Authenticated:
    """Check directory, selection, processing options, records, and what they authenticate by.

    Raises ``CheckFailed`` for what is not as it was prepared, or does not verify.
    """
    questions = (
        *_directory(script, interface),
        _selection(script, interface),
        _options(script, interface),
        *_records(script, interface),
    )
    answers = link.relay([each.command.encode() for each in questions])
    for each, answer in zip(questions, answers, strict=False):  # the last of fewer has failed
        each.judge(data_of(each.command, answer))
    aip = (find(prepared_of(script, interface.options), 0x82) or b"\x00")[0]
    if script.offline is None or not aip & (Aip.STATIC | Aip.DYNAMIC | Aip.COMBINED):
        return Authenticated()
    return _check_offline(job, link, script, script.offline, oracle, entropy)


def _directory(script: Script, interface: Interface) -> Iterator[_Question]:
    """Compare the environment: its FCI, and of a PSE its record (Book 1, 12.2.3; Book B, 3.3)."""
    groups = script.directory if interface is CONTACTS else script.proximity
    prepared = {group.dgi: bytes.fromhex(group.data or "") for group in groups}
    select = Command(0x00, 0xA4, 0x04, 0x00, interface.directory, 256)

    def judge(answer: bytes) -> None:
        compare("directory", find(answer, 0xA5), prepared["9102"])

    yield _Question(select, judge)
    if "0101" in prepared:
        record = Command(0x00, 0xB2, 0x01, 0x01 << 3 | 0x04, le=256)
        yield _Question(
            record, lambda answer: compare("directory's record", answer, prepared["0101"])
        )


def _selection(script: Script, interface: Interface) -> _Question:
    """Compare name and proprietary template: label, priority, PDOL (Book 1, 11.3.4, table 45)."""
    application = bytes.fromhex(script.application)
    prepared = prepared_of(script, interface.selection)

    def judge(answer: bytes) -> None:
        template = find(answer, 0x6F) or b""
        compare("application name", find(template, 0x84), application)
        compare("application label or its like", find(template, 0xA5), prepared)

    return _Question(Command(0x00, 0xA4, 0x04, 0x00, application, 256), judge)


def _options(script: Script, interface: Interface) -> _Question:
    """Ask as the PDOL wants it; compare AIP and AFL, in format 2 or 1 (Book 3, 6.5.8.4)."""
    pdol = find(prepared_of(script, interface.selection), 0x9F38) or b""
    wanted = tlv(0x83, bytes(sum(size for _, size in read_dol(pdol))))
    prepared = prepared_of(script, interface.options)

    def judge(answer: bytes) -> None:
        if (joined := find(answer, _FORMAT_1)) is not None:
            fields = (find(prepared, 0x82) or b"") + (find(prepared, 0x94) or b"")
            compare("processing options", joined, fields)
        else:
            compare("processing options", find(answer, _FORMAT_2), prepared)

    return _Question(Command(0x80, 0xA8, 0x00, 0x00, wanted, 256), judge)


def _records(script: Script, interface: Interface) -> Iterator[_Question]:
    """Read what the *prepared* AFL lists; the chip's own AFL was compared with it before.

    A record that was made with the card there is judged by its signature, with the others.
    """
    made = {group.dgi for group in script.groups if group.made is not None}
    for sfi, number in located(find(prepared_of(script, interface.options), 0x94) or b""):
        command = Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=256)
        dgi, what = f"{sfi:02X}{number:02X}", f"record {number} of SFI {sfi}"
        prepared = None if dgi in made else prepared_of(script, dgi)
        yield _Question(command, partial(_judge_record, what, prepared))


def _judge_record(what: str, prepared: bytes | None, answer: bytes) -> None:
    if prepared is not None:
        compare(what, answer, prepared)


def _check_offline(
    job: JobRef,
    link: CardLink,
    script: Script,
    offline: Offline,
    oracle: QualityOracle,
    entropy: Entropy,
) -> Authenticated:
    """Verify what a terminal verifies offline (Book 2, 5 and 6)."""
    scheme = oracle.scheme_key(job)
    reading = read_application(link, bytes.fromhex(script.application))
    if reading is None:
        raise CheckFailed(Control.CHIP_DATA, "The chip's application can't be selected again.")
    keys, today = {(scheme.rid, scheme.index): scheme.key}, datetime.now(UTC).date()
    checks = authenticate(link, reading, keys, today, entropy)
    for each in checks:
        if not each.right:
            raise CheckFailed(Control.CHIP_AUTHENTIC, f"The {each.what}: {each.told}.")
    told = [each.what for each in checks]
    if not offline.card_key_bits:
        return Authenticated(told)
    shown = CardKey(*(reading.value(tag) or b"" for tag in (0x9F46, 0x9F48, 0x9F47)))
    return Authenticated(told, certified_key(reading, keys), shown)
