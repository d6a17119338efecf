"""M of N custodians bring a key back inside the token; M-1 of them lack a 256-bit key.

Custodian i holds a share ``D_i``, 32 random bytes that only DERIVE. In the token it gives ``W_i``,
which wraps, and ``E_i``, which encrypts. For each M-subset ``a < b < …`` there is a public blob::

    E_…( E_b( AES-KWP_{W_a}(KEK) ) )

whose outer layers are AES-GCM, with the set's name, threshold and subset as associated data. The
host sees blobs and, when a custodian types a share, that one share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from math import comb

from kif.formats.canonical import encode
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, DeviceFailed, Refused
from kif.formats.kcv import Kcv
from kif.formats.secret import Secret
from kif.hsm.clear import imported
from kif.hsm.crypt import seal, unseal
from kif.hsm.derive import derive
from kif.hsm.form import derived_check_value, kcv_of
from kif.hsm.key import Algorithm, Key, generate, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_kwp, wrap_kwp

SHARE = 32
_MOST_BLOBS = 1000
_WRAPS, _SEALS = b"kif quorum: wrap".ljust(32), b"kif quorum: seal".ljust(32)
Subset = tuple[int, ...]


@dataclass(frozen=True)
class Quorum:
    """The public part of a set: who it is of, and a blob for each M-subset (numbers from 1)."""

    name: str
    """The key's name; a blob of one name opens under no other."""
    threshold: int
    check_values: tuple[Kcv, ...]
    """Of each custodian's share, in their order: by it a wrong share is told."""
    kcv: Kcv
    """Of the key that comes back."""
    blobs: Mapping[Subset, bytes]


def load_share(token: Token, share: Secret) -> Key:
    """Enter a custodian's share (32 bytes). Raises ``BadInput`` (QUORUM) for another length."""
    if len(share) != SHARE:
        raise BadInput(
            Control.QUORUM, f"A share has {SHARE} bytes; this one has {len(share)}. Read it again."
        )
    return imported(token, Usage.QUORUM_SHARE, Algorithm.AES_256, share)


def create(token: Token, name: str, shares: Sequence[Key], threshold: int) -> Quorum:
    """Make a new AES-256 key that any ``threshold`` of the shares bring back; return its blobs.

    Before it returns, every M-subset was recombined to the same check value, and no blob opened
    with another share in the place of one of its own.
    """
    _require_possible(len(shares), threshold)
    checks = tuple(derived_check_value(share) for share in shares)
    if len(set(checks)) < len(checks):
        raise Refused(Control.QUORUM, "Two custodians gave the same share. Nothing was made.")
    with ExitStack() as stack:
        seed = generate(token, Usage.QUORUM_SEED, Algorithm.AES_256)
        stack.enter_context(released(seed))
        holders = {number: _Holder.of(share, stack) for number, share in enumerate(shares, start=1)}
        blobs = {
            subset: _Bound(name, threshold, subset).sealed(token, holders, seed)
            for subset in combinations(holders, threshold)
        }
        first = next(iter(blobs))
        kcv = _Bound(name, threshold, first).kcv(holders, blobs[first])
        quorum = Quorum(name, threshold, checks, kcv, blobs)
        _prove(quorum, holders)
    return quorum


def combine(quorum: Quorum, shares: Mapping[int, Key], usage: Usage, label: str = "") -> Key:
    """Bring the key back as one of a usage, from the shares of at least M custodians.

    Raises ``Refused`` (QUORUM) when there are fewer, ``CheckFailed`` (QUORUM) naming the custodian
    whose share is not of this set, or saying that the blob is not as it was made.
    """
    if len(shares) < quorum.threshold:
        raise Refused(
            Control.QUORUM,
            f"{len(shares)} shares are there; {quorum.name} needs {quorum.threshold}.",
        )
    for number, share in sorted(shares.items()):
        known = 1 <= number <= len(quorum.check_values)
        if not known or derived_check_value(share) != quorum.check_values[number - 1]:
            raise CheckFailed(
                Control.QUORUM,
                f"The share of custodian {number} is not of this set: its check value differs. "
                "Have it read again.",
            )
    subset = tuple(sorted(shares)[: quorum.threshold])
    with ExitStack() as stack:
        holders = {number: _Holder.of(shares[number], stack) for number in subset}
        if subset not in quorum.blobs:
            raise CheckFailed(Control.QUORUM, f"There is no blob for the custodians {subset}.")
        blob, bound = quorum.blobs[subset], _Bound(quorum.name, quorum.threshold, subset)
        if bound.kcv(holders, blob) != quorum.kcv:
            raise CheckFailed(Control.QUORUM, f"The key that came back is not {quorum.name}.")
        return bound.opened(holders, blob, usage, label)


@dataclass(frozen=True)
class _Holder:
    """What a share gives in the token."""

    wraps: Key
    seals: Key

    @classmethod
    def of(cls, share: Key, stack: ExitStack) -> _Holder:
        wraps = derive(share, _WRAPS, Algorithm.AES_256, Usage.QUORUM_WRAP)
        stack.enter_context(released(wraps))
        seals = derive(share, _SEALS, Algorithm.AES_256, Usage.QUORUM_SEAL)
        stack.enter_context(released(seals))
        return cls(wraps, seals)


@dataclass(frozen=True)
class _Bound:
    """What a blob is of: its layers open for this name, threshold and subset alone."""

    name: str
    threshold: int
    subset: Subset

    def sealed(self, token: Token, holders: Mapping[int, _Holder], seed: Key) -> bytes:
        blob = wrap_kwp(holders[self.subset[0]].wraps, seed)
        for number in self.subset[1:]:
            blob = seal(token, holders[number].seals, blob, self._layer(number))
        return blob

    def opened(
        self, holders: Mapping[int, _Holder], blob: bytes, usage: Usage, label: str = ""
    ) -> Key:
        try:
            for number in reversed(self.subset[1:]):
                blob = unseal(holders[number].seals, blob, self._layer(number))
            first = holders[self.subset[0]].wraps
            return unwrap_kwp(first, usage, Algorithm.AES_256, blob, label)
        except DeviceFailed as exc:
            if exc.control is not Control.TOKEN_CALL:
                raise
            raise CheckFailed(
                Control.QUORUM,
                f"The blob of {self.name} for the custodians {', '.join(map(str, self.subset))} "
                "does not open: it is not as it was made, or of another set. Use another copy of "
                "it.",
            ) from exc

    def kcv(self, holders: Mapping[int, _Holder], blob: bytes) -> Kcv:
        twin = self.opened(holders, blob, Usage.PUBLIC_BLOCK)
        with released(twin):
            return kcv_of(twin)

    def _layer(self, number: int) -> bytes:
        return encode(
            {
                "layer": number,
                "name": self.name,
                "subset": list(self.subset),
                "threshold": self.threshold,
            }
        )


def _prove(quorum: Quorum, holders: Mapping[int, _Holder]) -> None:
    """Show that each subset gives the key, and that it does not when one of it is missing."""
    for subset, blob in quorum.blobs.items():
        bound = _Bound(quorum.name, quorum.threshold, subset)
        if bound.kcv(holders, blob) != quorum.kcv:
            raise CheckFailed(Control.QUORUM, f"The custodians {subset} get another key.")
        for missing, present in zip(subset, _others(subset), strict=True):
            fewer = {**holders, missing: holders[present]}
            try:
                bound.kcv(fewer, blob)
            except CheckFailed:
                continue
            raise CheckFailed(Control.QUORUM, f"A blob opens without custodian {missing}.")


def _others(subset: Subset) -> Iterable[int]:
    """Give for each member of a subset another one of it."""
    return (*subset[1:], subset[0])


def _require_possible(holders: int, threshold: int) -> None:
    if not 2 <= threshold <= holders:
        raise BadInput(
            Control.QUORUM,
            f"{threshold} of {holders} is no quorum: at least two custodians, and not more than "
            "there are.",
        )
    if comb(holders, threshold) > _MOST_BLOBS:
        raise BadInput(
            Control.QUORUM,
            f"{threshold} of {holders} would need {comb(holders, threshold)} blobs; at most "
            f"{_MOST_BLOBS} are made.",
        )
