"""Bytes as words that people read aloud, write down and type: BIP-39's English list of 2,048.

Each word is told from every other by its first four letters. The last word ends in a checksum
(the first bits of SHA-256), so that a wrong or a swapped word is noticed.
"""

from __future__ import annotations

from functools import cache

from mnemonic import Mnemonic

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.secret import Secret

_TOLD_BY = 4
_ALOUD = 16
"""Bytes of a digest that are read aloud: twelve words."""


def to_words(value: Secret) -> list[str]:
    """Return 16, 20, 24, 28 or 32 bytes as 12 to 24 words."""
    return _list().to_mnemonic(value.reveal()).split()


def from_words(text: str, count: int) -> Secret:
    """Read so many words, four letters of each at least. Raises ``BadInput`` (QUORUM).

    The sentence names a word by its place, for the words are secret.
    """
    typed = text.lower().split()
    if len(typed) != count:
        raise BadInput(
            Control.QUORUM, f"There are {count} words; {len(typed)} were typed. Type all of them."
        )
    words = [_known(word) for word in typed]
    if None in words:
        at = words.index(None) + 1
        raise BadInput(Control.QUORUM, f"Word {at} is no word of the list. Read it again.")
    whole = " ".join(word or "" for word in words)
    if not _list().check(whole):
        raise BadInput(
            Control.QUORUM,
            "Each word is one of the list, but their checksum is not right: one is another word, "
            "or two are swapped. Read them again.",
        )
    return Secret(bytes(_list().to_entropy(whole)))


def aloud(digest: str) -> str:
    """Return the words by which people compare a digest (hex, SHA-256): of its first 16 bytes."""
    return _list().to_mnemonic(bytes.fromhex(digest)[:_ALOUD])


def _known(typed: str) -> str | None:
    found = [word for word in _list().wordlist if word.startswith(typed)]
    if typed in found:
        return typed
    return found[0] if len(typed) >= _TOLD_BY and len(found) == 1 else None


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")
