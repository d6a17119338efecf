"""Travel documents: MRZ, EF.SOD, curves, signatures with recovery."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import mrz, recovery, sod
from kif.formats.curve import BRAINPOOL_P256R1, NIST_P256, Curve
from kif.formats.error import BadInput, CheckFailed
from tests.vectors import load

CURVES = [(BRAINPOOL_P256R1, ec.BrainpoolP256R1()), (NIST_P256, ec.SECP256R1())]
TD3 = next(each for each in load("ICAO-LDS") if each["id"] == "DG1-3")["inputs"]["mrz"]
SOD = next(each for each in load("ICAO-LDS") if each["id"] == "SOD-1")["inputs"]


@pytest.mark.parametrize(("curve", "named"), CURVES)
@given(scalar=st.integers(min_value=1, max_value=2**255))
def test_multiples_are_those_of_openssl(curve: Curve, named: ec.EllipticCurve, scalar: int) -> None:
    numbers = ec.derive_private_key(scalar, named).public_key().public_numbers()
    point = curve.times(scalar, curve.generator)
    assert point == (numbers.x, numbers.y)
    assert curve.decode(curve.encode(point)) == point
    assert curve.decode(curve.encode(point)[1:]) == point


@pytest.mark.control("KIF-FMT-01")
def test_what_is_no_point_is_refused() -> None:
    curve = NIST_P256
    x, y = curve.generator
    with pytest.raises(BadInput, match="cancel each other"):
        curve.plus((x, y), (x, curve.p - y))
    with pytest.raises(BadInput, match="scalar of zero"):
        curve.times(0, (x, y))
    raw = curve.encode((x, y))
    for wrong in (
        b"",
        raw[:-1],
        raw[1:-1],
        b"\x02" + raw[1:],
        raw[:-1] + b"\x00",
        b"\x04" + bytes(64),
    ):
        with pytest.raises(BadInput, match="no point of the curve"):
            curve.decode(wrong)


@pytest.mark.control("KIF-FMT-01")
def test_an_mrz_with_a_wrong_check_digit_is_refused() -> None:
    assert mrz.dg1(TD3)[4:].decode().endswith(TD3)
    for place in (53, 63, 71):
        digit = str((int(TD3[place]) + 1) % 10)
        with pytest.raises(BadInput, match=f"at place {place + 1} of the MRZ"):
            mrz.dg1(TD3[:place] + digit + TD3[place + 1 :])
    with pytest.raises(BadInput, match="this one has 87"):
        mrz.dg1(TD3[:-1])
    with pytest.raises(BadInput, match="capital letters"):
        mrz.dg1(TD3[:20] + "é" + TD3[21:])


def test_a_two_line_card_has_its_check_digits_too() -> None:
    line = "I<UTOSTEVENSON<<PETER<<<<<<<<<<<<<<<" + "D231458907UTO7408122M1204159<<<<<<<6"
    assert mrz.dg1(line).endswith(line.encode())


@pytest.mark.control("KIF-QC-01")
def test_no_changed_byte_of_a_security_object_changes_what_was_signed() -> None:
    raw = bytes.fromhex(SOD["sod"])
    signed = sod.read(raw)
    signed.verify()
    for at in range(0, len(raw), 7):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        try:
            found = sod.read(changed)
            found.verify()
        except (BadInput, CheckFailed):
            continue
        assert (found.digests, found.content) == (signed.digests, signed.content)


@pytest.mark.control("KIF-QC-01")
def test_another_data_group_is_not_the_one_that_was_signed() -> None:
    found = sod.read(bytes.fromhex(SOD["sod"]))
    found.require_group(1, bytes.fromhex(SOD["dg1"]))
    for number, group in ((1, bytes.fromhex(SOD["dg1"])[:-1]), (9, b"")):
        with pytest.raises(CheckFailed, match=f"data group {number} is not the one"):
            found.require_group(number, group)
    with pytest.raises(BadInput, match="one data object of tag 77"):
        sod.read(bytes.fromhex(SOD["dg1"]))


def test_the_message_of_active_authentication_hashes_the_challenge() -> None:
    block = recovery.block(b"\x01" * 106, b"\x02" * 8)
    digest = hashlib.sha1(b"\x01" * 106 + b"\x02" * 8, usedforsecurity=False).digest()
    assert block == b"\x6a" + b"\x01" * 106 + digest + b"\xbc"
