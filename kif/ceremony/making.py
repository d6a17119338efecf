"""What a genesis makes in the HSM: the token, the site's own keys and its certificates."""

from __future__ import annotations

import shutil

from kif.ceremony.room import Room
from kif.formats.keyref import of_site
from kif.hsm import softhsm
from kif.hsm.form import destroy_master, generate_master
from kif.hsm.library import library_digest
from kif.hsm.provision import provision
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import KeyGenerated, TokenMade
from kif.oracle.keys import CA, RECIPIENT, SITE_MASTER, SITE_MASTER_ALGORITHM
from kif.oracle.pairs import certify_pairs, generate_pair


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
        site = room.running.site
        event = _master(token) if key == SITE_MASTER else generate_pair(token, key, site)
        room.note(event)
        room.people.tell(
            f"Key {event.key}: {event.usage}, {event.algorithm}, check value {event.kcv or 'none'}."
        )


def certify(room: Room) -> None:
    """Have the site's CA sign its own certificate, and the recipient's."""
    token, site = room.require_token(), room.running.site
    for event in certify_pairs(token, CA, RECIPIENT, site, room.clock()):
        room.note(event)


def _master(token: Token) -> KeyGenerated:
    destroy_master(token, str(SITE_MASTER))
    values = generate_master(token, str(SITE_MASTER), SITE_MASTER_ALGORITHM).values
    return KeyGenerated(
        SITE_MASTER,
        Usage.MASTER_DERIVATION.value,
        SITE_MASTER_ALGORITHM.value,
        str(values.kcv),
        str(values.derived),
        None,
    )
