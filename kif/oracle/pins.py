"""The desk of PINs that leave: to the issuer under its zone's key, to the printer of the mailers.

Both are about the cards of a batch that were dispatched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.pan import masked
from kif.formats.script import Clear, Pin, Script
from kif.formats.state import JobState
from kif.hsm.boundary import permitting
from kif.hsm.pinkeeping import KeptPin, in_clear, to_issuer
from kif.ledger.events.batch import PinMailersSealed, PinsExported
from kif.oracle.desk import Desk
from kif.oracle.messages import BatchView, JobRef, PinBlock
from kif.oracle.views import job_views


@dataclass(frozen=True)
class Pins:
    """Implements :class:`kif.oracle.interface.PinOracle`."""

    desk: Desk

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def blocks(self, batch: str) -> tuple[KeyRef, Sequence[PinBlock]]:
        """Return the zone's key, and a PIN block of each dispatched card.

        Under AES they are made in the HSM. Raises ``Refused`` (KEY_BOUNDARY) under 2TDEA unless
        ``pin-format-0`` is permitted.
        """
        found = self._dispatched(batch)
        zone = KeyRef.parse(found[0][1].zone)
        key, storage = self.desk.master(batch, zone), self.desk.pin_storage(batch)
        blocks = []
        for job, pin, _ in found:
            kept = KeptPin.decode(pin.kept)
            with permitting(*pin.permits):
                block = to_issuer(self.desk.keys.token, key, storage, kept, pin.account)
            blocks.append(PinBlock(job.number, block, pin.verification_value))
        return zone, blocks

    def exported(self, batch: str, key: KeyRef, count: int, digest: str) -> None:
        """Record that the blocks left in a file with this SHA-256 (hex)."""
        self.desk.record.write(
            lambda step: step.record(PinsExported(step.by, batch, key, count, digest))
        )

    def mailers(self, batch: str, printer: x509.Certificate) -> tuple[int, bytes]:
        """Return how many PINs there are, and all of them sealed to a printer (CMS, DER).

        They are clear here while they are sealed, and nowhere else. Raises ``Refused``
        (KEY_BOUNDARY) unless ``pin-mailer`` is permitted.
        """
        with self.desk.record.deciding() as state:
            state.pins.require_mailable(batch, self.desk.record.clock())
        token, storage = self.desk.keys.token, self.desk.pin_storage(batch)
        lines = []
        for _, pin, name in self._dispatched(batch):
            with permitting(*pin.permits):
                clear = in_clear(token, storage, KeptPin.decode(pin.kept), Clear.MAILED)
            line = {"account": masked(pin.account), "name": name, "pin": clear.reveal().decode()}
            lines.append(json.dumps(line))
        sealing = PKCS7EnvelopeBuilder().set_data("\n".join(lines).encode())
        sealing = sealing.add_recipient(printer).set_content_encryption_algorithm(AES256)
        return len(lines), sealing.encrypt(Encoding.DER, [PKCS7Options.Binary])

    def mailed(self, batch: str, count: int, recipient: str, digest: str) -> None:
        """Record that they were sealed; both digests are SHA-256 (hex).

        Raises ``Refused`` (PIN_APART): not on the day on which the cards left, and once.
        """
        self.desk.record.write(
            lambda step: step.record(PinMailersSealed(step.by, batch, count, recipient, digest))
        )

    def _dispatched(self, batch: str) -> list[tuple[JobRef, Pin, str]]:
        """Return every dispatched card of a batch, its PIN and the name on it (PIN_APART)."""
        found = []
        with self.desk.record.reading() as (state, tx):
            for job in job_views(tx.session, batch):
                if job.state is not JobState.DISPATCHED:
                    continue
                script = Script.decode(self.desk.bound_script(state, tx.connection, job.id))
                if script.pin is not None:
                    found.append((job.id, script.pin, script.artwork["name"]))
        if not found:
            raise Refused(
                Control.PIN_APART,
                f"Batch {batch} has no card that was dispatched and has a PIN. Nothing left.",
            )
        return found
