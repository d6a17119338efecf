"""A key comes in a block or leaves; a scheme certifies one. Whose key it is, everyone compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kif.ceremony.people import until_right
from kif.ceremony.scene import Scene
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.purpose import ZONE_MASTER
from kif.formats.words import aloud
from kif.hsm.boundary import permitting
from kif.hsm.key import Algorithm
from kif.ledger.events.ceremony import Role
from kif.oracle.exchange import fingerprint_of

_LEAST_BITS = 2048


def import_block(scene: Scene) -> None:
    """Have the custodians give the block of a key, and take the key out of it."""
    key, zone = scene.running.key(scene.step.values["key"]), scene.running.used(ZONE_MASTER)
    algorithm, years = Algorithm(scene.step.values["algorithm"]), scene.step.values["years"]

    def take() -> None:
        block = scene.people.key_block(key)
        with _permitted(scene):
            kcv = scene.desk.exchange.import_block(key, algorithm, years, zone, block)
        scene.people.tell(f"Key {key}: {algorithm.value}, under {zone}, check value {kcv}.")

    first = scene.running.of_role(Role.CUSTODIAN)[0]
    until_right(scene.people, take, partial(scene.desk.miss, first), (BadInput, CheckFailed))


def export_block(scene: Scene) -> None:
    """Have the key that was named leave in a block under the zone's master key."""
    key, zone = scene.running.named, scene.running.used(ZONE_MASTER)
    with _permitted(scene):
        path = scene.desk.exchange.export_block(key, zone)
    scene.people.tell(f"Key {key} left under {zone}, in exchange/{path.name}.")


def export_wrapped(scene: Scene) -> None:
    """Have the key that was named leave wrapped to a public key that everyone compares."""
    key = scene.running.named

    def leave() -> None:
        recipient = _public_key(scene.people.recipient(key))
        digest = fingerprint_of(recipient)
        scene.people.tell(f"The public key that {key} leaves to (SHA-256): {digest}")
        scene.people.tell(f"Read aloud, the recipient: {aloud(digest)}")
        scene.people.agree("Is it the one on the recipient's letter?")
        path = scene.desk.exchange.export_wrapped(key, recipient)
        scene.people.tell(f"Key {key} left wrapped to it, in exchange/{path.name}.")

    first = scene.running.of_role(Role.CUSTODIAN)[0]
    until_right(scene.people, leave, partial(scene.desk.miss, first), (BadInput,))


def take_certificate(scene: Scene) -> None:
    """Have the scheme's certificate of the key that was named read, and its key compared."""
    key, desk = scene.running.named, scene.desk.exchange

    def take() -> None:
        given = IssuerCertificate.decode(scene.people.issuer_certificate(key))
        found, scheme = desk.judge_certificate(key, given), given.scheme
        scene.people.tell(
            f"The certificate is by the key {scheme.index:02X} of {scheme.rid.hex().upper()}, "
            f"whose check sum (SHA-1) is {scheme.checksum}."
        )
        scene.people.agree("Is it the check sum that the scheme has published?")
        desk.take_certificate(key, given)
        scene.people.tell(f"{key} is certified for {found.identifier}, until {found.valid_to}.")

    first = scene.running.of_role(Role.CUSTODIAN)[0]
    until_right(scene.people, take, partial(scene.desk.miss, first), (BadInput,))


@contextmanager
def _permitted(scene: Scene) -> Iterator[None]:
    """Permit what the plan says by name: a key is clear on the host of a plain token."""
    reason = scene.step.values["permits"]
    with permitting(*([reason] if reason else [])):
        yield


def _public_key(pem: str) -> rsa.RSAPublicKey:
    """Read an RSA public key, or the one of a certificate (PEM). Raises ``BadInput``."""
    found: object
    try:
        if "BEGIN CERTIFICATE" in pem:
            found = x509.load_pem_x509_certificate(pem.encode()).public_key()
        else:
            found = load_pem_public_key(pem.encode())
    except ValueError:
        found = None
    if not isinstance(found, rsa.RSAPublicKey) or found.key_size < _LEAST_BITS:
        raise BadInput(
            Control.USAGE,
            f"This is no RSA public key of {_LEAST_BITS} bits or more, nor a certificate of one "
            "(PEM). Nothing left.",
        )
    return found
