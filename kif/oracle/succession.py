"""The desk of what is replaced on a site that stands: the key that signs its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kif.formats.error import KifError
from kif.formats.keyref import SITE, KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT, LOG_SIGNER, SITE_CA
from kif.hsm.keypair import LogSigner, destroy_pair, generate_log_signer
from kif.ledger.events.ceremony import LogSignerReplaced
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.pairs import certify_pairs, generate_pair
from kif.oracle.rows import key_row, move_keys


@dataclass(frozen=True)
class Succession:
    """What a ceremony asks for when a part of the site is replaced."""

    desk: Desk
    _next: dict[KeyRef, LogSigner] = field(default_factory=dict)

    def renew(self) -> Sequence[KeyRef]:
        """Make another key of the site's CA and of the recipient, and certify both; return them."""
        keys, record = self.desk.keys, self.desk.record
        with record.deciding() as state:
            running = state.ceremonies.require_running()
        pair = running.key(SITE_CA), running.key(ENVELOPE_RECIPIENT)
        site = keys.token.place.label
        made = [generate_pair(keys.token, key, site) for key in pair]
        certified = certify_pairs(keys.token, *pair, site, record.clock())

        def work(step: Step) -> None:
            for event in (*made, *certified):
                step.record(event)
            step.session.add_all(key_row(step.state, key) for key in pair)

        record.write(work)
        return pair

    def log_signer_replaced(self) -> bool:
        """Return whether the running ceremony did so before it was interrupted."""
        with self.desk.record.deciding() as state:
            key = state.ceremonies.require_running().key(LOG_SIGNER)
            return key in state.keys.known

    def next_log_signer(self) -> bytes:
        """Generate the key that is to sign the log; return what everyone signs about it.

        What an interrupted attempt left of it goes first.
        """
        token, record = self.desk.keys.token, self.desk.record
        with record.deciding() as state:
            running = state.ceremonies.require_running()
            head = state.head
        key = running.key(LOG_SIGNER)
        destroy_pair(token, str(key))
        self._next[key] = generate_log_signer(token, str(key), token.place.label)
        return running.succession(head, self._next[key].public_key)

    def replace_log_signer(
        self,
        statement: bytes,
        signatures: Mapping[str, str],
        misses: Sequence[tuple[str, KifError]],
    ) -> KeyRef:
        """Sign the log with the next key from here on; return it. The one before is destroyed."""
        ((key, signer),) = self._next.items()
        people, given = tuple(signatures), tuple(signatures.values())
        record = self.desk.record
        record.signers[signer.public_key] = signer

        def work(step: Step) -> tuple[KeyRef, ...]:
            running = step.state.ceremonies.require_running()
            for person, wrong in misses:
                step.record(running.missed(person, wrong))
            old = step.state.keys.in_use(SITE, LOG_SIGNER)
            public = signer.public_key
            step.record(LogSignerReplaced(step.by, key, public, statement.decode(), people, given))
            step.session.add(key_row(step.state, key))
            move_keys(step, (old,))
            return (old,)

        for old in record.write(work):
            self.desk.keys.destroy(old)
        self._next.clear()
        return key
