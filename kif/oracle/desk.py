"""What every desk of the oracle works with: the keys, the record, and card data at rest.

Nothing is decided on a row. A desk asks the state that follows from the log, records what it does,
and brings the rows up to date in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.script import Script
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState
from kif.hsm import data
from kif.hsm.cmac import CmacMaster
from kif.hsm.issuersigner import IssuerSigner
from kif.hsm.key import Algorithm, Key
from kif.hsm.library import calling
from kif.ledger.batch import Batch as Known
from kif.ledger.binding import root_over, sealed_digest
from kif.ledger.keys import KeyEntry
from kif.ledger.state import State
from kif.oracle.keys import KeyRing
from kif.oracle.messages import BatchView, JobRef, JobView
from kif.oracle.record import Record
from kif.oracle.rows import bound_scripts, mark_suspect, not_bound, script_of, seed_of
from kif.oracle.views import batch_view, job_views

_GONE = frozenset({Control.KEY_FOUND, Control.DATA_AT_REST})


@dataclass(frozen=True)
class Desk:
    """The oracle's common ground."""

    keys: KeyRing
    record: Record
    _scripts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Digests of the sealed scripts of a batch, once they were compared with its root."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        with self.record.reading() as (_, tx):
            return batch_view(tx.session, batch)

    def jobs(self, batch: str) -> list[JobView]:
        """Return the cards of a batch, in their order."""
        with self.record.reading() as (_, tx):
            return job_views(tx.session, batch)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare a card suspect: it is never tried again."""
        return self.record.write(lambda step: mark_suspect(step, job, control, sentence))

    def script(self, job: JobRef, turn: JobState) -> Secret:
        """Return the clear script (JSON) of a card that stands in this state; no other gets it."""
        with self.record.reading() as (state, tx):
            return self.script_at(state, tx.connection, job, turn)

    def script_at(
        self, state: State, connection: Connection, job: JobRef, turn: JobState
    ) -> Secret:
        """Do the same at a state. Raises ``CheckFailed``: DATA_AT_REST for this card's data alone.

        1. It is this stage's turn; 2. the batch's scripts are those that were released; 3. the
        sealed script is the one among them; 4. it opens.
        """
        now = state.batches.open_jobs(job.batch).state(job.number)
        if now is not turn:
            raise Refused(
                Control.JOB_STATE,
                f"{job} is {now.value}; its data is given out here only while it is {turn.value}.",
            )
        return self.bound_script(state, connection, job)

    def bound_script(self, state: State, connection: Connection, job: JobRef) -> Secret:
        """Return the clear script (JSON) of a card, which is among those that were released."""
        bound = self._bound_scripts(connection, state.batches.require(job.batch))
        sealed = script_of(connection, job)
        if sealed_digest(sealed) != bound.get(job.number):
            raise not_bound(job, "script")
        return self.reveal(state, connection, job, sealed, "script")

    def master(self, batch: str, key: KeyRef) -> Key:
        """Return a master that the batch was released with. Raises ``Refused`` for any other."""
        with self.record.deciding() as state:
            return self.keys.master(key, self._released_with(state, batch, key))

    def cmac_master(self, batch: str, key: KeyRef) -> CmacMaster:
        """Return a key that card keys are derived from, and the batch was released with."""
        with self.record.deciding() as state:
            return self.keys.cmac_master(key, self._released_with(state, batch, key))

    def signer(self, batch: str, key: KeyRef) -> IssuerSigner:
        """Return an issuer's key pair that the batch was released with."""
        with self.record.deciding() as state:
            self._released_with(state, batch, key)
            return self.keys.issuer_signer(key)

    def key_size(self, key: KeyRef) -> int:
        """Return how many bytes a key on the record has."""
        with self.record.deciding() as state:
            return Algorithm(state.keys.require(key).algorithm).size

    def challenge(self, script: Script) -> bytes:
        """Draw a host challenge for the card of a script: 8 or 16 bytes."""
        with calling("making a host challenge"):
            return self.keys.token.random(script.challenge)

    def chip(self, job: JobRef) -> bytes:
        """Return the serial of the chip that a card's keys left for, ten bytes."""
        with self.record.deciding() as state:
            return state.batches.open_jobs(job.batch).chip(job.number) or b""

    def protect(
        self, state: State, connection: Connection, job: JobRef, clear: Secret, what: str
    ) -> bytes:
        """Encrypt card data for rest, bound to its card and to what it is."""
        key = self._batch_key(state, connection, job.batch)
        return data.protect(self.keys.token, key, clear, context(job, what))

    def reveal(
        self, state: State, connection: Connection, job: JobRef, sealed: bytes, what: str
    ) -> Secret:
        """Decrypt card data. Raises ``CheckFailed`` (DATA_AT_REST) when it does not open."""
        try:
            key = self._batch_key(state, connection, job.batch)
            return data.reveal(key, sealed, context(job, what))
        except DeviceFailed as exc:
            if exc.control not in _GONE:
                raise
            raise CheckFailed(
                Control.DATA_AT_REST,
                f"The {what} of {job} can't be opened: {exc.sentence}",
            ) from exc

    def pin_storage(self, batch: str) -> Key:
        """Return the key that the PINs of a batch rest under."""
        with self.record.reading() as (state, tx):
            return self.keys.pins(batch, *self._origin(state, tx.connection, batch))

    def _batch_key(self, state: State, connection: Connection, batch: str) -> Key:
        """Return the data key of a batch."""
        return self.keys.batch(batch, *self._origin(state, connection, batch))

    def _origin(self, state: State, connection: Connection, batch: str) -> tuple[KeyRef, bytes]:
        """Return what a batch's keys come of; its row has the seed that the log names."""
        known = state.batches.require(batch)
        seed = seed_of(connection, batch)
        if known.state is BatchState.ERASED:
            raise CheckFailed(Control.DATA_AT_REST, f"Batch {batch} was erased.")
        if seed is None or sealed_digest(seed).hex() != known.seed:
            raise CheckFailed(
                Control.DATA_AT_REST,
                f"The seed of batch {batch}'s data key is not the one in the log.",
            )
        return KeyRef.parse(known.retention), seed

    def _released_with(self, state: State, batch: str, key: KeyRef) -> KeyEntry:
        """Return a key that may be used, and is in the statement that two people signed."""
        kcv = dict(state.batches.require(batch).keys).get(str(key))
        if kcv is None:
            raise Refused(
                Control.KEY_STATE,
                f"Batch {batch} was not released with {key}; nothing was derived.",
            )
        state.keys.require_active(key, kcv, self.record.clock())
        return state.keys.require(key)

    def _bound_scripts(self, connection: Connection, batch: Known) -> dict[int, bytes]:
        """Return the digests of a batch's scripts, which give the root that was released."""
        if batch.id not in self._scripts:
            bound = bound_scripts(connection, batch.id)
            if root_over(bound) != batch.scripts:
                raise CheckFailed(
                    Control.LEDGER_TABLES,
                    f"The scripts of batch {batch.id} are not those that were prepared and "
                    "released: their root differs. No card is made of them; restore the database "
                    "from a backup.",
                )
            self._scripts[batch.id] = {each.number: each.digest for each in bound}
        return self._scripts[batch.id]


def context(job: JobRef, what: str) -> bytes:
    """Return what sealed data of a card is bound to."""
    return f"{job.batch}/{job.number}/{what}".encode()
