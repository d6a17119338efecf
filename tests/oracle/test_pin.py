"""A card's PIN: drawn, kept by the HSM, sent to the chip, and verified by it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kif.formats import pinblock
from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef
from kif.formats.pan import with_check_digit
from kif.formats.pinverify import verify, wrong_pin
from kif.formats.script import Clear, Script
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.formats.verification import pvv_block, pvv_of
from kif.hsm.boundary import permitting
from kif.hsm.pinkeeping import KeptPin, in_clear
from kif.oracle.local import LocalOracle
from kif.oracle.messages import Account, BatchView, Ibm3624, JobRef, PinTerms
from kif.preparation.prepare import prepare_batch
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.issuer import TestIssuer
from kif.simulator.pin import CardPin
from kif.simulator.transaction import des3
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, antenna, card, entries, token
from tests.oracle.test_offline import batch, checked, made
from tests.site import ISSUER, TestSite, received_file

__all__ = ["batch"]
VERIFICATION = KeyRef(ISSUER, "pin-verification", 1)


def account(number: int) -> Account:
    """The account of the card with this number in the TEST issuer's files."""
    return Account(with_check_digit(f"99999900{number:07}"), "00")


def reference(chip: Card) -> CardPin:
    found = chip.application.pin
    assert found is not None
    return found


@pytest.mark.control("KIF-QC-05", "KIF-HSM-04")
def test_a_card_verifies_its_pin_and_its_entries_say_where_it_was_clear(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card()
    with nothing_left(token(oracle)):
        view = checked(oracle, batch, chip)
    assert view.state is JobState.GOOD
    pin = reference(chip)
    assert (pin.limit, pin.left) == (3, 3)
    told = {entry.event.kind: entry.boundary.value for entry in entries(oracle, batch)}
    assert told["batch-prepared"] == "host"  # drawn there: PKCS#11 has no decimal digits
    assert told["injection-authorised"] == told["injection-done"] == "hsm"
    assert told["card-verified"] == "host"  # a card verifies it in clear
    *_, last = entries(oracle, batch)
    assert "pin" in last.event.checks  # type: ignore[attr-defined]


def test_each_card_has_a_pin_of_its_own_and_the_issuer_can_verify_it(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """The PVV in the script is what the issuer's host computes over account and PIN."""
    key = TestIssuer(Path(), ISSUER)
    pins = set()
    for _ in range(3):
        chip = card()
        view = made(oracle, batch, chip)
        script = Script.decode(oracle.quality.script(view.id))
        assert script.pin is not None
        pin = pinblock.pin_of(Secret(reference(chip).block)).reveal().decode()
        pan = script.offline.subject.rstrip("F") if script.offline else ""
        master = odd(key.master_key("pin-verification"))
        assert script.pin.verification_value == pvv_of(des3(master, pvv_block(pan, "1", pin)))
        assert KeyRef(ISSUER, "pin-zone", 1) in script.named_keys()
        assert (script.pin.tries, script.pin.account) == (3, pan)
        assert pin not in repr(script.pin)
        pins.add((pin, script.pin.kept))
    assert len(pins) == 3


def odd(key: bytes) -> bytes:
    return bytes(byte ^ (byte.bit_count() % 2 == 0) for byte in key)


def other_pin(chip: Card) -> None:
    pin = reference(chip)
    other = wrong_pin(pinblock.pin_of(Secret(pin.block)))
    pin.block = pinblock.format_2(other).reveal()


def takes_any(chip: Card) -> None:
    pin = reference(chip)
    object.__setattr__(pin, "verify", lambda command: Response(b"", 0x9000))


def does_not_count(chip: Card) -> None:
    pin = reference(chip)
    real = pin.verify

    def uncounted(data: bytes) -> Response:
        answer, pin.left = real(data), 3
        return answer

    object.__setattr__(pin, "verify", uncounted)


def fewer_tries(chip: Card) -> None:
    reference(chip).left = 2


def no_pin(chip: Card) -> None:
    chip.application.pin = None


LYING: dict[str, tuple[Callable[[Card], None], str]] = {
    "has another PIN": (other_pin, "answered VERIFY with 9000, not 63C2"),
    "takes any PIN": (takes_any, "answered VERIFY with 9000, not 63C2"),
    "does not count": (does_not_count, "PIN try counter differs"),
    "has fewer tries": (fewer_tries, "PIN try counter differs"),
    "has none": (no_pin, "was answered 6A88, not 9000"),
}


@pytest.mark.control("KIF-QC-05")
@pytest.mark.parametrize("kind", LYING)
def test_a_card_whose_pin_is_not_as_prepared_is_suspect(
    oracle: LocalOracle, batch: BatchView, kind: str
) -> None:
    spoil, told = LYING[kind]
    chip = card()
    view = made(oracle, batch, chip)
    spoil(chip)
    with nothing_left(token(oracle)):
        view = check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert view.state is JobState.SUSPECT
    assert told in (view.reason or "")


@pytest.mark.control("KIF-HSM-04")
def test_a_pin_is_drawn_only_where_its_product_permits_it(oracle: LocalOracle) -> None:
    view = oracle.gateway.admit(received_file("NO-PIN", 1, 9000, "test-credit"), again=True)
    job = JobRef(view.id, 1)
    oracle.gateway.desk.pin_storage(view.id)
    terms = PinTerms(4, VERIFICATION, "1", ())
    with nothing_left(token(oracle)), pytest.raises(Refused, match="pin-on-host"):
        oracle.preparation.make_pin(job, account(9000), terms)


@pytest.mark.control("KIF-HSM-04")
def test_no_pin_rests_in_the_database_or_the_log(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    """Neither its digits with their length, nor its block: what is kept is wrapped and sealed."""
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    block = reference(chip).block
    with oracle.gateway.desk.record.reading() as (_, tx):
        leaves = b"".join(tx.ledger.leaves())
    files = [path for path in site.home.path.rglob("*") if path.is_file()]
    assert site.home.database in files
    for found in (leaves, *(path.read_bytes() for path in files)):
        assert block not in found
        assert block.hex().upper().encode() not in found


BAD: dict[str, tuple[Command, int]] = {
    "one that is enciphered to nobody": (Command(0, 0x20, 0, 0x88, bytes(144)), 0x6984),
    "no reference": (Command(0, 0x20, 1, 0x80, bytes(8)), 0x6A86),
    "half a block": (Command(0, 0x20, 0, 0x80, bytes(4)), 0x6700),
    "another class": (Command(0x80, 0x20, 0, 0x80, bytes(8)), 0x6E00),
}


@pytest.mark.parametrize("kind", BAD)
def test_the_card_refuses_what_is_no_verification(
    oracle: LocalOracle, batch: BatchView, kind: str
) -> None:
    chip = card()
    made(oracle, batch, chip)
    command, status = BAD[kind]
    chip.apdu(Command(0, 0xA4, 4, 0, bytes.fromhex("A0000000999999"), 256).encode())
    assert Response.decode(chip.apdu(command.encode())).sw == status
    assert reference(chip).left == 3


def test_a_pin_is_blocked_after_its_last_try(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    made(oracle, batch, chip)
    right = pinblock.pin_of(Secret(reference(chip).block))
    chip.apdu(Command(0, 0xA4, 4, 0, bytes.fromhex("A0000000999999"), 256).encode())

    def tried(pin: Secret) -> int:
        return Response.decode(chip.apdu(verify(pin))).sw

    assert [tried(wrong_pin(right)) for _ in range(2)] == [0x63C2, 0x63C1]
    assert tried(right) == 0x9000
    assert [tried(wrong_pin(right)) for _ in range(4)] == [0x63C2, 0x63C1, 0x63C0, 0x6983]
    assert tried(right) == 0x6983
    chip.reset()
    chip.apdu(Command(0, 0xA4, 4, 0, bytes.fromhex("A0000000999999"), 256).encode())
    assert tried(right) == 0x6983


@pytest.mark.control("KIF-ORA-03")
def test_a_pin_is_made_for_the_account_that_came_with_a_card(oracle: LocalOracle) -> None:
    view = oracle.gateway.admit(received_file("OTHERS", 1, 9200, "test-credit"), again=True)
    job, terms = JobRef(view.id, 1), PinTerms(4, VERIFICATION, "1", ("pin-on-host",))
    with pytest.raises(Refused, match="of the account that came with a card"):
        oracle.preparation.make_pin(job, account(9201), terms)
    foreign = replace(terms, verification=KeyRef("other-issuer", "pin-verification", 1))
    with pytest.raises(BadInput, match="no key like other-issuer/pin-verification/1"):
        oracle.preparation.make_pin(job, account(9200), foreign)
    prepare_batch(view.id, oracle.preparation, lambda _: None, lambda: None)
    with pytest.raises(Refused, match=r"is prepared; PIN and verification values"):
        oracle.preparation.make_pin(job, account(9200), terms)


def test_an_offset_leads_a_host_to_the_pin(oracle: LocalOracle) -> None:
    """IBM 3624, by other software: natural PIN of validation data and table, plus the offset."""
    view = oracle.gateway.admit(received_file("OFFSET", 1, 9100, "test-credit"), again=True)
    table, whose = "1234567890123456", account(9100)
    pan = whose.pan
    terms = PinTerms(6, VERIFICATION, Ibm3624(3, 11, "F", table), ("pin-on-host",))
    desk = oracle.gateway.desk
    key = odd(TestIssuer(Path(), ISSUER).master_key("pin-verification"))
    natural = des3(key, bytes.fromhex(pan[3:14] + "FFFFF")).hex()
    offsets = set()
    for _ in range(5):
        kept, offset = oracle.preparation.make_pin(JobRef(view.id, 1), whose, terms)
        with permitting(Clear.CHECKED):
            storage = desk.pin_storage(view.id)
            pin = in_clear(desk.keys.token, storage, KeptPin.decode(kept), Clear.CHECKED)
        expected = "".join(
            str((int(table[int(each, 16)]) + int(shift)) % 10)
            for each, shift in zip(natural, offset, strict=False)
        )
        assert pin.reveal().decode() == expected
        offsets.add(offset)
    assert len(offsets) > 1
