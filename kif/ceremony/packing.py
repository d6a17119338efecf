"""Each custodian's package is closed and opened before everyone's eyes, and its bag noted."""

from __future__ import annotations

from functools import partial

from kif.ceremony.people import until_right
from kif.ceremony.scene import Scene
from kif.formats.error import BadInput
from kif.ledger.events.ceremony import Role


def bag(scene: Scene) -> None:
    """Have each custodian name the number of the bag, and where it is kept."""
    packages, what = scene.desk.packages, scene.step.values["what"]
    for person in scene.running.of_role(Role.CUSTODIAN):
        if packages.is_closed_here(person):
            continue

        def close(person: str = person) -> None:
            number, place = scene.people.bag(person, what, packages.count() + 1)
            packages.close(person, number, what, place)
            scene.people.tell(f"{person}: {what}, in bag {number}, kept in {place}.")

        until_right(scene.people, close, partial(scene.desk.miss, person), (BadInput,))


def unbag(scene: Scene) -> None:
    """Have each custodian read the number of the bag, which is one that was noted."""
    packages = scene.desk.packages
    for person in scene.running.of_role(Role.CUSTODIAN):
        closed = packages.closed_of(person)
        if not closed:
            scene.people.tell(f"No bag of {person} is on the record.")
            continue

        def open_(person: str = person, newest: str = closed[-1]) -> None:
            number = scene.people.unbag(person, newest)
            packages.open(person, number)
            scene.people.tell(f"{person}: bag {number} is opened.")

        until_right(scene.people, open_, partial(scene.desk.miss, person), (BadInput,))
