"""What happens to people, stations, packages and single keys in the steps of a ceremony."""

from __future__ import annotations

from collections.abc import Collection

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.events.ceremony import PersonReleased, PinSealed, Role
from kif.ledger.events.key import KeySuperseded
from kif.ledger.running import Running
from kif.ledger.steps import require, step_of

_PLANS = {KeyState.DESTROYED: "destroy-key", KeyState.COMPROMISED: "compromise"}


class Staffing:
    """Steps about one person, one package of each, or one key."""

    def __init__(self, ceremonies: Ceremonies) -> None:
        self._ceremonies = ceremonies

    def appointed(self, name: str, role: Role) -> None:
        """Note that somebody was appointed, who takes part from here on."""
        running = self._ceremonies.require_running()
        if not running.plan.founds:
            self._one_moves(running, role)
            self._ceremonies.change(running, moved=(name,), joined=(*running.joined, name))
            running = self._ceremonies.require_running()
        self._ceremonies.change(running, people=(*running.people, (name, role.value)))

    def sealing(self, event: PinSealed) -> None:
        """Require that a PIN is sealed as the open step says."""
        step = self._ceremonies.require_running().open
        values = step.values if step else {}
        require(
            event.threshold == values["threshold"]
            and event.purpose == values.get("purpose", event.purpose),
            f"The plan has another seal than this one of the {event.purpose}.",
        )

    def released(self, event: PersonReleased) -> None:
        """Note that somebody's role has ended, who takes no part."""
        running = self._ceremonies.require_running()
        self._one_moves(running, event.role)
        require(
            event.person not in running.everyone,
            f"{event.person} takes part in this ceremony; somebody else is released in it.",
        )
        self._ceremonies.change(running, moved=(event.person,))

    def bagged(self, person: str) -> None:
        """Note that somebody who takes part has closed a package, the one of the open step."""
        running = self._ceremonies.require_running()
        self._ceremonies.require_part(running, person)
        require(person not in running.moved, f"{person} has closed a package in this step.")
        self._ceremonies.change(running, moved=(*running.moved, person))

    def station_enrolled(self) -> None:
        """Note that a station was enrolled, the one of the open step."""
        running = self._ceremonies.require_running()
        require(not running.carried, f"{step_of(running).capitalize()} is about one station.")
        self._ceremonies.change(running, carried=True)

    def _one_moves(self, running: Running, role: Role) -> None:
        step = running.open
        wanted = step.values["role"] if step else ""
        require(wanted == role.value, f"{step_of(running).capitalize()} is about one {wanted}.")
        require(not running.moved, f"{step_of(running).capitalize()} is about one person.")

    def key_changed(self, key: KeyRef, state: KeyState) -> None:
        """Note a change of a key's state: a key is destroyed in a ceremony about it alone."""
        running = self._ceremonies.running
        step = None if running is None else running.open
        if running is not None and step is not None and step.action in ("change-key", "destroy"):
            wanted = KeyState(step.values.get("state", KeyState.DESTROYED))
            first = {KeyState.DEACTIVATED} if wanted is KeyState.DESTROYED else set()
            require(
                key == running.named and state in {wanted, *first},
                f"{step_of(running).capitalize()} is about {running.named}, to be {wanted.value}.",
            )
            self._ceremonies.change(running, carried=state is wanted)
        elif state in (KeyState.DESTROYED, KeyState.COMPROMISED):
            raise Refused(
                Control.CEREMONY,
                f"A key becomes {state.value} in a ceremony, with custodians: hold 'kif ceremony "
                f"run' with ceremonies/{_PLANS[state]}.yaml and --key {key}.",
            )

    def window_erased(self, key: KeyRef) -> None:
        """Note that a window was erased, in a ceremony about it or by two operators."""
        running = self._ceremonies.running
        if running is not None and running.open and running.open.action == "erase-window":
            require(key == running.named, f"{step_of(running).capitalize()} is about another key.")
            self._ceremonies.change(running, carried=True)

    def superseded(self, event: KeySuperseded, depending: Collection[str]) -> None:
        """Note that a key ends with the ceremony, unless batches depend on it: these are listed."""
        running = self._ceremonies.require_running()
        expected = running.open and running.used(running.open.uses)
        require(event.key == expected, f"{step_of(running).capitalize()} is about {expected}.")
        missing = set(depending) - set(event.batches)
        require(not missing, f"{len(missing)} batches that depend on {event.key} are missing.")
        ending = running.ending if event.batches else (*running.ending, event.key)
        self._ceremonies.change(running, carried=True, ending=ending)

    def compromised(self, key: KeyRef) -> None:
        """Note that the key which was named is compromised."""
        running = self._ceremonies.require_running()
        require(key == running.named, f"{running.named} is the key that this is about.")
        self._ceremonies.change(running, carried=True)
