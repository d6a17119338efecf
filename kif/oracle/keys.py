"""The site's keys by name, opened once for the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from kif.hsm.cmac import CmacMaster
from kif.hsm.data import find_batch_key
from kif.hsm.form import find_cmac_master, find_master
from kif.hsm.key import Algorithm, Key
from kif.hsm.keypair import LogSigner, find_log_signer
from kif.hsm.token import Token

CARD_MANAGER = "card-manager"
DATA_PROTECTION = "data-protection"
LOG_SIGNER = "log-signer"
SITE_CA = "site-ca"
ENVELOPE_RECIPIENT = "envelope-recipient"
EMV_MASTERS = ("emv-ac", "emv-smi", "emv-smc")
"""IMK-AC, IMK-SMI and IMK-SMC: a script names them so."""

MASTERS: dict[str, Algorithm] = {
    **dict.fromkeys(EMV_MASTERS, Algorithm.TDES_2),
    CARD_MANAGER: Algorithm.AES_128,
    DATA_PROTECTION: Algorithm.AES_256,
}


@dataclass(frozen=True)
class SiteKeys:
    """Handles of everything that the oracle uses; the keys stay in the token."""

    token: Token
    card_manager: CmacMaster
    emv: dict[str, Key]
    protection: Key
    log_signer: LogSigner
    _batch: dict[str, Key] = field(default_factory=dict)

    @classmethod
    def find(cls, token: Token, log_name: str) -> SiteKeys:
        """Find every key. Raises ``DeviceFailed`` naming the first that is not as it should be."""
        return cls(
            token,
            find_cmac_master(token, CARD_MANAGER, MASTERS[CARD_MANAGER]),
            {name: find_master(token, name, MASTERS[name]) for name in EMV_MASTERS},
            find_master(token, DATA_PROTECTION, MASTERS[DATA_PROTECTION]),
            find_log_signer(token, LOG_SIGNER, log_name),
        )

    def batch(self, batch: str) -> Key:
        """Return the data key of a batch."""
        if batch not in self._batch:
            self._batch[batch] = find_batch_key(self.token, batch)
        return self._batch[batch]
