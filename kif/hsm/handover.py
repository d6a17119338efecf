"""A share on its way: from the HSM to its custodian, or from the custodian back into the HSM.

What a person reads or types is clear on the host for that moment. A custodian's own token makes the
share itself, and wraps it to a key pair that the HSM makes for this once: no host sees it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import ObjectClass

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.hsm.form import derived_check_value
from kif.hsm.key import Algorithm, Key
from kif.hsm.keypair import destroy_pair, generate_recipient
from kif.hsm.quorum import SHARE, load_share
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_oaep


class Handover(AbstractContextManager["Handover"]):
    """One share of a quorum's key, by its custodian's number. Use as a context manager."""

    def __init__(
        self, token: Token, site: str, key: KeyRef, number: int, expected: Kcv | None = None
    ) -> None:
        """``expected`` is the check value of a share that is handed back."""
        self._token, self._expected = token, expected
        self._name = f"share {number} of {key}"
        self.label = f"{site} {self._name}"
        """What it is called in a custodian's token."""
        self._drawn: Secret | None = None
        self._share: Key | None = None
        self._kcv: Kcv | None = None
        self._pair = f"share recipient {secrets.token_hex(8)}"
        """The label of the pair that a custodian's token wraps to."""
        self._recipient = ""

    def draw(self) -> tuple[Secret, Kcv]:
        """Draw the share (32 bytes) in the HSM, once; return it with its check value."""
        if self._drawn is None:
            self._drawn = Secret(self._token.random(SHARE))
        self.enter(self._drawn)
        return self._drawn, self.kcv

    def enter(self, share: Secret) -> None:
        """Take a share in the clear. Raises ``BadInput`` (QUORUM) when it is not the right one."""
        self._accept(load_share(self._token, share))

    def recipient(self) -> str:
        """Return the public key (PEM) that a custodian's token wraps the share to."""
        if not self._recipient:
            public = generate_recipient(self._token, self._pair, Usage.SHARE_RECIPIENT)
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            self._recipient = pem.decode()
        return self._recipient

    def receive(self, wrapped: Sequence[bytes]) -> None:
        """Take a share that is wrapped to ``recipient``; of several, the right one.

        Raises ``BadInput`` (QUORUM) when none is.
        """
        for blob in wrapped:
            with suppress(BadInput):
                return self._accept(self._unwrapped(blob))
        raise self._wrong()

    @property
    def kcv(self) -> Kcv:
        """Return the check value of the share that is there."""
        if self._kcv is None:
            raise BadInput(Control.QUORUM, f"There is no {self._name} yet.")
        return self._kcv

    def take(self) -> Key:
        """Return the share, which is the caller's from here on."""
        if self._share is None:
            raise BadInput(Control.QUORUM, f"There is no {self._name} yet.")
        share, self._share = self._share, None
        return share

    def close(self) -> None:
        """Destroy what the session still holds of it."""
        if self._share is not None:
            self._share.destroy()
            self._share = None
        if self._recipient:
            destroy_pair(self._token, self._pair)
            self._recipient = ""

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, share: Key) -> None:
        kcv = derived_check_value(share)
        if self._expected not in (None, kcv):
            share.destroy()
            raise self._wrong()
        if self._share is not None:
            self._share.destroy()
        self._share, self._kcv = share, kcv

    def _unwrapped(self, blob: bytes) -> Key:
        recipient = self._token.find(self._pair, ObjectClass.PRIVATE_KEY)
        try:
            return unwrap_oaep(recipient, Usage.QUORUM_SHARE, Algorithm.AES_256, blob)
        except DeviceFailed as exc:
            if exc.control is not Control.TOKEN_CALL:
                raise
            raise self._wrong() from None

    def _wrong(self) -> BadInput:
        return BadInput(
            Control.QUORUM,
            f"This is not {self._name}: its check value differs. It is another one's, of another "
            "set, or was read wrongly.",
        )
