"""The magnetic stripe is written, and read back before the card is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.stripe import Account
from kif.graphics.stripe import SimulatedEncoder, encode_stripe

STRIPE = Account("9999990000000014", "TEST/CARDHOLDER AA", "2802", "201", "11234561").stripe()
OTHER = Account("9999990000000022", "TEST/CARDHOLDER BB", "2802", "201", "11234561").stripe()


@dataclass
class Worn:
    """An encoder whose head gives back something else."""

    gives: Sequence[bytes]
    written: list[bytes] = field(default_factory=list)

    def encode(self, tracks: Sequence[bytes]) -> Sequence[bytes]:
        self.written = list(tracks)
        return self.gives


def test_a_stripe_that_reads_back_is_right() -> None:
    encode_stripe(STRIPE, SimulatedEncoder())
    head = Worn(STRIPE.encoded())
    encode_stripe(STRIPE, head)
    assert head.written == list(STRIPE.encoded())


@pytest.mark.control("KIF-GFX-01")
@pytest.mark.parametrize(
    "gives",
    [
        OTHER.encoded(),
        STRIPE.encoded()[:1],
        (*STRIPE.encoded(), b""),
        (STRIPE.encoded()[0], STRIPE.encoded()[1][:-1]),
        (),
    ],
)
def test_a_stripe_that_reads_back_otherwise_is_told(gives: Sequence[bytes]) -> None:
    with pytest.raises(CheckFailed, match="does not read back as it was written") as caught:
        encode_stripe(STRIPE, Worn(gives))
    assert caught.value.control is Control.STRIPE


def test_the_simulated_encoder_takes_tracks_alone() -> None:
    with pytest.raises(BadInput):
        SimulatedEncoder().encode([b"abc", b"def"])
