"""A script with an issuer's certificate: which records it has, and which cards it does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kif.formats import canonical
from kif.formats.afl import located, signed
from kif.formats.error import BadInput
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.offline import Certificate, PublicKey
from kif.formats.script import Made, Script
from kif.formats.secret import Secret
from kif.formats.tlv import find, read_all
from kif.preparation.offline import Authority, authority
from kif.preparation.product import Contactless, load_product
from kif.preparation.script import build_script
from kif.simulator.scheme import RsaKey, Scheme
from tests.preparation.test_preparation import KEYS, RECORD, data

PRODUCT = load_product("test-credit")
SIGNER = KeyRef("bank", "emv-issuer", 1)
SCHEME = Scheme(RsaKey.generate(1984))


def certified(bits: int = 1408, subject: str = "999999FF", expiry: str = "0228") -> Authority:
    """Return an issuer's key that the TEST scheme certified; its modulus is of no real key."""
    key = PublicKey(b"\xc1" * (bits // 8), b"\x03")
    told = Certificate(bytes.fromhex(subject), bytes.fromhex(expiry), b"\x00\x00\x01", key)
    made, remainder = SCHEME.certify(told)
    return authority(SIGNER, IssuerCertificate(SCHEME.public, made, remainder, key.exponent))


def script(by: Authority) -> Script:
    return build_script(PRODUCT, KEYS, Secret(canonical.encode(RECORD)), by)


def test_the_records_are_in_their_order_and_those_of_the_card_after_its_pair() -> None:
    made = script(certified())
    assert [group.dgi for group in made.groups] == [
        *("8000", "9000", "9200", "9104", "9102"),
        *("0101", "0201", "0202", "9105", "9103", "0401", "0402", "0203", "0204", "0205"),
        *("7F49", "0301", "0302", "0501"),
    ]
    assert [group.made for group in made.groups[-5:]] == [
        *(Made.STATIC_SIGNATURE, Made.KEY_PAIR),
        *(Made.CARD_CERTIFICATE, Made.CARD_KEY, Made.CONTACTLESS_CERTIFICATE),
    ]
    afl = find(data(made, "9104"), 0x94) or b""
    assert located(afl) == [(1, 1), *((2, n) for n in range(1, 6)), (3, 1), (3, 2)]
    assert signed(afl) == [(2, 1), (2, 2)]
    assert Script.decode(made.encode()) == made


def test_over_the_air_there_is_no_name_and_a_certificate_of_its_own() -> None:
    """EMV Contactless Book B, 3.3.2: the entry of the application in the PPSE's FCI."""
    made = script(certified())
    afl = find(data(made, "9105"), 0x94) or b""
    assert located(afl) == [(4, 1), (4, 2), (2, 3), (2, 4), (3, 2), (5, 1)]
    assert signed(afl) == [(4, 1)]
    static, track = data(made, "0401"), data(made, "0402")
    assert find(static, 0x5F20) is find(track, 0x5F20) is find(static, 0x8D) is None
    assert made.offline is not None
    over = (find(static, 0x70) or b"") + bytes.fromhex("1980")
    assert made.offline.contactless == over.hex().upper()
    assert made.offline.contactless != made.offline.static
    assert find(data(made, "9105"), 0x82) == bytes.fromhex("1980")
    assert find(data(made, "9103"), 0x9F38) == bytes.fromhex("9F66049F02069F3704")
    (environment,) = made.proximity
    (entry,) = read_all(find(bytes.fromhex(environment.data or ""), 0xBF0C) or b"")
    told = {each.tag: each.value for each in read_all(entry.value)}
    assert (entry.tag, told[0x4F], told[0x9F2A]) == (0x61, bytes.fromhex("A0000000999999"), b"\x02")


def test_a_card_without_a_pair_locates_no_certificate_over_the_air() -> None:
    air = Contactless(kernel="02", pdol="", aip="1880", cvm_list="0" * 16 + "1F03", cdol1="9F3704")
    update = {"card_key_bits": None, "key_generation": None, "ddol": None, "aip": "5C00"}
    product = PRODUCT.model_copy(update={**update, "contactless": air})
    made = build_script(product, KEYS, Secret(canonical.encode(RECORD)), certified())
    afl = find(data(made, "9105"), 0x94) or b""
    assert (located(afl), signed(afl)) == ([(4, 1), (4, 2)], [])
    assert find(data(made, "9103"), 0x9F38) is None


@pytest.mark.parametrize("bits", [1152, 1408, 1536, 1920])
def test_the_issuers_certificate_stands_in_records_with_its_remainder(bits: int) -> None:
    by = certified(bits)
    made = script(by)
    beside, alone = data(made, "0203"), data(made, "0204")
    assert find(beside, 0x8F) == b"\x99"
    assert find(beside, 0x9F32) == b"\x03"
    assert find(beside, 0x9F4A) == b"\x82"
    assert find(alone, 0x90) == by.certificate.certificate
    remainder = find(beside, 0x92) or b""
    assert len(remainder) == max(0, bits // 8 - (248 - 36))
    assert by.certificate.opened().key.size == bits // 8


def test_the_material_of_a_card_is_its_own() -> None:
    made = script(certified())
    offline = made.offline
    assert offline is not None
    assert (offline.signer, offline.code, offline.expiry) == (str(SIGNER), "0001", "0228")
    assert offline.subject == RECORD["pan"] + "FFFF"
    static = (find(data(made, "0201"), 0x70) or b"") + (find(data(made, "0202"), 0x70) or b"")
    assert offline.static == (static + bytes.fromhex(PRODUCT.aip)).hex().upper()
    assert RECORD["pan"] not in repr(offline)


UNFIT = {
    "another issuer's": (certified(subject="888888FF"), "is for 888888, with which the"),
    "one that ends before the card": (certified(expiry="0128"), "ends with 2028-01, and the"),
    "a key that is shorter than the card's": (certified(1024), "certifies none of 1152"),
    "a key without room in a record": (certified(1984), "no record holds a card's certificate"),
}


@pytest.mark.control("KIF-PREP-01", "KIF-HSM-12")
@pytest.mark.parametrize("case", UNFIT)
def test_a_card_that_the_certificate_does_not_fit_is_not_prepared(case: str) -> None:
    by, told = UNFIT[case]
    with pytest.raises(BadInput, match=told):
        script(by)


@pytest.mark.control("KIF-HSM-12")
def test_a_certificate_of_another_scheme_than_the_applications_is_not_used() -> None:
    by = certified()
    other = replace(by.certificate.scheme, rid=bytes.fromhex("A000000003"))
    with pytest.raises(BadInput, match="is by the scheme A000000003, and the application is of"):
        script(replace(by, certificate=replace(by.certificate, scheme=other)))


def test_a_card_that_signs_nothing_has_a_certificate_for_its_static_data_alone() -> None:
    product = PRODUCT.model_copy(
        update={"card_key_bits": None, "key_generation": None, "ddol": None, "aip": "5C00"}
    )
    made = build_script(product, KEYS, Secret(canonical.encode(RECORD)), certified(1984))
    assert [group.made for group in made.groups if group.made] == [Made.STATIC_SIGNATURE]
    afl = find(data(made, "9104"), 0x94) or b""
    assert located(afl)[-1] == (2, 5)


def test_a_card_without_static_signature_has_no_record_of_it() -> None:
    product = PRODUCT.model_copy(update={"data_authentication_code": None, "aip": "3D00"})
    made = build_script(product, KEYS, Secret(canonical.encode(RECORD)), certified())
    assert Made.STATIC_SIGNATURE not in [group.made for group in made.groups]
    assert (2, 5) not in located(find(data(made, "9104"), 0x94) or b"")
