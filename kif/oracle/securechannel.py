"""The secure channel with a card, by what its profile says: SCP03, or SCP02 of an older card.

A channel protects commands and checks answers; a delivery has keys and PIN encrypted to the card
under the key that its protocol has for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kif.formats import scp02, scp03
from kif.formats.apdu import Command, Response
from kif.formats.keyref import KeyRef
from kif.formats.putkey import AES, TDEA, KeyField
from kif.formats.script import Script, SecureChannel
from kif.hsm import deliver, delivery02
from kif.hsm import scp02 as old
from kif.hsm import scp03 as new
from kif.hsm.boundary import permitting
from kif.hsm.cmac import CmacMaster
from kif.hsm.key import Key
from kif.hsm.pinkeeping import KeptPin, to_card
from kif.hsm.token import Token
from kif.oracle.desk import Desk

Answer = scp02.InitializeUpdateResponse | scp03.InitializeUpdateResponse


class Channel(Protocol):
    """An open channel to a card."""

    dek: Key
    """Under which keys and PIN go to it."""

    def external_authenticate(self, level: int) -> bytes:
        """Return EXTERNAL AUTHENTICATE for a security level."""

    def protect(self, command: Command) -> bytes:
        """Return a command as it is sent."""

    def check(self, number: int, response: Response) -> bytes:
        """Return the plain data of the answer to the n-th protected command (from 0)."""

    def close(self) -> None:
        """Destroy every key of it."""


class Delivery(Protocol):
    """What is encrypted to a card that proved its keys."""

    @property
    def kind(self) -> int:
        """The type of its own keys, as PUT KEY has it."""

    def icc_keys(self, masters: Sequence[Key], diversification: bytes) -> bytes:
        """Return the content of DGI 8000."""

    def domain_keys(self, master: KeyRef, serial: bytes) -> tuple[KeyField, ...]:
        """Return keys of a domain of the card, derived from a key over its ten bytes."""

    def pin(self, storage: Key, kept: KeptPin) -> bytes:
        """Return the content of DGI 8010."""


def decoded(script: Script, raw: bytes) -> Answer:
    """Read the answer to INITIALIZE UPDATE. Raises ``BadInput`` (BYTES) for another protocol's."""
    if script.secure_channel is SecureChannel.SCP02:
        return scp02.InitializeUpdateResponse.decode(raw)
    return scp03.InitializeUpdateResponse.decode(raw)


def open_channel(
    desk: Desk,
    batch: str,
    script: Script,
    key: KeyRef,
    challenge: bytes,
    answer: Answer,
    aid: bytes,
) -> Channel:
    """Open a channel with the card keys that a key of the batch gives.

    ``aid`` is the domain that answered. Raises ``DeviceFailed`` (CARD_CRYPTOGRAM).
    """
    if isinstance(answer, scp02.InitializeUpdateResponse):
        made = old.static_keys(desk.master(batch, key), _how(script), answer.diversification_data)
        over = aid if scp02.Options(script.options).pseudo_random else None
        return old.Channel.open(made, challenge, answer, over)
    static = new.static_keys(desk.cmac_master(batch, key), answer.diversification_data)
    return new.Channel.open(static, challenge, answer, aid)


def delivery_of(desk: Desk, batch: str, script: Script, channel: Channel) -> Delivery:
    """Return how keys go to the card of an open channel."""
    if isinstance(channel, old.Channel):
        masters = partial(desk.master, batch)
        return _Delivery02(desk.keys.token, channel.dek, masters, _how(script), script.permits)
    return _Delivery03(channel.dek, partial(desk.cmac_master, batch))


def _how(script: Script) -> old.Diversification:
    return old.Diversification(script.card_keys)


@dataclass(frozen=True)
class _Delivery03:
    dek: Key
    masters: Callable[[KeyRef], CmacMaster]
    kind: int = AES

    def icc_keys(self, masters: Sequence[Key], diversification: bytes) -> bytes:
        return deliver.wrapped_icc_keys(self.dek, masters, diversification)

    def domain_keys(self, master: KeyRef, serial: bytes) -> tuple[KeyField, ...]:
        return deliver.domain_keys(self.dek, self.masters(master), serial)

    def pin(self, storage: Key, kept: KeptPin) -> bytes:
        return to_card(self.dek, storage, kept)


@dataclass(frozen=True)
class _Delivery02:
    token: Token
    dek: Key
    masters: Callable[[KeyRef], Key]
    how: old.Diversification
    permits: Sequence[str]
    kind: int = TDEA

    def icc_keys(self, masters: Sequence[Key], diversification: bytes) -> bytes:
        with permitting(*self.permits):
            return delivery02.icc_keys(self.token, self.dek, masters, diversification)

    def domain_keys(self, master: KeyRef, serial: bytes) -> tuple[KeyField, ...]:
        key = self.masters(master)
        with permitting(*self.permits):
            return delivery02.domain_keys(self.token, self.dek, key, self.how, serial)

    def pin(self, storage: Key, kept: KeptPin) -> bytes:
        with permitting(*self.permits):
            return delivery02.pin_block(self.token, self.dek, storage, kept)
