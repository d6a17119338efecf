"""The key ring: handles of the keys that the record names, found once for the process.

A key is named by its reference, which is its label in the token. What the token holds under it is
believed when it gives the check value on the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.keyref import KeyRef, of_site
from kif.formats.purpose import (
    DATA_PROTECTION,
    ENVELOPE_RECIPIENT,
    LOG_SIGNER,
    PAIRS,
    SITE_CA,
    purpose_of,
)
from kif.formats.state import KeyState
from kif.hsm.cmac import CmacMaster
from kif.hsm.data import batch_key, find_retention_key, make_retention_key
from kif.hsm.form import (
    destroy_master,
    find_cmac_master,
    find_master,
    find_with_left,
    standing_check_value,
)
from kif.hsm.issuersigner import IssuerSigner, find_issuer_signer
from kif.hsm.key import Algorithm, Key, find
from kif.hsm.keypair import LogSigner, destroy_pair, find_log_signer, public_key
from kif.hsm.mac import MacKey
from kif.hsm.pinkeeping import storage_key
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.keys import KeyEntry, Keys

SITE_MASTER, SITE_MASTER_ALGORITHM = of_site(DATA_PROTECTION), Algorithm.AES_256
SITE_SIGNER = of_site(LOG_SIGNER)
RECIPIENT = of_site(ENVELOPE_RECIPIENT)
CA = of_site(SITE_CA)


@dataclass(frozen=True)
class KeyRing:
    """Handles of everything that the oracle uses; the keys stay in the token."""

    token: Token
    protection: Key
    _masters: dict[KeyRef, Key] = field(default_factory=dict)
    _with_left: dict[KeyRef, MacKey] = field(default_factory=dict)
    _cmac_masters: dict[KeyRef, CmacMaster] = field(default_factory=dict)
    _signers: dict[KeyRef, IssuerSigner] = field(default_factory=dict)
    _batch: dict[str, Key] = field(default_factory=dict)
    _pins: dict[str, Key] = field(default_factory=dict)

    @classmethod
    def open(cls, token: Token) -> KeyRing:
        """Find what the log is read with. Raises ``DeviceFailed`` when it is not there."""
        return cls(token, find_master(token, str(SITE_MASTER), SITE_MASTER_ALGORITHM))

    def log_signer(self, key: KeyRef) -> LogSigner:
        """Return the key that signs the log."""
        return find_log_signer(self.token, str(key), self.token.place.label)

    def require(self, keys: Keys) -> None:
        """Compare every key on the record with the token's. Raises ``DeviceFailed``.

        KEY_CHECK_VALUE names the key that is another one, KEY_FOUND the one that is gone. A key
        that the record says is destroyed goes, when a kill left it in the token.
        """
        for key, entry in keys.known.items():
            if purpose_of(key).quorum:
                continue
            if entry.state is KeyState.DESTROYED:
                self.destroy(key)
            elif entry.state is not KeyState.PRE_ACTIVE and self._found(key, entry) != (
                entry.derived or entry.public_key
            ):
                raise DeviceFailed(
                    Control.KEY_CHECK_VALUE,
                    f"The token's key {key} is another one than on the record: its check value "
                    "differs. Nothing was done. Ask the custodians; restore the token's backup.",
                )

    def _found(self, key: KeyRef, entry: KeyEntry) -> str:
        if entry.public_key is not None:
            return public_key(self.token, str(key)).hex()
        usage, algorithm = Usage(entry.usage), Algorithm(entry.algorithm)
        return str(standing_check_value(self.token, str(key), usage, algorithm))

    def master(self, key: KeyRef, entry: KeyEntry) -> Key:
        """Return a master that the record knows."""
        if key not in self._masters:
            usage, algorithm = Usage(entry.usage), Algorithm(entry.algorithm)
            self._masters[key] = find(self.token, usage, algorithm, str(key))
        return self._masters[key]

    def with_left(self, key: KeyRef, entry: KeyEntry) -> MacKey:
        """Return a key that single DES under its left half is needed with."""
        if key not in self._with_left:
            usage, algorithm = Usage(entry.usage), Algorithm(entry.algorithm)
            found = find_with_left(self.token, str(key), usage, algorithm)
            self._with_left[key] = found
        return self._with_left[key]

    def cmac_master(self, key: KeyRef, entry: KeyEntry) -> CmacMaster:
        """Return an AES master that card keys are derived from by AES-CMAC."""
        if key not in self._cmac_masters:
            found = find_cmac_master(self.token, str(key), Algorithm(entry.algorithm))
            self._cmac_masters[key] = found
        return self._cmac_masters[key]

    def issuer_signer(self, key: KeyRef) -> IssuerSigner:
        """Return an issuer's key pair that the record knows."""
        if key not in self._signers:
            self._signers[key] = find_issuer_signer(self.token, str(key))
        return self._signers[key]

    def destroy(self, key: KeyRef) -> None:
        """Destroy a master or a pair in the token; its handles are of no use any more."""
        self._masters.pop(key, None)
        self._with_left.pop(key, None)
        self._cmac_masters.pop(key, None)
        self._signers.pop(key, None)
        destroy = destroy_pair if key.purpose in PAIRS else destroy_master
        destroy(self.token, str(key))

    def batch(self, batch: str, retention: KeyRef, seed: bytes) -> Key:
        """Return the data key of a batch, from its retention key and its seed."""
        if batch not in self._batch:
            key = find_retention_key(self.token, str(retention))
            self._batch[batch] = batch_key(key, seed)
        return self._batch[batch]

    def pins(self, batch: str, retention: KeyRef, seed: bytes) -> Key:
        """Return the key that a batch's PINs rest under."""
        if batch not in self._pins:
            key = find_retention_key(self.token, str(retention))
            self._pins[batch] = storage_key(key, seed)
        return self._pins[batch]

    def make_retention(self, key: KeyRef) -> Key:
        """Return a retention key, which is made when it is not there yet."""
        return make_retention_key(self.token, str(key))

    def forget_batch(self, batch: str) -> None:
        """Destroy the session's keys of a batch."""
        for keys in (self._batch, self._pins):
            if batch in keys:
                keys.pop(batch).destroy()
