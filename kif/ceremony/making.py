"""What a genesis makes in the HSM: the token, the site's own keys and its certificates."""

from __future__ import annotations

import shutil

from kif.ceremony.room import Room
from kif.formats.keyref import KeyRef, of_site
from kif.hsm import softhsm
from kif.hsm.certificate import ca_certificate, recipient_certificate
from kif.hsm.form import destroy_master, generate_master
from kif.hsm.keypair import (
    RSA_BITS,
    destroy_pair,
    find_site_ca,
    generate_log_signer,
    generate_recipient,
    generate_site_ca,
    public_key,
    recipient_key,
)
from kif.hsm.library import library_digest
from kif.hsm.provision import provision
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import CertificateIssued, KeyGenerated, TokenMade
from kif.oracle.keys import CA, RECIPIENT, SITE_MASTER, SITE_MASTER_ALGORITHM, SITE_SIGNER


def make_token(room: Room) -> None:
    """Initialise the token with the PINs that are sealed, and open it."""
    if room.place.softhsm_directory is not None:
        shutil.rmtree(room.place.softhsm_directory, ignore_errors=True)
        softhsm.use_directory(room.place.softhsm_directory)
    provision(room.place.library, room.place.label, room.so_pin, room.user_pin)
    room.token = Token.open(room.place, room.user_pin)
    described = room.token.describe()
    room.note(
        TokenMade(
            label=room.place.label,
            library=str(room.place.library),
            library_digest=library_digest(room.place.library),
            make=described.manufacturer,
            model=described.model,
            serial=described.serial,
            firmware=described.firmware,
        )
    )


def generate(room: Room, names: tuple[str, ...]) -> None:
    """Generate the site's master and key pairs inside the token, by name.

    What an interrupted attempt left under these names goes first.
    """
    token = room.require_token()
    for name in names:
        key = of_site(name)
        destroy_master(token, str(key))
        destroy_pair(token, str(key))
        event = _master(token) if key == SITE_MASTER else _pair(token, key, room.running.site)
        room.note(event)
        room.people.tell(
            f"Key {event.key}: {event.usage}, {event.algorithm}, check value {event.kcv or 'none'}."
        )


def certify(room: Room) -> None:
    """Have the site's CA sign its own certificate, and the recipient's."""
    token, site, now = room.require_token(), room.running.site, room.clock()
    ca = find_site_ca(token, str(CA))
    recipient = recipient_key(token, str(RECIPIENT))
    room.note(CertificateIssued(CA, ca_certificate(ca, site, now)))
    room.note(CertificateIssued(RECIPIENT, recipient_certificate(ca, recipient, site, now)))


def _master(token: Token) -> KeyGenerated:
    values = generate_master(token, str(SITE_MASTER), SITE_MASTER_ALGORITHM).values
    return KeyGenerated(
        SITE_MASTER,
        Usage.MASTER_DERIVATION.value,
        SITE_MASTER_ALGORITHM.value,
        str(values.kcv),
        str(values.derived),
        None,
    )


def _pair(token: Token, key: KeyRef, site: str) -> KeyGenerated:
    label = str(key)
    if key == SITE_SIGNER:
        generate_log_signer(token, label, site)
        usage, algorithm = Usage.LOG_SIGNER, "Ed25519"
    elif key == CA:
        generate_site_ca(token, label)
        usage, algorithm = Usage.SITE_CA, "P-256"
    else:
        generate_recipient(token, label)
        usage, algorithm = Usage.ENVELOPE_RECIPIENT, f"RSA-{RSA_BITS}"
    public = public_key(token, label)
    return KeyGenerated(key, usage.value, algorithm, None, None, public.hex())
