"""Key pairs of the site, verified by another library."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.keypair import (
    RSA_BITS,
    find_log_signer,
    generate_log_signer,
    generate_recipient,
    generate_site_ca,
)
from kif.hsm.token import Token
from tests.hsm import hostile

LABEL = "keypair test"


@pytest.fixture(autouse=True)
def cleared(token: Token) -> Iterator[None]:
    """Take the test's key pairs away."""
    yield
    for each in list(token.session.get_objects({Attribute.LABEL: LABEL})):
        each.destroy()


@pytest.mark.parametrize("message", [b"", b"a checkpoint\n", bytes(5000)], ids=len)
def test_a_log_signature_verifies_as_ed25519(token: Token, message: bytes) -> None:
    signer = generate_log_signer(token, LABEL, "log.example")
    signature = signer.sign(message)
    assert (len(signature), len(signer.public_key)) == (64, 32)
    public = Ed25519PublicKey.from_public_bytes(signer.public_key)
    public.verify(signature, message)
    with pytest.raises(InvalidSignature):
        public.verify(signature, message + b"x")


def test_the_logs_signer_is_found_again(token: Token) -> None:
    made = generate_log_signer(token, LABEL, "log.example")
    found = find_log_signer(token, LABEL, "log.example")
    assert (found.name, found.public_key) == ("log.example", made.public_key)
    assert found.sign(b"same") == made.sign(b"same")


@pytest.mark.control("KIF-HSM-05")
def test_a_log_signer_that_is_not_there_is_not_found(token: Token) -> None:
    with pytest.raises(DeviceFailed, match="no key with the label") as caught:
        find_log_signer(token, LABEL, "log.example")
    assert caught.value.control is Control.KEY_FOUND


@pytest.mark.control("KIF-HSM-03")
def test_another_key_under_the_logs_label_is_no_signer_and_stays(token: Token) -> None:
    generate_recipient(token, LABEL)
    with pytest.raises(DeviceFailed, match="differs in SIGN, UNWRAP") as caught:
        find_log_signer(token, LABEL, "log.example")
    assert caught.value.control is Control.KEY_USAGE
    assert token.find(LABEL, ObjectClass.PRIVATE_KEY)[Attribute.UNWRAP] is True


def test_a_ca_signature_verifies_as_ecdsa(token: Token) -> None:
    ca = generate_site_ca(token, LABEL)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"to be signed")
    signature = ca.sign_digest(digest.finalize())
    ca.public_key.verify(signature, b"to be signed", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        ca.public_key.verify(signature, b"something else", ec.ECDSA(hashes.SHA256()))


def test_the_recipients_public_key_is_as_long_as_it_says(token: Token) -> None:
    public = generate_recipient(token, LABEL)
    assert public.key_size == RSA_BITS >= 3072
    assert public.public_numbers().e == 65537


def _recipient(token: Token) -> Any:
    generate_recipient(token, LABEL)
    return hostile.unbound(token.find(LABEL, ObjectClass.PRIVATE_KEY))


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("mechanism", [Mechanism.RSA_PKCS, Mechanism.RSA_X_509])
def test_the_recipients_key_neither_decrypts_nor_signs(token: Token, mechanism: Mechanism) -> None:
    key = _recipient(token)
    for attempt in (key.decrypt, key.sign):
        with pytest.raises(PKCS11Error, match=hostile.NOT_PERMITTED):
            attempt(bytes(RSA_BITS // 8), mechanism=mechanism)


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("part", [Attribute.PRIVATE_EXPONENT, Attribute.PRIME_1, Attribute.PRIME_2])
def test_no_part_of_the_recipients_private_key_is_read(token: Token, part: Attribute) -> None:
    with pytest.raises(PKCS11Error):
        _ = _recipient(token)[part]
