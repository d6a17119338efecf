"""A site goes on in a new HSM: the old one is lost, and with it the key that signs the log.

Until the new key signs, the ceremony's record is a draft, as a genesis's is; what everyone signs is
which key that is, and the end of the log that it goes on from. Then the draft is the next group of
the log, and the ceremony goes on as any other::

    approve > seal > make-token > restore > replace-log-signer | renew > close

An attempt that is aborted leaves the draft, and the next one goes on with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kif.ceremony.draft import Draft
from kif.ceremony.genesis import FOUNDING, unlock
from kif.ceremony.hold import go_on, taking_part
from kif.ceremony.people import People
from kif.ceremony.replacing import replace_log_signer
from kif.ceremony.room import Room
from kif.ceremony.sharing import counted, take_shares
from kif.ceremony.steps import go_through
from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import BACKUP_KEK, GENESIS_KEYS
from kif.formats.text import for_the_record
from kif.hsm.backup import put_back
from kif.hsm.form import destroy_master
from kif.hsm.handover import Handover
from kif.hsm.key import Key, released
from kif.hsm.quorum import combine
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyBegun,
    CeremonyResumed,
    Role,
    StepDone,
)
from kif.ledger.events.custody import MastersRestored, ShareEntered
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.ledger.plan import Plan, Step
from kif.ledger.running import Running
from kif.ledger.state import State
from kif.oracle.audit import state_of
from kif.oracle.home import Home
from kif.oracle.local import open_oracle
from kif.oracle.quorums import Wrapped, read_backup, read_quorum

_LOST = "The HSM is lost; the site goes on in another one."


def restore_site(home: Home, plan: Plan, people: People) -> tuple[KeyRef, ...]:
    """Hold the ceremony in a home that this process holds; return the keys that it made.

    Raises ``Refused``: SITE without a site or while an attempt stands, TOKEN_PRESENT when the
    token is there after all, CUSTODIANS when the site has not as many people as the plan needs.
    """
    home.require_site()
    state = state_of(home)
    draft = _draft(home, state)
    if draft.state.ceremonies.running is not None and draft.events:
        raise Refused(
            Control.SITE,
            "A restore stands already. 'kif ceremony resume' goes on with it, 'kif ceremony abort' "
            "ends it.",
        )
    _require_gone(home.token_place())
    room = _room(home, draft, people)
    people.tell(f"The log has {state.head[0]} entries; its root is {state.head[1]}.")
    roles = (Role.OPERATOR, Role.CUSTODIAN, Role.WITNESS)
    there = {role: draft.state.people.of_role(role) for role in roles}
    operators, custodians, witnesses = taking_part(there, plan, people)
    running = draft.state.ceremonies.running
    if running is not None:
        at = running.done + 1
        room.note(CeremonyAborted(operators, running.name, at, for_the_record(_LOST)))
    subject = plan.about.value
    keys = draft.state.ceremonies.beginning.next_keys(plan, subject)
    uses = draft.state.ceremonies.beginning.next_uses(plan, subject)
    people_there = (custodians, witnesses)
    room.note(CeremonyBegun(operators, plan.text, subject, *people_there, keys, uses))
    return _go_on(home, room)


def resume_restoring(home: Home, people: People) -> tuple[KeyRef, ...]:
    """Go on with a restore whose log is not signed yet, at the beginning of its step."""
    draft = _draft(home, state_of(home))
    draft.write_anew()
    room = _room(home, draft, people)
    people.tell(f"The ceremony '{room.running.name}' goes on.")
    room.note(CeremonyResumed(room.running.done + 1, ()))
    made = [step.action for step in room.running.plan.steps[: room.running.done]]
    if "seal" in made:
        room.user_pin = unlock(room, USER_PIN)
        if "make-token" in made:
            room.token = Token.open(room.place, room.user_pin)
        else:
            room.so_pin = unlock(room, SO_PIN)
    return _go_on(home, room)


def abort_restoring(home: Home, reason: str) -> None:
    """End a restore whose log is not signed yet; the seals are as they were before it."""
    draft = _draft(home, state_of(home))
    running = draft.state.ceremonies.require_running()
    sentence, at = for_the_record(reason), running.done + 1
    event = CeremonyAborted(running.of_role(Role.OPERATOR), running.name, at, sentence)
    draft.note(event, datetime.now(UTC))
    _set_aside(home.token_place())
    before = _seals_before(home)
    if before.exists():
        shutil.rmtree(home.seal, ignore_errors=True)
        before.rename(home.seal)


def standing_restoring(home: Home) -> Running | None:
    """Return the restore whose log is not signed yet, if one stands in a home."""
    if not home.exists or not any(home.attempts.glob("restoring-*.jsonl")):
        return None
    draft = _draft(home, state_of(home))
    return draft.state.ceremonies.running if draft.events else None


def _draft(home: Home, state: State) -> Draft:
    """Return the draft that goes on from the log as it is; those of a shorter log are over."""
    path = home.restoring(state.head[0])
    home.attempts.mkdir(mode=0o700, exist_ok=True)
    for left in home.attempts.glob("restoring-*.jsonl"):
        if left != path:
            left.unlink()
            shutil.rmtree(_seals_before(home), ignore_errors=True)
    return Draft.read(path, state) if path.is_file() else Draft(path, state=state)


def _room(home: Home, draft: Draft, people: People) -> Room:
    return Room(people, home.site, home.token_place(), draft, lambda: datetime.now(UTC))


def _go_on(home: Home, room: Room) -> tuple[KeyRef, ...]:
    """Go through the steps that are not signed; then on with the site, which is open again."""

    def done(number: int) -> None:
        if number < len(RESTORED):  # the last one is done in the group that the new key signs
            room.note(StepDone(number))

    try:
        go_through(
            room.people,
            lambda: room.running,
            lambda step: RESTORED[step.action](home, room, step),
            done,
            until=len(RESTORED),
        )
    finally:
        if room.token is not None:
            room.token.close()
    room.draft.path.unlink()
    shutil.rmtree(_seals_before(home), ignore_errors=True)
    operators = room.running.of_role(Role.OPERATOR)
    with open_oracle(home, room.user_pin, operators) as oracle:
        return go_on(oracle.ceremonies, room.people)


def _seal(home: Home, room: Room, step: Step) -> None:
    """Seal new PINs to everyone; the old seals are kept until the log goes on."""
    before = _seals_before(home)
    if not before.exists():
        home.seal.rename(before)
    FOUNDING["seal"](room, step)


def _seals_before(home: Home) -> Path:
    return home.attempts / "seals-before"


def _make_token(room: Room, step: Step) -> None:
    _set_aside(room.place)
    FOUNDING["make-token"](room, step)


def _restore(home: Home, room: Room) -> None:
    """Have custodians bring the quorum's key back, and every master under it into the token."""
    token, state = room.require_token(), room.draft.state
    key = room.running.used(BACKUP_KEK)
    quorum = read_quorum(home.backup, key, state)
    backup = read_backup(home.backup, key, state)
    holders = state.custody.shares(key)
    names = [name for name in holders.values() if name in room.running.everyone]
    if len(names) < quorum.threshold:
        raise Refused(
            Control.QUORUM,
            f"{len(names)} holders of shares of {key} take part; {quorum.threshold} are needed.",
        )
    chosen = room.people.present("holder of a share", names, quorum.threshold)
    shares: dict[int, Key] = {}

    def taking(number: int) -> Handover:
        expected = quorum.check_values[number - 1]
        return Handover(token, room.running.site, key, number, expected)

    def take(person: str, number: int, handover: Handover) -> None:
        room.note(ShareEntered(person, key, number))
        shares[number] = handover.take()

    giving = {number: name for number, name in holders.items() if name in chosen}
    take_shares(room.people, room.miss, key, giving, taking, take)
    kek = combine(quorum, shares, Usage.BACKUP_KEK)
    with released(kek, *shares.values()):
        restored = [_put_back(room, kek, each) for each in backup if _wanted(state, each)]
    keys = tuple(sorted(restored))
    lost = state.keys.lost(keys)
    room.note(MastersRestored(room.running.of_role(Role.OPERATOR), key, keys, lost))
    room.people.tell(f"{counted(keys)} restored from the backup, with the same check values.")
    gone = [str(each) for each in lost if each.purpose not in GENESIS_KEYS]
    if gone:
        room.people.tell(
            f"Lost with the token: {', '.join(gone)}. Masters and pairs among them are made anew; "
            "issuers send anew what was not made."
        )


def _wanted(state: State, wrapped: Wrapped) -> bool:
    return wrapped.key in state.keys.masters()


def _put_back(room: Room, kek: Key, wrapped: Wrapped) -> KeyRef:
    token, label = room.require_token(), str(wrapped.key)
    entry = room.draft.state.keys.require(wrapped.key)
    destroy_master(token, label)
    came = (wrapped.algorithm, kek, wrapped.blobs, Usage(entry.usage))
    values = put_back(token, label, *came).values
    if (str(values.kcv), str(values.derived)) != (entry.kcv, entry.derived):
        destroy_master(token, label)
        raise CheckFailed(
            Control.KEY_CHECK_VALUE,
            f"The backup's {wrapped.key} is another key than the one on the record: its check "
            "value differs. Use another copy of the backup.",
        )
    return wrapped.key


def _require_gone(place: TokenPlace) -> None:
    """Require that the token is lost: nothing is put in the place of one that is there."""
    try:
        Token.reach(place, None).close()
    except DeviceFailed as exc:
        if exc.control is Control.TOKEN_PRESENT:
            return
        raise
    raise Refused(
        Control.TOKEN_PRESENT,
        f"The token '{place.label}' is there; a site is restored when its HSM is lost. If it does "
        "not open, set it aside first. Nothing was done.",
    )


def _set_aside(place: TokenPlace) -> None:
    """Keep whatever stands where the token will be: nothing is ever overwritten."""
    folder = place.softhsm_directory
    if folder is not None and folder.exists():
        number = len(list(folder.parent.glob(f"{folder.name}.before-*"))) + 1
        folder.rename(folder.with_name(f"{folder.name}.before-{number}"))


RESTORED: dict[str, Callable[[Home, Room, Step], None]] = {
    "approve": lambda home, room, step: FOUNDING["approve"](room, step),
    "seal": _seal,
    "make-token": lambda home, room, step: _make_token(room, step),
    "restore": lambda home, room, step: _restore(home, room),
    "replace-log-signer": lambda home, room, step: replace_log_signer(home, room),
}
"""What is done in each step up to the one by which the new key signs, by the name of its action."""
