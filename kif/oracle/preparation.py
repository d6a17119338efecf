"""Data preparation's desk: clear records out, one at a time; whole batches of scripts in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.purpose import EMV_ISSUER
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.formats.verification import (
    CVV2_SERVICE_CODE,
    ICVV_SERVICE_CODE,
    ibm3624_block,
    ibm3624_offset,
)
from kif.hsm import data
from kif.hsm.boundary import permitting
from kif.hsm.key import Key
from kif.hsm.pin import cvv, ibm3624_pin, pvv
from kif.hsm.pinkeeping import draw, keep
from kif.ledger.binding import BoundScript, root_over, sealed_digest
from kif.ledger.events.batch import BatchPrepared
from kif.ledger.keys import KeyEntry
from kif.ledger.state import State
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import (
    Account,
    BatchView,
    CardTerms,
    CardValues,
    Ibm3624,
    JobRef,
    JobView,
    PinTerms,
)
from kif.oracle.rows import bound_records, move_all, moved_batch, pseudonym_of, record_of
from kif.oracle.views import place_of


@dataclass(frozen=True)
class Preparation:
    """Implements :class:`kif.oracle.interface.PreparationOracle`."""

    desk: Desk

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch that are to be prepared, in their order.

        Raises ``CheckFailed`` when the table has other records than were received.
        """
        with self.desk.record.reading() as (state, tx):
            root = state.batches.require(batch).records
            if root_over(bound_records(tx.connection, batch)) != root:
                raise CheckFailed(
                    Control.LEDGER_TABLES,
                    f"The records of batch {batch} are not those that were received: their root "
                    "differs. Nothing was prepared; restore the database from a backup.",
                )
        return [job for job in self.desk.jobs(batch) if job.state is not JobState.SUSPECT]

    def record(self, job: JobRef) -> Secret:
        """Return the clear record (JSON) of a card job that is not yet prepared."""
        with self.desk.record.reading() as (state, tx):
            now = state.batches.open_jobs(job.batch).state(job.number)
            if now is not JobState.RECEIVED:
                raise Refused(
                    Control.JOB_STATE,
                    f"Card {job.number} of batch {job.batch} is {now.value}; a record is given out "
                    "only before it is prepared.",
                )
            sealed = record_of(tx.connection, job)
            return self.desk.reveal(state, tx.connection, job, sealed, "record")

    def card_values(
        self, job: JobRef, account: Account, key: KeyRef, terms: CardTerms
    ) -> CardValues:
        """Return a card's verification values, computed in the HSM. Raises as ``make_pin`` does."""
        entry, pan = self._key_for(job, account, key), account.pan
        found = self.desk.keys.with_left(key, entry)
        return CardValues(
            stripe=cvv(found, pan, terms.expiry, terms.service_code),
            chip=cvv(found, pan, terms.expiry, ICVV_SERVICE_CODE),
            printed=cvv(found, pan, terms.printed_expiry, CVV2_SERVICE_CODE),
        )

    def make_pin(self, job: JobRef, account: Account, terms: PinTerms) -> tuple[str, str]:
        """Draw a card's PIN; return it as the HSM keeps it (hex), and its PVV or offset.

        Raises ``Refused`` (JOB_STATE) for an account that is not the card's, or a card that is
        prepared already.
        """
        entry = self._key_for(job, account, terms.verification)
        key = self.desk.keys.master(terms.verification, entry)
        storage = self.desk.pin_storage(job.batch)
        with permitting(*terms.permits):
            pin = draw(self.desk.keys.token, terms.length)
            value = _verification_value(key, account.pan, terms.method, pin)
            return keep(self.desk.keys.token, storage, pin).encode(), value

    def _key_for(self, job: JobRef, account: Account, key: KeyRef) -> KeyEntry:
        """Return a key of the card's issuer, for the account that came with the card."""
        with self.desk.record.reading() as (state, tx):
            issuer = state.batches.require(job.batch).issuer
            now = state.batches.open_jobs(job.batch).state(job.number)
            ours = data.pseudonym(self.desk.keys.protection, issuer, account.subject.identity)
            if now is not JobState.RECEIVED or ours != pseudonym_of(tx.connection, job):
                raise Refused(
                    Control.JOB_STATE,
                    f"{job} is {now.value}; PIN and verification values are made of the account "
                    "that came with a card, before it is prepared.",
                )
            _require_of((key,), {key.purpose: issuer})
            return state.keys.require(key)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare a card suspect whose record can't be opened; the rest of its batch goes on."""
        return self.desk.suspect(job, control, sentence)

    def resolve(
        self,
        batch: str,
        wanted: Mapping[str, str],
        chosen: Sequence[KeyRef] = (),
        ciphers: Mapping[str, str] | None = None,
    ) -> Mapping[str, KeyRef]:
        """Return the key for each purpose of ``wanted`` (purpose -> vendor, or "" for the issuer).

        The newest active one, unless one of ``chosen`` is of that owner and purpose; ``ciphers``
        has purposes whose keys have to be of AES or TDEA.
        """
        of = ciphers or {}
        with self.desk.record.deciding() as state:
            issuer = state.batches.require(batch).issuer
            owners = {purpose: vendor or issuer for purpose, vendor in wanted.items()}
            _require_of(chosen, owners)
            given = {key.purpose: key for key in chosen}
            for purpose, key in given.items():
                _require_cipher(key, state.keys.require(key), of.get(purpose, ""))
            now = self.desk.record.clock()
            return {
                purpose: given.get(purpose)
                or _newest(state, owner, purpose, now, of.get(purpose, ""))
                for purpose, owner in owners.items()
            }

    def certificate(self, key: KeyRef) -> IssuerCertificate:
        """Return the scheme's certificate of an issuer's key, or raise ``Refused`` (KEY_FOUND)."""
        with self.desk.record.deciding() as state:
            return state.schemes.of(key)

    def save_scripts(
        self,
        batch: str,
        profile: str,
        keys: Sequence[KeyRef],
        scripts: Iterable[tuple[JobRef, Secret]],
    ) -> BatchView:
        """Keep the scripts (JSON) of a whole batch: it is PREPARED then."""
        sealed = {job: self._sealed(job, clear) for job, clear in scripts}
        return self.desk.record.write(partial(_save, batch, profile, keys, sealed))

    def _sealed(self, job: JobRef, clear: Secret) -> bytes:
        with self.desk.record.reading() as (state, tx):
            return self.desk.protect(state, tx.connection, job, clear, "script")


def _save(
    batch: str, profile: str, keys: Sequence[KeyRef], sealed: dict[JobRef, bytes], step: Step
) -> BatchView:
    jobs = step.state.batches.open_jobs(batch)
    wanted = [number for number, state, _ in jobs.all() if state is JobState.RECEIVED]
    if [job.number for job in sealed] != wanted or {job.batch for job in sealed} > {batch}:
        raise Refused(
            Control.JOB_STATE,
            f"Batch {batch} has {len(wanted)} cards to prepare and {len(sealed)} scripts "
            "came. Prepare the whole batch; nothing was changed.",
        )
    bound = [BoundScript(job.number, sealed_digest(script)) for job, script in sealed.items()]
    values = {key: step.state.keys.check_value(key) for key in keys}
    step.record(BatchPrepared(step.by, batch, profile, root_over(bound), values))
    prepared = (
        {
            **place_of(job),
            "state": JobState.PREPARED,
            "script": script,
            "script_digest": each.digest,
        }
        for (job, script), each in zip(sealed.items(), bound, strict=True)
    )
    move_all(step, ("state", "script", "script_digest"), prepared)
    return moved_batch(step, batch)


def _verification_value(key: Key, pan: str, method: str | Ibm3624, pin: Secret) -> str:
    """Return the PVV of a PIN, or its offset to the natural one (IBM 3624)."""
    if isinstance(method, str):
        return pvv(key, pan, method, pin)
    data = ibm3624_block(pan, method.start, method.digits, method.pad)
    natural = ibm3624_pin(key, data, method.table, "0" * len(pin))
    return ibm3624_offset(natural.reveal().decode(), pin.reveal().decode())


def _newest(state: State, owner: str, purpose: str, now: datetime, cipher: str) -> KeyRef:
    """Return the newest key that may be used; of those that a scheme certifies, with that."""
    if purpose == EMV_ISSUER:
        return state.schemes.newest(owner, now)
    return state.keys.newest(owner, purpose, now, cipher)


def _require_cipher(key: KeyRef, entry: KeyEntry, cipher: str) -> None:
    if cipher not in entry.algorithm:
        raise BadInput(
            Control.KEY_FOUND,
            f"{key} is of {entry.algorithm}, and the batch's product takes a key of {cipher}.",
        )


def _require_of(chosen: Sequence[KeyRef], owners: Mapping[str, str]) -> None:
    for key in chosen:
        if owners.get(key.purpose) != key.owner:
            wanted = ", ".join(f"{owner}/{purpose}" for purpose, owner in owners.items())
            raise BadInput(
                Control.KEY_FOUND,
                f"The batch needs no key like {key}; it needs a version of each of {wanted}.",
            )
