"""A PIN that the token keeps: what leaves is what other software makes of the same digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kif.formats import pinblock
from kif.formats.error import DeviceFailed, Refused
from kif.formats.script import Clear
from kif.formats.secret import Secret
from kif.hsm import pinkeeping
from kif.hsm.boundary import permitting
from kif.hsm.clear import imported
from kif.hsm.key import Algorithm, Key, generate, released
from kif.hsm.pinkeeping import KeptPin
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage
from tests.hsm.conftest import TEST_PIN
from tests.hsm.objects import nothing_left

PAN = "9999990000000014"
PINS = ["1234", "00000", "982716", "123456789012"]
KEY = bytes(range(16))


@pytest.fixture(scope="module")
def token(place: TokenPlace) -> Iterator[Token]:
    with Token.open(place, TEST_PIN) as opened:
        yield opened


@pytest.fixture(scope="module")
def storage(token: Token) -> Iterator[Key]:
    retention = generate(token, Usage.RETENTION, Algorithm.AES_256, "pin test")
    with released(retention), released(key := pinkeeping.storage_key(retention, bytes(32))):
        yield key


def kept(token: Token, storage: Key, pin: str) -> KeptPin:
    with permitting(Clear.DRAWN):
        made = pinkeeping.keep(token, storage, Secret(pin.encode()))
    assert KeptPin.decode(made.encode()) == made
    return made


def decrypted(data: bytes) -> bytes:
    return Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).decryptor().update(data)


def decrypted_block(data: bytes) -> bytes:
    return Cipher(algorithms.AES(KEY), modes.ECB()).decryptor().update(data)  # noqa: S305


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("pin", PINS)
def test_a_card_gets_a_block_of_format_2_that_was_on_no_host(
    token: Token, storage: Key, pin: str
) -> None:
    """Nothing is permitted here: what goes to the card and to the issuer stays in the token."""
    rests = kept(token, storage, pin)
    dek = imported(token, Usage.CARD_TRANSPORT, Algorithm.AES_128, Secret(KEY))
    with released(dek), nothing_left(token):
        sent = pinkeeping.to_card(dek, storage, rests)
    expected = f"2{len(pin):X}{pin}".ljust(16, "F") + "8000000000000000"
    assert decrypted(sent).hex().upper() == expected
    assert pinblock.pin_of(Secret(decrypted(sent)[:8])).reveal().decode() == pin


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("pin", PINS)
def test_an_issuer_gets_a_block_of_format_4_under_its_zones_key(
    token: Token, storage: Key, pin: str
) -> None:
    """ISO 9564-1, 9.4.2, the other way round, by other software."""
    rests = kept(token, storage, pin)
    zone = imported(token, Usage.KEY_BLOCK_MAC, Algorithm.AES_128, Secret(KEY))
    with released(zone):
        block = pinkeeping.to_issuer(token, zone, storage, rests, PAN)
    inner = decrypted_block(block)
    pan_field = bytes.fromhex(("4" + PAN).ljust(32, "0"))
    field = decrypted_block(bytes(a ^ b for a, b in zip(inner, pan_field, strict=True)))
    assert field[:8].hex().upper() == f"4{len(pin):X}{pin}".ljust(16, "A")
    assert field[8:] == rests.nonce


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("pin", PINS)
def test_an_issuer_gets_a_block_of_format_0_by_its_name_alone(
    token: Token, storage: Key, pin: str
) -> None:
    """ISO 9564-1, 9.3.1, the other way round, by other software."""
    rests = kept(token, storage, pin)
    zone = imported(token, Usage.PIN_GENERATION, Algorithm.TDES_2, Secret(KEY))
    with released(zone), nothing_left(token):
        with pytest.raises(Refused, match=Clear.FORMAT_0):
            pinkeeping.to_issuer(token, zone, storage, rests, PAN)
        with permitting(Clear.FORMAT_0):
            block = pinkeeping.to_issuer(token, zone, storage, rests, PAN)
    plain = Cipher(TripleDES(KEY + KEY[:8]), modes.ECB()).decryptor().update(block)  # noqa: S305
    field = int.from_bytes(plain) ^ int(PAN[3:15], 16)
    assert f"{field:016X}" == f"0{len(pin):X}{pin}".ljust(16, "F")


@pytest.mark.control("KIF-HSM-04")
def test_a_pin_is_clear_where_it_is_permitted_by_name_alone(token: Token, storage: Key) -> None:
    rests = kept(token, storage, "4711")
    for reason in (Clear.CHECKED, Clear.MAILED):
        with pytest.raises(Refused, match=reason):
            pinkeeping.in_clear(token, storage, rests, reason)
        with permitting(reason):
            clear = pinkeeping.in_clear(token, storage, rests, reason)
        assert clear.reveal() == b"4711"
        assert "4711" not in repr(clear)
    with pytest.raises(Refused, match="pin-on-host"):
        pinkeeping.draw(token, 4)
    with pytest.raises(Refused, match="pin-on-host"):
        pinkeeping.keep(token, storage, Secret(b"4711"))


def test_drawn_pins_have_their_length_and_every_digit_as_often(token: Token) -> None:
    with permitting(Clear.DRAWN):
        drawn = [pinkeeping.draw(token, 12).reveal().decode() for _ in range(500)]
        assert {len(pinkeeping.draw(token, size)) for size in range(4, 13)} == set(range(4, 13))
    digits = "".join(drawn)
    assert len(digits) == 6000
    counts = [digits.count(str(digit)) for digit in range(10)]
    assert sum((count - 600) ** 2 / 600 for count in counts) < 40  # chi-squared, 9 degrees


def test_what_was_altered_at_rest_is_no_pin(token: Token, storage: Key) -> None:
    rests = kept(token, storage, "4711")
    spoilt = KeptPin(4, rests.nonce, rests.wrapped[:-1] + bytes((rests.wrapped[-1] ^ 1,)))
    with nothing_left(token), pytest.raises(DeviceFailed), permitting(Clear.MAILED):
        pinkeeping.in_clear(token, storage, spoilt, Clear.MAILED)
