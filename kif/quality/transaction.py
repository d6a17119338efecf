"""A whole transaction with a finished card (EMV Book 3, 9 and 10.8 to 10.11)."""

from __future__ import annotations

from dataclasses import dataclass, field

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.elements import ISSUER_AUTHENTICATION, RESPONSE_CODE, Aip
from kif.formats.error import CheckFailed
from kif.formats.interface import CONTACTLESS, CONTACTS, Interface
from kif.formats.link import CardLink
from kif.formats.offline import PublicKey
from kif.formats.script import Script
from kif.formats.tlv import Tlv, find, read_all, read_dol
from kif.oracle.interface import QualityOracle
from kif.oracle.messages import JobRef
from kif.quality.authentication import require_combined
from kif.quality.comparing import ask, compare, object_of, prepared_of
from kif.quality.entropy import Entropy

_ARQC, _TC, _COMBINED = 0x80, 0x40, 0x10
_FORMAT_1, _FORMAT_2 = 0x80, 0x77
_UNPREDICTABLE_NUMBER = 0x9F37
_KINDS = {_ARQC: "ARQC", _TC: "TC"}


def check_transaction(
    job: JobRef,
    link: CardLink,
    script: Script,
    oracle: QualityOracle,
    entropy: Entropy,
    card: PublicKey | None,
) -> None:
    """Make a transaction of no amount: ARQC, issuer's response, TC.

    ``card`` is the public key of a card that signs; where its AIP says so, it signs its cryptograms
    (CDA).
    """
    made = _Transaction(link, script, card, CONTACTS)
    terminal = _terminal_data(made.list(0x8C), entropy, {})
    atc, data, arqc = made.generate_ac(_ARQC, terminal)
    oracle.verify_arqc(job, atc, data, arqc)
    response = oracle.answer_arqc(job)
    if made.aip[0] & Aip.ISSUER_AUTHENTICATION:
        ask(link, Command(0x00, 0x82, 0x00, 0x00, response))
    told = {**terminal, RESPONSE_CODE: b"00", ISSUER_AUTHENTICATION: response}
    _, data, tc = made.generate_ac(_TC, _terminal_data(made.list(0x8D), entropy, told))
    oracle.verify_tc(job, data, tc)


def check_contactless_cryptogram(
    job: JobRef,
    link: CardLink,
    script: Script,
    oracle: QualityOracle,
    entropy: Entropy,
    card: PublicKey | None,
) -> None:
    """Have an ARQC made over the air, with which a transaction ends there."""
    made = _Transaction(link, script, card, CONTACTLESS)
    terminal = _terminal_data(made.list(0x8C), entropy, {})
    oracle.verify_contactless(job, *made.generate_ac(_ARQC, terminal))


@dataclass
class _Transaction:
    """One transaction, after GET PROCESSING OPTIONS."""

    link: CardLink
    script: Script
    card: PublicKey | None
    interface: Interface
    _asked: list[bytes] = field(default_factory=list)
    """What the card was given for its CDOLs."""

    @property
    def aip(self) -> bytes:
        """The application interchange profile."""
        return find(prepared_of(self.script, self.interface.options), 0x82) or b"\x00\x00"

    def list(self, tag: int) -> bytes:
        """Return a data object list of the records that are read over the interface."""
        return object_of(self.script, self.interface, tag) or b""

    def generate_ac(self, kind: int, terminal: dict[int, bytes]) -> tuple[bytes, bytes, bytes]:
        """Return ATC, what the card MACed, and the cryptogram, of the kind that was asked for."""
        signed = self.card is not None and bool(self.aip[0] & Aip.COMBINED)
        asked = b"".join(terminal.values())
        how = kind | _COMBINED if signed else kind
        answer = _objects(ask(self.link, Command(0x80, 0xAE, how, 0x00, asked, 256)))
        self._asked.append(asked)
        fields = {each.tag: each.value for each in answer}
        cid, atc, cryptogram = (fields.get(tag, b"") for tag in (0x9F27, 0x9F36, 0x9F26))
        if self.card is not None and signed:
            given = (self._options(), *self._asked)
            number = terminal.get(_UNPREDICTABLE_NUMBER, b"")
            cryptogram = require_combined(answer, self.card, given, number)
        if cid != bytes((kind,)) or len(atc) != 2 or len(cryptogram) != 8:
            raise CheckFailed(
                Control.CHIP_CRYPTOGRAM,
                f"The chip gave no {_KINDS[kind]} when it was asked for one.",
            )
        ours = find(prepared_of(self.script, "9200"), 0x9F10)
        compare("issuer application data", fields.get(0x9F10), ours)
        told = (RESPONSE_CODE, ISSUER_AUTHENTICATION)
        seen = b"".join(value for tag, value in terminal.items() if tag not in told)
        return atc, seen + self.aip + atc + fields[0x9F10], cryptogram

    def _options(self) -> bytes:
        """Return what the card was given for its PDOL: zeros."""
        pdol = find(prepared_of(self.script, self.interface.selection), 0x9F38) or b""
        return bytes(sum(size for _, size in read_dol(pdol)))


def _objects(answer: bytes) -> list[Tlv]:
    """Return the answer to GENERATE AC, from format 2 or 1 (Book 3, 6.5.5.4)."""
    joined = find(answer, _FORMAT_1)
    if joined is None:
        return list(read_all(find(answer, _FORMAT_2) or b""))
    fields = {0x9F27: joined[:1], 0x9F36: joined[1:3], 0x9F26: joined[3:11], 0x9F10: joined[11:]}
    return [Tlv(tag, value) for tag, value in fields.items()]


def _terminal_data(dol: bytes, entropy: Entropy, known: dict[int, bytes]) -> dict[int, bytes]:
    """Return the terminal's answer to a CDOL by tag: what is known, a fresh number, and zeros."""

    def value(tag: int, size: int) -> bytes:
        if tag in known:
            return known[tag]
        return entropy(size) if tag == _UNPREDICTABLE_NUMBER else bytes(size)

    return {tag: value(tag, size) for tag, size in read_dol(dol)}
