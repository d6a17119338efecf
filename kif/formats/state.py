"""The states of a key, a batch and a card job, and the only steps between them.

A card job: RECEIVED > PREPARED > CLAIMED > PERSONALISING > PERSONALISED > PRINTED > GOOD >
DISPATCHED. CLAIMED goes back to PREPARED when the line stopped before any key left the oracle.
Everything up to PRINTED goes to SUSPECT: when the card failed or was interrupted, and before
CLAIMED when its data can't be opened. SUSPECT is never left for another try: such a card is
destroyed on record and reissued.
"""

from enum import StrEnum


class KeyState(StrEnum):
    """Where a key stands (NIST SP 800-57 part 1 rev. 5, 7)."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


KEY_STEPS: dict[KeyState, frozenset[KeyState]] = {
    KeyState.PRE_ACTIVE: frozenset({KeyState.ACTIVE, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset({KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED}),
    KeyState.SUSPENDED: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.COMPROMISED}),
    KeyState.DEACTIVATED: frozenset({KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset(),
}


class BatchState(StrEnum):
    """Where a batch stands; RELEASED needs two people, CLOSED a reconciliation that balances.

    Of a CANCELLED one no card was made, of an ERASED one nobody can read the cards' data any more.
    """

    RECEIVED = "received"
    PREPARED = "prepared"
    RELEASED = "released"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    ERASED = "erased"


class JobState(StrEnum):
    """Where one card of a batch stands."""

    RECEIVED = "received"
    PREPARED = "prepared"
    CLAIMED = "claimed"
    PERSONALISING = "personalising"
    PERSONALISED = "personalised"
    PRINTED = "printed"
    GOOD = "good"
    DISPATCHED = "dispatched"
    SUSPECT = "suspect"


JOB_STEPS: dict[JobState, frozenset[JobState]] = {
    JobState.RECEIVED: frozenset({JobState.PREPARED, JobState.SUSPECT}),
    JobState.PREPARED: frozenset({JobState.CLAIMED, JobState.SUSPECT}),
    JobState.CLAIMED: frozenset({JobState.PERSONALISING, JobState.PREPARED, JobState.SUSPECT}),
    JobState.PERSONALISING: frozenset({JobState.PERSONALISED, JobState.SUSPECT}),
    JobState.PERSONALISED: frozenset({JobState.PRINTED, JobState.SUSPECT}),
    JobState.PRINTED: frozenset({JobState.GOOD, JobState.SUSPECT}),
    JobState.GOOD: frozenset({JobState.DISPATCHED}),
    JobState.DISPATCHED: frozenset(),
    JobState.SUSPECT: frozenset(),
}
