"""The desk of what is replaced on a site that stands: the key that signs its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from kif.formats.error import KifError
from kif.formats.keyref import SITE, KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT, LOG_SIGNER, SITE_CA
from kif.hsm.keypair import LogSigner, destroy_pair, generate_log_signer
from kif.hsm.token import Token
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
        """Generate the key that is to sign the log; return what everyone signs about it."""
        token, record = self.desk.keys.token, self.desk.record
        with record.deciding() as state:
            running = state.ceremonies.require_running()
            head = state.head
        key = running.key(LOG_SIGNER)
        self._next[key] = new_log_signer(token, key)
        return running.succession(head, self._next[key].public_key)

    def replace_log_signer(
        self,
        statement: bytes,
        signatures: Mapping[str, str],
        misses: Sequence[tuple[str, KifError]],
    ) -> KeyRef:
        """Sign the log with the next key from here on; return it. The one before is destroyed."""
        ((key, signer),) = self._next.items()
        record = self.desk.record
        record.signers[signer.public_key] = signer
        succeed = partial(record_succession, key, signer.public_key, statement, signatures, misses)
        self.desk.keys.destroy(record.write(succeed))
        self._next.clear()
        return key


def new_log_signer(token: Token, key: KeyRef) -> LogSigner:
    """Generate a key that is to sign the log; what an interrupted attempt left goes first."""
    destroy_pair(token, str(key))
    return generate_log_signer(token, str(key), token.place.label)


def record_succession(
    key: KeyRef,
    public_key: bytes,
    statement: bytes,
    signatures: Mapping[str, str],
    misses: Sequence[tuple[str, KifError]],
    step: Step,
) -> KeyRef:
    """Record the key that signs the log from here on; return the one before.

    ``misses`` came while everyone signed: recorded before, they would have moved the end.
    """
    running, old = step.state.ceremonies.require_running(), step.state.keys.in_use(SITE, LOG_SIGNER)
    for person, wrong in misses:
        step.record(running.missed(person, wrong))
    people, given = tuple(signatures), tuple(signatures.values())
    step.record(LogSignerReplaced(step.by, key, public_key, statement.decode(), people, given))
    step.session.add(key_row(step.state, key))
    move_keys(step, (old,))
    return old
