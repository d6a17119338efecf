"""Cards that terminals authenticate offline: certified by the issuer's key in the HSM."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from kif.chip.personalise import personalise
from kif.formats.apdu import Command, Response
from kif.formats.keyref import KeyRef
from kif.formats.script import Script
from kif.formats.state import JobState
from kif.formats.tlv import Tlv, find, read_all, tlv
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, Claim, Done, JobView, Segment
from kif.quality.chip import check_chip
from kif.simulator import emv, transaction
from kif.simulator.card import Card
from kif.simulator.scheme import RsaKey
from kif.simulator.signing import public_key
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, antenna, card, token
from tests.site import ISSUER, TestSite, claimed, released_batch, shared_scheme

PAN = "9999990000100018"


@pytest.fixture
def batch(site: TestSite, oracle: LocalOracle) -> BatchView:
    """A released batch of three, of this test's own, whose cards sign."""
    number = len(oracle.supervision.batches())
    first = number * 100 + 1
    return released_batch(site, oracle, f"S-{number}", 3, first=first, product="test-credit")


def made(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobView:
    """Personalise a card, and print it where it came so far."""
    view = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip).view
    return oracle.graphics.printed(view.id) if view.state is JobState.PERSONALISED else view


def checked(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobView:
    view = made(oracle, batch, chip)
    if view.state is not JobState.PRINTED:
        return view
    return check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))


def asked(chip: Card, command: Command) -> bytes:
    response = Response.decode(chip.apdu(command.encode()))
    assert response.ok, f"{response.sw:04X}"
    return response.data


def read(chip: Card) -> dict[int, bytes]:
    """Return the data objects of a card's records and options, as any terminal reads them."""
    chip.reset()
    asked(chip, Command(0, 0xA4, 4, 0, emv.APPLICATION_AID, 256))
    options = asked(chip, Command(0x80, 0xA8, 0, 0, tlv(0x83, b""), 256))
    found = {tag: find(options, tag) or b"" for tag in (0x82, 0x94)}
    afl = found[0x94]
    for at in range(0, len(afl), 4):
        for number in range(afl[at + 1], afl[at + 2] + 1):
            record = asked(chip, Command(0, 0xB2, number, afl[at] | 4, le=256))
            for tag in (0x8F, 0x90, 0x92, 0x93, 0x9F32, 0x9F46, 0x9F47, 0x9F48, 0x5A, 0x9F4A):
                found[tag] = find(record, tag) or found.get(tag, b"")
            if number - afl[at + 1] < afl[at + 3]:
                found[-1] = found.get(-1, b"") + (find(record, 0x70) or b"")
    return found


def opened(signature: bytes, modulus: bytes, exponent: bytes) -> bytes:
    number = int.from_bytes(modulus, "big")
    assert len(signature) == len(modulus)
    made = pow(int.from_bytes(signature, "big"), int.from_bytes(exponent, "big"), number)
    return made.to_bytes(len(modulus), "big")


def sha_1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


@pytest.mark.control("KIF-QC-04")
def test_a_cards_chain_verifies_from_the_schemes_key_by_the_books_alone(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """Every step of Book 2, 5.3, 5.4, 6.3 to 6.5, written out here."""
    chip = card()
    with nothing_left(token(oracle)):
        assert checked(oracle, batch, chip).state is JobState.GOOD
    data, scheme = read(chip), shared_scheme().public
    assert data[0x82] == bytes.fromhex("7D00")
    assert data[0x8F] == bytes((scheme.index,))
    issuer = opened(data[0x90], scheme.key.modulus, scheme.key.exponent)
    assert issuer[:2] == b"\x6a\x02"
    assert issuer[2:6].hex() == "999999ff"
    size = issuer[13]
    modulus = (issuer[15:-21] + data[0x92])[:size]
    signed = issuer[1:-21] + data[0x92] + data[0x9F32]
    assert sha_1(signed) == issuer[-21:-1]
    assert 8 * size == 1408

    static = data[-1] + data[0x82]
    assert data[0x9F4A] == b"\x82"
    ssad = opened(data[0x93], modulus, data[0x9F32])
    assert ssad[1:5] == bytes.fromhex("03010001")
    assert sha_1(ssad[1:-21] + static) == ssad[-21:-1]

    icc = opened(data[0x9F46], modulus, data[0x9F32])
    assert icc[1:12] == b"\x04" + data[0x5A].ljust(10, b"\xff")
    assert icc[12:14].hex() == "0231"
    assert icc[14:17] == chip.serial[-3:]
    card_size, room = icc[19], size - 42
    card_modulus = icc[21 : 21 + min(card_size, room)] + data[0x9F48]
    assert (8 * card_size, len(card_modulus)) == (1152, card_size)
    rest = icc[1:-21] + data[0x9F48] + data[0x9F47] + static
    assert sha_1(rest) == icc[-21:-1]

    number = secrets.token_bytes(4)
    answer = asked(chip, Command(0, 0x88, 0, 0, number, 256))
    dynamic = opened(find(answer, 0x80) or b"", card_modulus, data[0x9F47])
    assert dynamic[1:4] == bytes.fromhex("050109")
    assert sha_1(dynamic[1:-21] + number) == dynamic[-21:-1]


def test_the_pair_stays_in_the_card_and_each_card_has_its_own(
    oracle: LocalOracle, batch: BatchView
) -> None:
    keys = []
    for _ in range(2):
        chip = card()
        made(oracle, batch, chip)
        keys.append(opened_modulus(chip))
    assert keys[0] != keys[1]


def opened_modulus(chip: Card) -> bytes:
    signer = chip.application._signer
    assert signer is not None
    return signer.public.modulus


LENGTHS = {"OPENING": 3, "FIRST": 21, "SECOND": 9, "CHECK": 71}
"""How many commands: before any key leaves, until the card has its pair, after it, when checked."""


ENDS = {sum(list(LENGTHS.values())[:count]) + more for count in range(5) for more in (0, 1)}


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize(
    "at",
    [  # the usual third has the ends of every part; the commands between are soaked
        pytest.param(at, marks=[] if at % 3 == 2 or at in ENDS else [pytest.mark.soak])
        for at in range(1, sum(LENGTHS.values()) + 2)
    ],
)
def test_power_lost_at_any_command_of_a_card_that_signs_makes_no_good_card(
    oracle: LocalOracle, batch: BatchView, at: int
) -> None:
    if at <= LENGTHS["OPENING"]:
        made(oracle, batch, card())  # or the station is stopped after the third bad blank in a row
    with nothing_left(token(oracle)):
        job = checked(oracle, batch, card(f"vanish@1:{at}"))
    if at <= LENGTHS["OPENING"]:
        assert job.state is JobState.PREPARED
    else:
        whole = at > sum(LENGTHS.values())
        assert job.state is (JobState.GOOD if whole else JobState.SUSPECT)


@pytest.mark.control("KIF-QC-04")
def test_a_card_that_signs_wrongly_is_suspect(oracle: LocalOracle, batch: BatchView) -> None:
    with nothing_left(token(oracle)):
        job = checked(oracle, batch, card("wrong-signature@1"))
    assert job.state is JobState.SUSPECT
    assert "KIF-QC-04" in (job.reason or "")


OTHER_KEYS: dict[str, Callable[[], bytes]] = {
    "a shorter key": lambda: public_key(RsaKey.generate(1024)),
    "no key": lambda: b"",
    "an exponent of 5": lambda: public_key(RsaKey.generate(1152)).replace(
        b"\x82\x01\x03", b"\x82\x01\x05"
    ),
    "no template": lambda: b"\x01\x02\x03",
    "an even modulus": lambda: tlv(0x7F49, tlv(0x81, b"\xc0" + bytes(143)) + tlv(0x82, b"\x03")),
}


@pytest.mark.control("KIF-CHIP-08")
@pytest.mark.parametrize("kind", OTHER_KEYS)
def test_a_card_that_answers_with_another_key_is_suspect_and_nothing_is_certified(
    oracle: LocalOracle, batch: BatchView, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kif.simulator.emv.public_key", lambda _: OTHER_KEYS[kind]())
    chip = card()
    with nothing_left(token(oracle)):
        job = made(oracle, batch, chip)
    assert job.state is JobState.SUSPECT
    assert not chip.application.personalised


def test_a_segment_whose_answer_was_lost_is_given_again_byte_for_byte(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """A certificate is made once, whatever gets lost between."""
    claim, chip = claimed(oracle, batch.id), Wire(card())
    segment: Segment | Done = claim.segment
    while isinstance(segment, Segment):
        answers = [chip.transmit(each) for each in segment.commands]
        again = [oracle.chip.next(claim.lease, segment.number, answers) for _ in range(2)]
        assert again[0] == again[1]
        segment = again[0]
    assert segment.view.state is JobState.PERSONALISED


def test_a_script_names_the_pair_and_no_key(oracle: LocalOracle, batch: BatchView) -> None:
    view = made(oracle, batch, card())
    script = Script.decode(oracle.quality.script(view.id))
    assert KeyRef(ISSUER, "emv-issuer", 1) in script.named_keys()
    assert "9F" not in repr(script)


def test_a_card_that_was_kept_signs_still(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    again = emv.EmvApplication.of(chip.application.memory(), chip.opens)
    assert again._signer is not None
    assert again._signer.public == chip.application._signer.public  # type: ignore[union-attr]
    assert isinstance(claimed(oracle, batch.id), Claim)


@pytest.mark.control("KIF-QC-04")
@pytest.mark.parametrize("spoilt", ["signature", "cryptogram"])
def test_a_wrong_signature_over_a_cryptogram_makes_a_suspect(
    oracle: LocalOracle, batch: BatchView, spoilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that is wrong; and one that is right, over another answer than was given."""
    chip = card()
    view = made(oracle, batch, chip)
    real = transaction.Transaction._signature

    def other(self: transaction.Transaction, *given: Any) -> Tlv:
        if spoilt == "signature":
            self.wrong_signature = True
            return real(self, *given)
        self.asked[-1] += b"\x00"
        return real(self, *given)

    monkeypatch.setattr(transaction.Transaction, "_signature", other)
    view = check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert view.state is JobState.SUSPECT
    told = "is of another transaction" if spoilt == "cryptogram" else "recovers to no block"
    assert told in (view.reason or "")


@pytest.mark.control("KIF-QC-04")
def test_a_signed_cryptogram_verifies_by_the_book_alone(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """Book 2, 6.6.2, written out here; an AAC is not signed, and no card signs without its key."""
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    read(chip)
    signer = chip.application._signer
    assert signer is not None
    modulus, exponent = signer.public.modulus, signer.public.exponent
    cdol = bytes(25) + bytes.fromhex("01020304")
    answer = asked(chip, Command(0x80, 0xAE, 0x90, 0, cdol, 256))
    objects = list(read_all(find(answer, 0x77) or b""))
    assert [each.tag for each in objects] == [0x9F27, 0x9F36, 0x9F4B, 0x9F10]
    dynamic = opened(objects[2].value, modulus, exponent)
    assert dynamic[1:4] == bytes((0x05, 0x01, 9 + 1 + 8 + 20))
    assert sha_1(dynamic[1:-21] + bytes.fromhex("01020304")) == dynamic[-21:-1]
    told = dynamic[4 : 4 + dynamic[3]]
    assert told[0] == 8
    assert told[9:10] == objects[0].value == b"\x80"
    said = b"".join(each.encode() for each in objects if each.tag != 0x9F4B)
    assert told[18:38] == sha_1(cdol + said)
    refused = asked(chip, Command(0x80, 0xAE, 0x10, 0, bytes(2) + cdol, 256))
    assert find(refused, 0x9F4B) is None
    assert find(refused, 0x9F27) == b"\x00"


def test_a_card_without_a_key_signs_nothing(site: TestSite, oracle: LocalOracle) -> None:
    number = len(oracle.supervision.batches())
    first = number * 100 + 1
    batch = released_batch(site, oracle, f"S-{number}", 1, first=first)
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    read(chip)
    for command in (
        Command(0, 0x88, 0, 0, bytes(4), 256),
        Command(0x80, 0xAE, 0x90, 0, bytes(29), 256),
    ):
        assert Response.decode(chip.apdu(command.encode())).sw in (0x6985, 0x6A86)
