"""What is done in each step of a ceremony on a site that stands, by the name of its action.

An act asks the people and calls the desk; what it leaves on the record is for the state machine to
judge. Every action of :mod:`kif.ledger.actions` has its act here, or one of the genesis.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kif.ceremony.approving import have_approved
from kif.ceremony.ending import Ending
from kif.ceremony.exchanging import (
    export_block,
    export_wrapped,
    import_block,
    take_certificate,
)
from kif.ceremony.keeping import change_key, declare_compromise, destroy, erase_window, supersede
from kif.ceremony.packing import bag, unbag
from kif.ceremony.people import until_right
from kif.ceremony.replacing import NEXT_SIGNER
from kif.ceremony.scene import Scene
from kif.ceremony.sharing import back_up, drill, make_quorum, retire_quorum
from kif.ceremony.staffing import appoint_person, release_person, reseal
from kif.ceremony.stations import enrol_station
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.hsm.key import Algorithm
from kif.ledger.events.ceremony import Role

Act = Callable[[Scene], None]


def _open(scene: Scene) -> None:
    """The token was opened before the ceremony could begin."""
    scene.people.tell(f"Opened by {' and '.join(scene.running.of_role(Role.OPERATOR))}.")


def _approve(scene: Scene) -> None:
    have_approved(scene.people, scene.running, scene.desk.approve, scene.desk.miss)


def _form(scene: Scene) -> None:
    key, algorithm = _new_key(scene)

    def enter(person: str, number: int) -> None:
        component = scene.people.component(person, key, number)
        given = (component.value, component.check_value)
        scene.desk.enter(key, algorithm, person, number, *given)

    kcv = _of_components(scene, enter)
    scene.people.tell(f"Key {key}: {algorithm.value}, check value {kcv}.")


def _draw_components(scene: Scene) -> None:
    key, algorithm = _new_key(scene)

    def give(person: str, number: int) -> None:
        component, kcv = scene.desk.draw(algorithm)
        scene.people.give_component(person, key, number, component, kcv)
        scene.desk.give(key, algorithm, person, number, component, kcv)
        scene.people.tell(f"Component {number} of {key}: drawn, check value {kcv}.")

    formed = _of_components(scene, give)
    scene.people.tell(f"Key {key}: {algorithm.value}, of what was drawn, check value {formed}.")


def _new_key(scene: Scene) -> tuple[KeyRef, Algorithm]:
    """Return the key that a step makes, and its algorithm."""
    return scene.running.key(scene.step.values["key"]), Algorithm(scene.step.values["algorithm"])


def _of_components(scene: Scene, take: Callable[[str, int], None]) -> Kcv:
    """Take a component of each custodian, and form the key of them; return its check value."""
    for number, person in enumerate(scene.running.of_role(Role.CUSTODIAN), start=1):
        one = partial(take, person, number)
        until_right(scene.people, one, partial(scene.desk.miss, person), (BadInput,))
    return scene.desk.form(*_new_key(scene), scene.step.values["years"])


def _generate_key(scene: Scene) -> None:
    values = scene.step.values
    key, algorithm = scene.running.key(values["key"]), values["algorithm"]
    kcv = scene.desk.generate(key, algorithm, values["years"])
    scene.people.tell(f"Key {key}: {algorithm}, generated, check value {kcv}.")


def _open_officer(scene: Scene) -> None:
    people = scene.desk.open_officer()
    scene.people.tell(f"Opened by {' and '.join(people)}: masters may leave in this session.")


def _replace_log_signer(scene: Scene) -> None:
    desk, everyone = scene.desk.succession, scene.running.everyone
    if desk.log_signer_replaced():
        return scene.people.tell("The key of the log was replaced before the interruption.")
    statement = desk.next_log_signer()
    ending = Ending.ask(scene.people, everyone, statement, scene.desk.verify, NEXT_SIGNER)
    key = desk.replace_log_signer(statement, ending.signed, ending.misses)
    scene.people.tell(f"The log is signed by {key} from here on; the key before it is destroyed.")
    return None


def _renew(scene: Scene) -> None:
    ca, recipient = scene.desk.succession.renew()
    scene.people.tell(f"{ca} is made and certified by itself, {recipient} is certified by it.")


def _close(scene: Scene) -> None:
    desk, people = scene.desk, scene.running.everyone
    ending = Ending.ask(scene.people, people, desk.attestation(), desk.verify)
    desk.close(ending.signed, ending.misses)


ACTS: dict[str, Act] = {
    "open": _open,
    "open-officer": _open_officer,
    "approve": _approve,
    "form": _form,
    "draw-components": _draw_components,
    "generate-key": _generate_key,
    "make-quorum": make_quorum,
    "back-up": back_up,
    "drill": drill,
    "retire-quorum": retire_quorum,
    "appoint-person": appoint_person,
    "release-person": release_person,
    "reseal": reseal,
    "enrol-station": enrol_station,
    "replace-log-signer": _replace_log_signer,
    "renew": _renew,
    "change-key": change_key,
    "declare-compromise": declare_compromise,
    "destroy": destroy,
    "erase-window": erase_window,
    "supersede": supersede,
    "import-block": import_block,
    "export-block": export_block,
    "export-wrapped": export_wrapped,
    "take-certificate": take_certificate,
    "bag": bag,
    "unbag": unbag,
    "close": _close,
}
