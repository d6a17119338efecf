"""Key pairs of the site: the log's signer, the site's CA, the recipient of issuers' envelopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from kif.hsm.calls import calls_of
from kif.hsm.key import confirm, recognise, template
from kif.hsm.library import calling
from kif.hsm.native import NativeKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage

RSA_BITS = 3072
_EDDSA = int(Mechanism.EDDSA)
# The curve names in PKCS#11 v3.0, 2.3.5: a PrintableString for Edwards curves.
_ED25519 = bytes.fromhex("130c") + b"edwards25519"
_PUBLIC = {Attribute.TOKEN: True, Attribute.PRIVATE: False, Attribute.MODIFIABLE: False}


@dataclass(frozen=True)
class LogSigner:
    """The Ed25519 key that signs checkpoints; ``name`` is the log's name in the note."""

    name: str
    native: NativeKey
    public_key: bytes
    """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte Ed25519 signature (RFC 8032)."""
        with calling("signing a checkpoint"):
            return calls_of(self.native).sign(self.native.handle or 0, _EDDSA, message)


@dataclass(frozen=True)
class SiteCa:
    """The P-256 key that signs the bureau's own certificates."""

    native: NativeKey
    public_key: ec.EllipticCurvePublicKey

    def sign_digest(self, digest: bytes) -> bytes:
        """Return a DER ECDSA signature over a SHA-256 digest."""
        with calling("signing a certificate"):
            raw = self.native.sign(digest, mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )


def generate_log_signer(token: Token, label: str, name: str) -> LogSigner:
    """Generate the log's Ed25519 key."""
    _generate_curve(token, label, Usage.LOG_SIGNER, KeyType.EC_EDWARDS, _ED25519)
    return find_log_signer(token, label, name)


def find_log_signer(token: Token, label: str, name: str) -> LogSigner:
    """Return the log's signer."""
    native = token.find(label, ObjectClass.PRIVATE_KEY)
    recognise(native, RULES[Usage.LOG_SIGNER], label)
    return LogSigner(name, native, public_key(token, label))


def generate_site_ca(token: Token, label: str) -> SiteCa:
    """Generate the site's CA key on P-256."""
    curve = encode_named_curve_parameters("secp256r1")
    _generate_curve(token, label, Usage.SITE_CA, KeyType.EC, curve)
    return find_site_ca(token, label)


def find_site_ca(token: Token, label: str) -> SiteCa:
    """Return the site's CA."""
    native = token.find(label, ObjectClass.PRIVATE_KEY)
    recognise(native, RULES[Usage.SITE_CA], label)
    point = public_key(token, label)
    return SiteCa(native, ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def generate_recipient(
    token: Token, label: str, usage: Usage = Usage.ENVELOPE_RECIPIENT
) -> rsa.RSAPublicKey:
    """Generate the RSA key that others wrap keys to; it may UNWRAP and nothing else."""
    public = public_template(label) | {Attribute.WRAP: True, Attribute.TOKEN: RULES[usage].token}
    with calling(f"generating {label}"):
        token.session.generate_keypair(
            KeyType.RSA,
            RSA_BITS,
            public_template=public,
            private_template=template(usage, label),
        )
    confirm(token.find(label, ObjectClass.PRIVATE_KEY), RULES[usage], label)
    return recipient_key(token, label)


def recipient_key(token: Token, label: str) -> rsa.RSAPublicKey:
    """Return the public key that others wrap keys to."""
    modulus, exponent = (int.from_bytes(each, "big") for each in rsa_numbers(token, label))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def rsa_numbers(token: Token, label: str) -> tuple[bytes, bytes]:
    """Return modulus and public exponent of an RSA pair."""
    native = token.find(label, ObjectClass.PUBLIC_KEY)
    with calling(f"reading the public key of {label}"):
        return bytes(native[Attribute.MODULUS]), bytes(native[Attribute.PUBLIC_EXPONENT])


def destroy_pair(token: Token, label: str) -> None:
    """Destroy both halves of a pair; what is not there is no error."""
    token.destroy_all(label, ObjectClass.PRIVATE_KEY)
    token.destroy_all(label, ObjectClass.PUBLIC_KEY)


def _generate_curve(
    token: Token, label: str, usage: Usage, kind: KeyType, parameters: bytes
) -> None:
    with calling(f"generating {label}"):
        domain = token.session.create_domain_parameters(
            kind, {Attribute.EC_PARAMS: parameters}, local=True
        )
        domain.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if kind is KeyType.EC_EDWARDS else None,
            public_template=public_template(label),
            private_template=template(usage, label),
        )
    confirm(token.find(label, ObjectClass.PRIVATE_KEY), RULES[usage], label)


def public_template(label: str) -> dict[Attribute, Any]:
    """Return the template of a pair's public half: it may VERIFY."""
    rights = (Attribute.ENCRYPT, Attribute.WRAP)
    attributes = {Attribute.LABEL: label, Attribute.ID: label.encode()}
    return {**_PUBLIC, **dict.fromkeys(rights, False), Attribute.VERIFY: True, **attributes}


def public_key(token: Token, label: str) -> bytes:
    """Return a pair's public key: Ed25519 32 bytes, P-256 the point, RSA the modulus."""
    public = token.find(label, ObjectClass.PUBLIC_KEY)
    with calling(f"reading the public key of {label}"):
        if public.key_type is KeyType.RSA:
            return bytes(public[Attribute.MODULUS])
        point = bytes(public[Attribute.EC_POINT])
        return point[-32:] if public.key_type is KeyType.EC_EDWARDS else point[-65:]
