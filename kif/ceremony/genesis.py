"""The genesis ceremony: a site out of nothing.

Everything is made in ``HOME/site.partial``; the last act is one rename to ``HOME/site``. Whatever
ends the ceremony before it leaves no site, but the draft of its record: ``resume_genesis`` goes on
at the step where it stood. ``abort_genesis`` removes what it made, and leaves a record of the
attempt in ``HOME/attempts`` which the next genesis takes into its log.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kif.ceremony.approving import have_approved
from kif.ceremony.attempt import earlier_attempts, forget_attempts, leave_attempt
from kif.ceremony.destination import Destination
from kif.ceremony.draft import Draft
from kif.ceremony.founding import found
from kif.ceremony.making import certify, generate, make_token
from kif.ceremony.people import People, until_right
from kif.ceremony.room import Room
from kif.ceremony.seal import holders, seal, unseal
from kif.ceremony.staffing import choose
from kif.ceremony.steps import go_through
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret
from kif.formats.text import is_name
from kif.hsm import library
from kif.hsm.token import Token, TokenPlace
from kif.ledger.events.ceremony import (
    CeremonyResumed,
    GenesisBegun,
    PersonAppointed,
    PinSealed,
    PlanApproved,
    Role,
    StepDone,
)
from kif.ledger.genesis import HOLDERS, SO_PIN, USER_PIN
from kif.ledger.plan import Plan, Step
from kif.ledger.running import Running
from kif.oracle.home import Home, sync, sync_tree

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,30}[A-Za-z0-9-])?")


def hold_genesis(home: Home, plan: Plan, site: str, people: People) -> None:
    """Hold the ceremony in a home that this process holds (``home.alone()``).

    1. Nothing stands yet; 2. earlier attempts are told; 3. step by step along the plan; 4. the
    token is closed; 5. everything is on the disk; 6. one rename. Raises ``Refused`` (SITE) when
    there is a site already or a genesis that stands, ``BadInput`` (SITE) for its name.
    """
    _require_nothing(home)
    if not (_NAME.fullmatch(site) and is_name(site)):
        raise BadInput(
            Control.SITE,
            "A site's name has 1 to 32 letters, digits, dots and hyphens, and no number as long as "
            "a card's: it is the token's label and the log's name. Choose another.",
        )
    attempts = earlier_attempts(home.attempts)
    shutil.rmtree(home.partial_site, ignore_errors=True)
    for folder in (home.partial_site, home.attempts):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.draft.unlink(missing_ok=True)
    room = _room(home, Draft(home.draft), site, people)
    for each in attempts:
        room.note(each)
    room.note(GenesisBegun(site, plan.text))
    _go_on(home, room)


def resume_genesis(home: Home, people: People) -> None:
    """Go on with a genesis that stands, at the beginning of its step."""
    draft = Draft.read(home.draft)
    draft.write_anew()
    running = draft.state.ceremonies.require_running()
    people.tell(f"The genesis of {running.site} goes on.")
    room = _room(home, draft, running.site, people)
    room.note(CeremonyResumed(running.done + 1, ()))
    made = [step.action for step in running.plan.steps[: running.done]]
    if "make-token" in made:
        room.user_pin = unlock(room, USER_PIN)
        room.token = Token.open(room.place, room.user_pin)
    elif "seal" in made:
        room.user_pin, room.so_pin = unlock(room, USER_PIN), unlock(room, SO_PIN)
    _go_on(home, room)


def abort_genesis(home: Home, reason: str) -> Path:
    """End a genesis that stands; return the record of the attempt."""
    draft = Draft.read(home.draft)
    path = leave_attempt(home.attempts, draft, reason)
    shutil.rmtree(home.partial_site, ignore_errors=True)
    home.draft.unlink()
    sync(home.attempts)
    return path


def standing_genesis(home: Home) -> Running | None:
    """Return the genesis that stands in a home, if one does. Raises ``Refused`` (SITE)."""
    if home.exists or not home.draft.is_file():
        return None
    return Draft.read(home.draft).state.ceremonies.running


def _require_nothing(home: Home) -> None:
    if home.exists:
        raise Refused(
            Control.SITE, f"There is a site in {home.path} already. A site has one genesis."
        )
    standing = standing_genesis(home)
    if standing is not None:
        raise Refused(
            Control.SITE,
            f"A genesis of {standing.site} stands at step {standing.done + 1}. 'kif ceremony "
            "resume' goes on with it, 'kif ceremony abort' ends it.",
        )


def _room(home: Home, draft: Draft, site: str, people: People) -> Room:
    folder = home.partial_site
    place = TokenPlace(library.softhsm_library(), site, folder / "token")
    return Room(people, folder, place, draft, _now)


def _now() -> datetime:
    return datetime.now(UTC)


def _go_on(home: Home, room: Room) -> None:
    try:
        go_through(
            room.people,
            lambda: room.running,
            lambda step: FOUNDING[step.action](room, step),
            lambda number: room.note(StepDone(number)),
        )
    finally:
        if room.token is not None:
            room.token.close()
    sync_tree(home.partial_site)
    home.partial_site.rename(home.site)
    sync(home.path)
    forget_attempts(home.attempts)


def _appoint(room: Room, step: Step) -> None:
    for role, count in room.running.plan.roles.items():
        for number in range(len(room.of_role(role)) + 1, count + 1):
            one = partial(_appoint_one, room, role, number)
            until_right(room.people, one, partial(room.miss, f"{role.value} {number}"))


def _appoint_one(room: Room, role: Role, number: int) -> None:
    person = room.people.appoint(role.value, number)
    room.note(PersonAppointed(person.name, role, person.public_key, person.manager))


def _approve(room: Room, step: Step) -> None:
    statement = room.running.statement().decode()

    def take(person: str, signature: str) -> None:
        room.note(PlanApproved(person, statement, signature))

    have_approved(room.people, room.running, take, room.miss)


def _seal(room: Room, step: Step) -> None:
    shutil.rmtree(room.folder / "seal", ignore_errors=True)
    folder, to, threshold = (
        room.folder / "seal",
        Destination.of(room.place),
        step.values["threshold"],
    )
    for (purpose, role), pin in zip(HOLDERS.items(), (room.user_pin, room.so_pin), strict=True):
        given: dict[str, Secret] = {}
        for name in room.of_role(role):
            one = partial(choose, room.people, name, purpose, given)
            until_right(room.people, one, partial(room.miss, name))
        made = seal(folder, purpose, pin, given, threshold, to)
        files = tuple(made.files.values())
        room.note(PinSealed(purpose, threshold, tuple(given), files, made.quorum))


def unlock(room: Room, purpose: str) -> Secret:
    """Have the holders of a sealed PIN open it again."""
    folder = room.folder / "seal"
    given = room.people.unlock(purpose, *holders(folder, purpose))
    return unseal(folder, purpose, given, Destination.of(room.place))


FOUNDING: dict[str, Callable[[Room, Step], None]] = {
    "appoint": _appoint,
    "approve": _approve,
    "seal": _seal,
    "make-token": lambda room, step: make_token(room),
    "generate": lambda room, step: generate(room, step.values["keys"]),
    "certify": lambda room, step: certify(room),
    "close": lambda room, step: found(room),
}
"""What is done in each step of a genesis, by the name of its action."""
