"""Offline data authentication: published certificates, and chains of keys of every size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from kif.formats import offline
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.formats.offline import Certificate, PublicKey
from kif.formats.recovery import block, recovered
from kif.simulator.scheme import RsaKey, Scheme
from tests.vectors import load

VECTORS = {each["id"]: each for each in load("EMV-RSA")}
PUBLISHED = VECTORS["EMV-RSA-ISS"]["inputs"]
SCHEME = PublicKey(bytes.fromhex(PUBLISHED["capk_modulus"]), b"\x03")
TAG_90 = bytes.fromhex(PUBLISHED["tag90"])
ISSUER_ID, CARD = bytes.fromhex("476173FF"), bytes.fromhex("9999999900000014FFFF")
DATES, SERIAL, STATIC = b"\x12\x31", b"\x03\xda\x0a", bytes(range(180))
MODULI = [1024, 1152, 1408, 1536, 1976, 1984]


@cache
def pair(bits: int, which: int = 0, exponent: int = 3) -> RsaKey:
    """Return a pair of this size, the same for all tests."""
    return RsaKey.generate(bits, exponent)


def certificate(key: PublicKey, subject: bytes = ISSUER_ID) -> Certificate:
    return Certificate(subject, DATES, SERIAL, key)


def test_a_published_certificate_is_recovered_and_made_again_byte_for_byte() -> None:
    found = offline.issuer_certificate(TAG_90, b"", b"\x03", SCHEME)
    assert (found.subject, found.expiry, found.serial) == (ISSUER_ID, DATES, SERIAL)
    again = offline.issuer_block(found, SCHEME.size)
    assert (again.signed, again.remainder) == (recovered(TAG_90, SCHEME.modulus, b"\x03"), b"")


def test_a_published_card_certificate_recovers() -> None:
    given = VECTORS["EMV-RSA-ICC"]["inputs"]
    issuer = PublicKey(bytes.fromhex(given["issuer_modulus"]), b"\x03")
    tag_9f46, tag_9f48, tag_9f47 = (
        bytes.fromhex(given[f"tag{tag}"]) for tag in ("9F46", "9F48", "9F47")
    )
    found = offline.unverified_icc_certificate(tag_9f46, tag_9f48, tag_9f47, issuer)
    assert found.subject.hex() == VECTORS["EMV-RSA-ICC"]["expect"]["pan"].lower()
    with pytest.raises(CheckFailed, match="hash in a signature of format 04"):
        offline.icc_certificate(tag_9f46, tag_9f48, tag_9f47, issuer, STATIC)


@pytest.mark.parametrize("exponent", [3, 65537])
@pytest.mark.parametrize("issuer_bits", MODULI)
@pytest.mark.parametrize("scheme_bits", [1408, 1984])
def test_a_certificate_has_a_remainder_where_the_key_has_no_room(
    scheme_bits: int, issuer_bits: int, exponent: int
) -> None:
    scheme, key = Scheme(pair(scheme_bits)), pair(issuer_bits, 1, exponent).public
    wanted = certificate(key)
    if issuer_bits > scheme_bits:
        with pytest.raises(BadInput, match="can't be certified by one of 1408 bits"):
            scheme.certify(wanted)
        return
    tag_90, tag_92 = scheme.certify(wanted)
    assert len(tag_92) == max(0, issuer_bits // 8 - (scheme_bits // 8 - 36))
    public = scheme.key.public
    assert offline.issuer_certificate(tag_90, tag_92, key.exponent, public) == wanted


@pytest.mark.parametrize("bits", MODULI)
def test_a_cards_certificate_is_over_its_static_data(bits: int) -> None:
    issuer, key = pair(1984), pair(bits, 2).public
    wanted = certificate(key, CARD)
    made = offline.icc_block(wanted, issuer.public.size, STATIC)
    assert len(made.remainder) == max(0, bits // 8 - (248 - 42))
    tag_9f46 = issuer.signed(made.signed)
    arguments = (tag_9f46, made.remainder, key.exponent, issuer.public)
    assert offline.icc_certificate(*arguments, STATIC) == wanted
    assert offline.unverified_icc_certificate(*arguments) == wanted
    with pytest.raises(CheckFailed, match="is not of what it signs"):
        offline.icc_certificate(*arguments, STATIC + b"\x00")


def test_static_data_is_signed_by_the_issuer() -> None:
    issuer = pair(1408)
    tag_93 = issuer.signed(offline.static_block(b"\xda\xc1", issuer.public.size, STATIC))
    assert offline.require_static(tag_93, issuer.public, STATIC) == b"\xda\xc1"
    with pytest.raises(CheckFailed, match="is not of what it signs"):
        offline.require_static(tag_93, issuer.public, STATIC[1:])
    with pytest.raises(CheckFailed, match="recovers to no block"):
        offline.require_static(tag_93, pair(1408, 5).public, STATIC)
    with pytest.raises(BadInput, match="has two bytes"):
        offline.static_block(b"\x01", 176, STATIC)


def test_a_card_signs_what_the_terminal_gives_it() -> None:
    card, number = pair(1152, 3), b"\x08" + bytes(8)
    signed = card.signed(offline.dynamic_block(number, card.public.size, b"\x01\x02\x03\x04"))
    assert offline.require_dynamic(signed, card.public, b"\x01\x02\x03\x04") == number
    with pytest.raises(CheckFailed, match="is not of what it signs"):
        offline.require_dynamic(signed, card.public, b"\x01\x02\x03\x05")
    with pytest.raises(BadInput, match="has no room"):
        offline.dynamic_block(bytes(144), card.public.size, b"")
    longer = bytes((0x05, 0x01, 0xFF)).ljust(card.public.size - 22, b"\xbb")
    with pytest.raises(BadInput, match="longer than its signature"):
        offline.require_dynamic(card.signed(block(longer, b"")), card.public, b"")


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "another signature": ({"certificate": TAG_90[:-1] + b"\x00"}, "recovers to no block"),
    "a signature cut": ({"certificate": TAG_90[:-1]}, "recovers to no block"),
    "another exponent": ({"exponent": b"\x01\x00\x01"}, "hash in a signature of format 02"),
    "a remainder": ({"remainder": b"\x00"}, "hash in a signature of format 02"),
    "another scheme": ({"scheme": PublicKey(SCHEME.modulus[:-2], b"\x03")}, "recovers to no block"),
    "no scheme": ({"scheme": PublicKey(b"", b"\x03")}, "recovers to no block"),
}


@pytest.mark.control("KIF-QC-01")
@pytest.mark.parametrize("case", CHANGED)
def test_whatever_was_changed_is_refused(case: str) -> None:
    changed, told = CHANGED[case]
    right: dict[str, Any] = {
        "certificate": TAG_90,
        "remainder": b"",
        "exponent": b"\x03",
        "scheme": SCHEME,
    }
    with pytest.raises(KifError, match=told):
        offline.issuer_certificate(**(right | changed))


@pytest.mark.control("KIF-FMT-01")
def test_one_kind_is_not_taken_for_another() -> None:
    with pytest.raises(BadInput, match="no signature of format 04"):
        offline.icc_certificate(TAG_90, b"", b"\x03", SCHEME, b"")
    with pytest.raises(BadInput, match="no signature of format 03"):
        offline.require_static(TAG_90, SCHEME, b"")


@pytest.mark.control("KIF-FMT-01")
def test_fields_have_emvs_lengths() -> None:
    right = certificate(pair(1024).public)
    for wrong in (
        replace(right, subject=CARD),
        replace(right, serial=b"\x01"),
        replace(right, key=PublicKey(right.key.modulus, b"\x00\x03")),
    ):
        with pytest.raises(BadInput, match="other lengths than EMV's"):
            offline.issuer_block(wrong, 248)


@pytest.mark.control("KIF-FMT-01")
def test_a_modulus_that_is_not_whole_is_refused() -> None:
    scheme = pair(1984)
    head = b"\x02" + ISSUER_ID + DATES + SERIAL + b"\x01\x01"
    for size, exponent_size, pad in ((200, 1, b"\xbb"), (100, 3, b"\xbb"), (100, 1, b"\xaa")):
        body = head + bytes((size, exponent_size)) + bytes(100)
        made = block(body.ljust(248 - 22, pad), b"\x03")
        if size == 200:
            made = block((body + bytes(100)).ljust(248 - 22, pad), b"\x11\x03")
        remainder = b"\x11" if size == 200 else b""
        with pytest.raises(BadInput, match="are not one modulus"):
            offline.issuer_certificate(scheme.signed(made), remainder, b"\x03", scheme.public)
