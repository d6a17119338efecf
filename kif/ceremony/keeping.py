"""A key has another state: suspended, destroyed, compromised, superseded."""

from __future__ import annotations

from kif.ceremony.scene import Scene
from kif.formats.state import BatchState, KeyState

_ENDED = (BatchState.CLOSED, BatchState.CANCELLED, BatchState.ERASED)


def change_key(scene: Scene) -> None:
    """Move the key that was named to the state that the plan says."""
    _change(scene, KeyState(scene.step.values["state"]))


def _change(scene: Scene, wanted: KeyState) -> None:
    key, custody = scene.running.named, scene.desk.custody
    if custody.state(key) is not wanted:
        custody.change_state(key, wanted, scene.people.reason())
    scene.people.tell(f"{key} is {wanted.value}.")


def destroy(scene: Scene) -> None:
    """Destroy the key that was named."""
    _change(scene, KeyState.DESTROYED)


def erase_window(scene: Scene) -> None:
    """Destroy the retention key that was named, and with it what was kept under it."""
    key = scene.running.named
    if scene.desk.custody.state(key) is not KeyState.DESTROYED:
        views = scene.desk.privacy.erase_window(key, scene.people.reason())
        count = "1 batch" if len(views) == 1 else f"{len(views)} batches"
        scene.people.tell(f"{count} can't be read any more, wherever copies of the database lie.")
    scene.people.tell(f"{key} is destroyed.")


def supersede(scene: Scene) -> None:
    """Have the version of a key that is in use end with the ceremony, unless a batch needs it."""
    if scene.running.carried:
        return scene.people.tell("It was said before the interruption.")
    key = scene.running.used(scene.step.uses)
    batches = scene.desk.custody.supersede(key)
    if not batches:
        return scene.people.tell(f"{key} is deactivated when this ceremony is closed.")
    scene.people.tell(f"{key} stays active, because batches that are not closed depend on it:")
    for batch in batches:
        scene.people.tell(f"  Batch {batch.id}, {batch.count} cards, {batch.state.value}.")
    return scene.people.tell(f"  When they are closed: 'kif key state {key} deactivated'.")


def declare_compromise(scene: Scene) -> None:
    """Declare the key that was named compromised, and list what depends on it."""
    key, custody = scene.running.named, scene.desk.custody
    if custody.state(key) is not KeyState.COMPROMISED:
        custody.compromise(key, scene.people.reason())
    impact = custody.impact(key)
    scene.people.tell(f"{key} is compromised: nothing is made with it any more.")
    if not impact.batches:
        scene.people.tell("  No batch was prepared with it.")
    for batch in impact.batches:
        open_still = "" if batch.state in _ENDED else "; cancel it, or close it short"
        scene.people.tell(
            f"  Batch {batch.id} of {batch.issuer}, {batch.count} cards, {batch.state.value}"
            f"{open_still}."
        )
    for each in impact.keys:
        scene.people.tell(f"  Key {each} came or left under it: regard it as known as well.")
    for quorum in impact.backups:
        scene.people.tell(f"  The backup under {quorum} holds it.")
