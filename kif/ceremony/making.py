"""What a genesis makes in the HSM: the token and the site's own keys."""

from __future__ import annotations

from kif.ceremony.room import Machinery, Room
from kif.formats.keyref import KeyRef, of_site
from kif.hsm import softhsm
from kif.hsm.form import generate_master
from kif.hsm.keypair import (
    RSA_BITS,
    generate_log_signer,
    generate_recipient,
    generate_site_ca,
    public_key,
)
from kif.hsm.library import library_digest
from kif.hsm.provision import provision
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import KeyGenerated, TokenMade
from kif.oracle.keys import CA, SITE_MASTER, SITE_MASTER_ALGORITHM, SITE_SIGNER


def make_token(room: Room) -> Machinery:
    """Initialise the token with random PINs and open it."""
    if room.place.softhsm_directory is not None:
        softhsm.use_directory(room.place.softhsm_directory)
    provision(room.place.library, room.place.label, room.so_pin, room.user_pin)
    token = Token.open(room.place, room.user_pin)
    described = token.describe()
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
    return Machinery(token)


def close_token(machinery: Machinery) -> None:
    """Log out."""
    machinery.token.close()


def generate(room: Room, machinery: Machinery, names: tuple[str, ...]) -> None:
    """Generate the site's master and key pairs inside the token, by name."""
    for name in names:
        if name == SITE_MASTER.purpose:
            event = _generate_master(machinery)
        else:
            event = _generate_pair(room, machinery, of_site(name))
        room.note(event)
        _tell(room, event)


def _generate_master(machinery: Machinery) -> KeyGenerated:
    values = generate_master(machinery.token, str(SITE_MASTER), SITE_MASTER_ALGORITHM).values
    return KeyGenerated(
        SITE_MASTER,
        Usage.MASTER_DERIVATION.value,
        SITE_MASTER_ALGORITHM.value,
        str(values.kcv),
        str(values.derived),
        None,
    )


def _generate_pair(room: Room, machinery: Machinery, key: KeyRef) -> KeyGenerated:
    label = str(key)
    if key == SITE_SIGNER:
        machinery.log_signer = generate_log_signer(machinery.token, label, room.site)
        usage, algorithm = Usage.LOG_SIGNER, "Ed25519"
    elif key == CA:
        machinery.ca = generate_site_ca(machinery.token, label)
        usage, algorithm = Usage.SITE_CA, "P-256"
    else:
        machinery.recipient = generate_recipient(machinery.token, label)
        usage, algorithm = Usage.ENVELOPE_RECIPIENT, f"RSA-{RSA_BITS}"
    public = public_key(machinery.token, label)
    return KeyGenerated(key, usage.value, algorithm, None, None, public.hex())


def _tell(room: Room, event: KeyGenerated) -> None:
    room.people.tell(
        f"Key {event.key}: {event.usage}, {event.algorithm}, check value {event.kcv or 'none'}."
    )
