"""Shares are given to custodians, given back, drilled, and replaced by those of another quorum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from kif.ceremony.people import People, until_right
from kif.ceremony.scene import Scene
from kif.formats.error import BadInput, KifError
from kif.formats.keyref import KeyRef
from kif.formats.purpose import BACKUP_KEK
from kif.hsm.handover import Handover
from kif.ledger.events.ceremony import Role


def make_quorum(scene: Scene) -> None:
    """Give a share to each custodian who takes part, and make the key that they bring back."""
    key = scene.running.key(BACKUP_KEK)
    quorums, custodians = scene.desk.quorums, scene.running.of_role(Role.CUSTODIAN)
    for number, person in enumerate(custodians, start=1):
        with quorums.giving(key, number) as handover:
            keep = partial(_keep, scene, key, person, number, handover)
            until_right(scene.people, keep, partial(scene.desk.miss, person), (BadInput,))
    threshold = scene.step.values["threshold"]
    kcv = quorums.make(key, threshold)
    scene.people.tell(
        f"Key {key}: any {threshold} of {len(custodians)} shares give it, fewer don't; every "
        f"subset was tried. Check value {kcv}."
    )


def _keep(scene: Scene, key: KeyRef, person: str, number: int, handover: Handover) -> None:
    """Have a custodian keep a share."""
    medium = scene.people.give_share(person, key, number, handover)
    scene.desk.quorums.give(key, person, number, medium, handover)
    scene.people.tell(f"Share {number} of {key}: check value {handover.kcv}.")


def back_up(scene: Scene) -> None:
    """Wrap every master under the key that custodians bring back."""
    key, quorums = scene.running.key(BACKUP_KEK), scene.desk.quorums
    holders = quorums.holders(key)
    count = scene.running.threshold
    there = scene.people.present("holder of a share", list(holders.values()), count)
    _enter(scene, key, {number: name for number, name in holders.items() if name in there})
    path, keys = quorums.back_up(key)
    scene.people.tell(f"{counted(keys)} wrapped under {key}, in backup/{path.name}.")


def drill(scene: Scene) -> None:
    """Have every share read and compared; the key is not brought back."""
    key, quorums = scene.running.used(BACKUP_KEK), scene.desk.quorums
    holders = quorums.holders(key)
    _enter(scene, key, holders)
    quorums.forget()
    scene.people.tell(f"All {len(holders)} shares of {key} are readable and right.")


def retire_quorum(scene: Scene) -> None:
    """Take the quorum out of use that stood before."""
    key = scene.running.used(BACKUP_KEK)
    scene.desk.quorums.retire(key)
    scene.people.tell(
        f"{key} is out of use; its public file and its backup are destroyed here. Destroy every "
        "copy of them, and the shares."
    )


def _enter(scene: Scene, key: KeyRef, holders: Mapping[int, str]) -> None:
    """Have each of these custodians give a share back, by number."""
    quorums = scene.desk.quorums

    def take(person: str, number: int, handover: Handover) -> None:
        quorums.enter(key, person, number, handover)
        scene.people.tell(f"Share {number} of {key} is the right one.")

    taking = partial(quorums.taking, key)
    take_shares(scene.people, scene.desk.miss, key, holders, taking, take)


def take_shares(
    people: People,
    missed: Callable[[str, KifError], None],
    key: KeyRef,
    holders: Mapping[int, str],
    taking: Callable[[int], Handover],
    take: Callable[[str, int, Handover], None],
) -> None:
    """Have each of these custodians hand a share back, by number, until ``take`` takes it."""

    def hand_back(person: str, number: int, handover: Handover) -> None:
        people.take_share(person, key, number, handover)
        take(person, number, handover)

    for number, person in holders.items():
        with taking(number) as handover:
            step = partial(hand_back, person, number, handover)
            until_right(people, step, partial(missed, person), (BadInput,))


def counted(keys: Sequence[KeyRef]) -> str:
    """Return how many masters are spoken of."""
    return "1 master is" if len(keys) == 1 else f"{len(keys)} masters are"
