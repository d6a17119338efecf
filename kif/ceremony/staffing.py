"""People come and go on a site that stands, and the PINs are sealed to those who are there."""

from __future__ import annotations

from functools import partial

from kif.ceremony.destination import Destination
from kif.ceremony.people import People, until_right
from kif.ceremony.scene import Scene
from kif.ceremony.seal import exchange, require_passphrase, seal
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret
from kif.ledger.events.ceremony import Role
from kif.ledger.genesis import HOLDERS


def appoint_person(scene: Scene) -> None:
    """Have somebody new appointed, who takes part from here on."""
    staff, role = scene.desk.staff, Role(scene.step.values["role"])
    if staff.moved():
        return scene.people.tell(f"{staff.moved()[0]} was appointed before the interruption.")
    number = staff.appointed(role) + 1

    def appoint() -> None:
        person = scene.people.appoint(role.value, number)
        staff.appoint(person.name, role, person.public_key, person.manager)
        scene.people.tell(f"{person.name} is appointed {role.value}.")

    until_right(scene.people, appoint, partial(scene.desk.miss, f"{role.value} {number}"))
    return None


def release_person(scene: Scene) -> None:
    """Have somebody released who takes no part in the ceremony."""
    staff, role = scene.desk.staff, Role(scene.step.values["role"])
    if staff.moved():
        return scene.people.tell(f"{staff.moved()[0]} was released before the interruption.")
    names = staff.leaving(role)
    if not names:
        raise Refused(
            Control.CUSTODIANS,
            f"Every {role.value} takes part in this ceremony; nobody could be released. Abort it, "
            f"and hold it with the {role.plural} who stay.",
        )
    name = scene.people.leaving(role.value, names)
    staff.release(name, role)
    scene.people.tell(f"{name} is released: nothing is done in that name any more.")
    return None


def reseal(scene: Scene) -> None:
    """Have everyone of a role choose a passphrase, under which a PIN is sealed anew."""
    staff, purpose = scene.desk.staff, scene.step.values["purpose"]
    given: dict[str, Secret] = {}
    for name in scene.desk.of_role(HOLDERS[purpose]):
        one = partial(choose, scene.people, name, purpose, given)
        until_right(scene.people, one, partial(scene.desk.miss, name), (BadInput,))
    threshold = scene.step.values["threshold"]
    made = seal(
        staff.seal, purpose, staff.pins[purpose], given, threshold, Destination.of(staff.place)
    )
    staff.sealed(purpose, threshold, made.files, made.quorum)
    exchange(staff.seal, purpose)
    scene.people.tell(f"The {purpose} is sealed to {', '.join(given)}; any {threshold} open it.")


def choose(people: People, person: str, purpose: str, given: dict[str, Secret]) -> None:
    """Have a person choose a passphrase that is nobody else's."""
    chosen = people.passphrase(person, purpose)
    require_passphrase(chosen, given.values())
    given[person] = chosen
