"""Making keys in a ceremony: the token, generated keys, and keys combined from components."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kif.ceremony.people import Component
from kif.ceremony.plan import Form
from kif.ceremony.room import Machinery, Room
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef, of_site
from kif.formats.text import for_the_record
from kif.hsm import softhsm
from kif.hsm.component import Combination, component_kcv
from kif.hsm.form import generate_master
from kif.hsm.keypair import RSA_BITS, generate_log_signer, generate_recipient, generate_site_ca
from kif.hsm.library import library_digest
from kif.hsm.provision import provision
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import (
    ComponentEntered,
    Deviation,
    KeyFormed,
    KeyGenerated,
    Role,
    TokenMade,
)
from kif.oracle.keys import ENVELOPE_RECIPIENT, LOG_SIGNER, MASTERS, SITE_CA

_TRIES = 3


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
    """Generate masters and key pairs inside the token, by name."""
    for name in names:
        if name in MASTERS:
            kcv = str(generate_master(machinery.token, name, MASTERS[name]).kcv)
            usage, algorithm = Usage.MASTER_DERIVATION, MASTERS[name].value
            event = KeyGenerated(of_site(name), usage.value, algorithm, kcv, None)
        else:
            event = _generate_pair(room, machinery, name)
        room.note(event)
        _tell(room, event.key, event.usage, event.algorithm, event.kcv)


def _generate_pair(room: Room, machinery: Machinery, name: str) -> KeyGenerated:
    key = of_site(name)
    if name == LOG_SIGNER:
        machinery.log_signer = generate_log_signer(machinery.token, name, room.site)
        public = machinery.log_signer.public_key
        return KeyGenerated(key, Usage.LOG_SIGNER.value, "Ed25519", None, public.hex())
    if name == SITE_CA:
        machinery.ca = generate_site_ca(machinery.token, name)
        public = machinery.ca.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return KeyGenerated(key, Usage.SITE_CA.value, "P-256", None, public.hex())
    machinery.recipient = generate_recipient(machinery.token, ENVELOPE_RECIPIENT)
    public = machinery.recipient.public_numbers().n.to_bytes(RSA_BITS // 8, "big")
    usage = Usage.ENVELOPE_RECIPIENT.value
    return KeyGenerated(key, usage, f"RSA-{RSA_BITS}", None, public.hex())


def form(room: Room, machinery: Machinery, step: Form) -> None:
    """Combine one component of each custodian into a master, inside the token."""
    combination = Combination(machinery.token, step.algorithm)
    try:
        for number, person in enumerate(room.of_role(Role.CUSTODIAN), start=1):
            _enter(room, machinery.token, combination, step, person, number)
        kcv = str(combination.form(step.key).kcv)
    finally:
        combination.close()
    usage, algorithm = Usage.MASTER_DERIVATION.value, step.algorithm.value
    room.note(KeyFormed(of_site(step.key), usage, algorithm, kcv))
    _tell(room, of_site(step.key), usage, algorithm, kcv)


def _tell(room: Room, key: KeyRef, usage: str, algorithm: str, kcv: str | None) -> None:
    room.people.tell(f"Key {key.purpose}: {usage}, {algorithm}, check value {kcv or 'none'}.")


def _enter(
    room: Room, token: Token, combination: Combination, step: Form, person: str, number: int
) -> None:
    """Take a component whose check value is the sheet's; three tries, each miss is recorded."""
    for attempt in range(1, _TRIES + 1):
        try:
            component = room.people.component(person, step.key, number)
            kcv = _checked(token, step, component)
        except BadInput as wrong:
            reason = for_the_record(wrong.sentence)
            room.note(Deviation(person, of_site(step.key), wrong.control, reason))
            room.people.tell(wrong.sentence)
            if attempt == _TRIES:
                raise
            continue
        combination.enter(component.value)
        room.note(ComponentEntered(person, of_site(step.key), number, str(kcv)))
        return


def _checked(token: Token, step: Form, component: Component) -> Kcv:
    kcv = component_kcv(token, step.algorithm, component.value)
    if kcv.value.hex().upper() != component.check_value.strip().upper():
        raise BadInput(
            Control.COMPONENT,
            f"The component's check value is {kcv}, but its sheet says another. It was not "
            "entered; read it from the sheet again.",
        )
    return kcv
