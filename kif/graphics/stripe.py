"""The magnetic stripe: written, read back, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.stripe import Stripe, decoded


class Encoder(Protocol):
    """A machine's encoder of magnetic stripes."""

    def encode(self, tracks: Sequence[bytes]) -> Sequence[bytes]:
        """Write tracks 1 and 2 (:func:`kif.formats.stripe.encoded`); return what is read back."""


class SimulatedEncoder:
    """An encoder that refuses what is no track, reads back what it wrote, and keeps nothing."""

    def encode(self, tracks: Sequence[bytes]) -> Sequence[bytes]:
        """Return the tracks, once each was read as its characters."""
        return [track for number, track in enumerate(tracks, start=1) if decoded(number, track)]


def encode_stripe(stripe: Stripe, encoder: Encoder) -> None:
    """Have both tracks written. Raises ``CheckFailed`` (STRIPE) when they read back otherwise."""
    if tuple(encoder.encode(stripe.encoded())) != stripe.encoded():
        raise CheckFailed(
            Control.STRIPE,
            "The magnetic stripe does not read back as it was written. Look at the encoder's head, "
            "and at the blanks.",
        )
