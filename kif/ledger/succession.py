"""What a site goes on with when a part of it is replaced: another key that signs its log.

Nobody has to be believed who is not on the record: everyone who takes part in the ceremony signs
what comes in the place of what was there. Whoever holds the log's first key follows from it to the
newest.
"""

from __future__ import annotations

from kif.formats.purpose import LOG_SIGNER
from kif.ledger.approval import CEREMONY
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.events.ceremony import LogSignerReplaced
from kif.ledger.genesis import Genesis
from kif.ledger.keys import Keys
from kif.ledger.people import People, same_statement
from kif.ledger.running import Head
from kif.ledger.steps import require


class Succession:
    """What ceremonies put in the place of what the genesis made."""

    def __init__(
        self, ceremonies: Ceremonies, people: People, keys: Keys, genesis: Genesis
    ) -> None:
        self._ceremonies, self._people = ceremonies, people
        self._keys, self._genesis = keys, genesis

    def replace_log_signer(self, event: LogSignerReplaced, head: Head) -> None:
        """Take the key that signs the log from here on, over whose value everyone has signed."""
        running = self._ceremonies.require_running()
        expected = running.key(LOG_SIGNER)
        require(event.key == expected, f"The next key of the log is {expected}, not {event.key}.")
        require(
            event.people == running.everyone and len(event.people) == len(event.signatures),
            "Everyone who takes part signs which key the log goes on with, in their order.",
        )
        statement = running.succession(head, event.public_key)
        same_statement(event.statement, statement, "this key of the log")
        for person, signature in zip(event.people, event.signatures, strict=True):
            self._people.verify(person, CEREMONY, event.statement, signature)
        self._keys.succeeded(event.key, event.public_key)
        self._genesis.sign_with(event.public_key)
