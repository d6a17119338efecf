"""Making keys in a ceremony: the token, generated keys, and keys combined from components."""

from __future__ import annotations

from kif.ceremony.people import Component
from kif.ceremony.plan import Form
from kif.ceremony.room import Machinery, Room
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.hsm import softhsm
from kif.hsm.component import Combination, component_kcv
from kif.hsm.form import generate_master
from kif.hsm.keypair import generate_log_signer, generate_recipient, generate_site_ca
from kif.hsm.provision import provision
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.event import Boundary, Kind
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
        Kind.HSM_VERIFIED,
        room.plan.ceremony,
        Boundary.HSM,
        make=described.manufacturer,
        model=described.model,
        serial=described.serial,
        firmware=described.firmware,
    )
    return Machinery(token)


def close_token(machinery: Machinery) -> None:
    """Log out."""
    machinery.token.close()


def generate(room: Room, machinery: Machinery, names: tuple[str, ...]) -> None:
    """Generate masters and key pairs inside the token, by name."""
    for name in names:
        if name in MASTERS:
            formed = generate_master(machinery.token, name, MASTERS[name])
            usage, algorithm = Usage.MASTER_DERIVATION, MASTERS[name].value
            room.enter_key(Kind.KEY_GENERATED, name, usage, algorithm, formed.kcv)
        else:
            usage, algorithm = _generate_pair(room, machinery, name)
            room.enter_key(Kind.KEY_GENERATED, name, usage, algorithm, None)


def _generate_pair(room: Room, machinery: Machinery, name: str) -> tuple[Usage, str]:
    if name == LOG_SIGNER:
        machinery.log_signer = generate_log_signer(machinery.token, name, room.site)
        return Usage.LOG_SIGNER, "Ed25519"
    if name == SITE_CA:
        machinery.ca = generate_site_ca(machinery.token, name)
        return Usage.SITE_CA, "P-256"
    machinery.recipient = generate_recipient(machinery.token, ENVELOPE_RECIPIENT)
    return Usage.ENVELOPE_RECIPIENT, "RSA-3072"


def form(room: Room, machinery: Machinery, step: Form) -> None:
    """Combine one component of each custodian into a master, inside the token."""
    combination = Combination(machinery.token, step.algorithm)
    try:
        for number, person in enumerate(room.of_role("custodian"), start=1):
            _enter(room, machinery.token, combination, step, person, number)
        formed = combination.form(step.key)
    finally:
        combination.close()
    usage, algorithm = Usage.MASTER_DERIVATION, step.algorithm.value
    room.enter_key(Kind.KEY_FORMED, step.key, usage, algorithm, formed.kcv)


def _enter(
    room: Room, token: Token, combination: Combination, step: Form, person: str, number: int
) -> None:
    """Take a component whose check value is the sheet's; three tries, each miss is recorded."""
    for attempt in range(1, _TRIES + 1):
        try:
            component = room.people.component(person, step.key, number)
            kcv = _checked(token, step, component)
        except BadInput as wrong:
            room.note(
                Kind.DEVIATION,
                person,
                Boundary.HSM,
                person=person,
                key=step.key,
                control=wrong.control.value,
                reason=wrong.sentence,
            )
            room.people.tell(wrong.sentence)
            if attempt == _TRIES:
                raise
            continue
        combination.enter(component.value)
        room.note(
            Kind.COMPONENT_ENTERED,
            person,
            Boundary.HSM,
            person=person,
            key=step.key,
            component=number,
            kcv=str(kcv),
        )
        return


def _checked(token: Token, step: Form, component: Component) -> Kcv:
    kcv = component_kcv(token, step.algorithm, component.value)
    if kcv.value.hex().upper() != component.check_value.strip().upper():
        raise BadInput(
            Control.COMPONENT,
            f"The component's check value is {kcv}, but its sheet says {component.check_value}. "
            "It was not entered; read it from the sheet again.",
        )
    return kcv
