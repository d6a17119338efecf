"""An issuer's envelope, made in software and opened in the token."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pkcs11 import Attribute
from pkcs11.exceptions import AttributeSensitive

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.envelope import unwrap_content_key
from kif.hsm.keypair import generate_log_signer, generate_recipient
from kif.hsm.token import Token
from tests.hsm.objects import nothing_left
from tests.hsm.software import aes_cbc

LABELS = (LABEL, OTHER) = ("envelope test", "envelope test signer")
V15 = padding.PKCS1v15()


@pytest.fixture(scope="module")
def recipient(token: Token) -> Iterator[rsa.RSAPublicKey]:
    """The public half of a recipient key."""
    yield generate_recipient(token, LABEL)
    for label in LABELS:
        for each in list(token.session.get_objects({Attribute.LABEL: label})):
            each.destroy()


@pytest.mark.parametrize("size", [16, 24, 32])
def test_content_opens_with_the_key_that_the_envelope_carries(
    token: Token, recipient: rsa.RSAPublicKey, size: int
) -> None:
    value, vector, content = secrets.token_bytes(size), secrets.token_bytes(16), bytes(range(64))
    with nothing_left(token):
        key = unwrap_content_key(token, LABEL, recipient.encrypt(value, V15))
        sealed = aes_cbc(value, vector, content)
        assert key.decrypt(vector, sealed) == content
        assert key.decrypt(vector, sealed[:32]) + key.decrypt(sealed[16:32], sealed[32:]) == content
        key.destroy()


def test_a_key_by_oaep_opens_as_one_and_not_as_the_other(
    token: Token, recipient: rsa.RSAPublicKey
) -> None:
    value, vector, content = secrets.token_bytes(32), secrets.token_bytes(16), bytes(range(32))
    sealed = aes_cbc(value, vector, content)
    way = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
    for encrypted, oaep, opens in (
        (recipient.encrypt(value, way), True, True),
        (recipient.encrypt(value, way), False, False),
        (recipient.encrypt(value, V15), True, False),
    ):
        key = unwrap_content_key(token, LABEL, encrypted, oaep=oaep)
        assert (key.decrypt(vector, sealed) == content) is opens
        key.destroy()


@pytest.mark.control("KIF-HSM-04")
def test_the_content_key_is_not_read(token: Token, recipient: rsa.RSAPublicKey) -> None:
    key = unwrap_content_key(token, LABEL, recipient.encrypt(bytes(32), V15))
    with pytest.raises(AttributeSensitive):
        _ = key._key.native[Attribute.VALUE]
    key.destroy()


_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
WRONG: dict[str, Callable[[rsa.RSAPublicKey], bytes]] = {
    "nothing": lambda key: b"",
    "a byte": lambda key: b"\x00",
    "cut": lambda key: key.encrypt(bytes(32), V15)[:-1],
    "a byte too long": lambda key: key.encrypt(bytes(32), V15) + b"\x00",
    "altered": lambda key: bytes([key.encrypt(bytes(32), V15)[0] ^ 1]) + bytes(383),
    "above the modulus": lambda key: b"\xff" * 384,
    "OAEP": lambda key: key.encrypt(bytes(32), _OAEP),
    "another recipient's": lambda key: _another().encrypt(bytes(32), V15),
    "no key inside": lambda key: key.encrypt(b"", V15),
    "a key of 5 bytes": lambda key: key.encrypt(bytes(5), V15),
    "a key of 33 bytes": lambda key: key.encrypt(bytes(33), V15),
}


def _another() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(65537, 3072).public_key()


@pytest.mark.control("KIF-GW-02")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_whatever_is_wrong_with_a_content_key_a_random_one_takes_its_place(
    token: Token, recipient: rsa.RSAPublicKey, wrong: Callable[[rsa.RSAPublicKey], bytes]
) -> None:
    raw = wrong(recipient)
    sealed = aes_cbc(bytes(32), bytes(16), bytes(48))
    opened = set()
    with nothing_left(token):
        for _ in range(3):
            key = unwrap_content_key(token, LABEL, raw)
            opened.add(key.decrypt(bytes(16), sealed))
            key.destroy()
    assert len(opened) == 3
    assert bytes(48) not in opened


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.usefixtures("recipient")
def test_a_key_that_is_no_recipients_opens_nothing_and_stays(token: Token) -> None:
    signer = generate_log_signer(token, OTHER, "log")
    with pytest.raises(DeviceFailed, match="is not of its usage") as caught:
        unwrap_content_key(token, OTHER, bytes(384))
    assert caught.value.control is Control.KEY_USAGE
    assert len(signer.sign(b"still here")) == 64


@pytest.mark.control("KIF-HSM-07")
def test_content_that_is_not_whole_blocks_fails_in_a_sentence(
    token: Token, recipient: rsa.RSAPublicKey
) -> None:
    key = unwrap_content_key(token, LABEL, recipient.encrypt(bytes(32), V15))
    with pytest.raises(
        DeviceFailed, match="refused while decrypting under a content key"
    ) as caught:
        key.decrypt(bytes(16), bytes(17))
    assert caught.value.control is Control.TOKEN_CALL
    key.destroy()
