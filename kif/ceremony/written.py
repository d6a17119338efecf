"""A custodian's share on paper: 24 words, and the same as the text of a QR code."""

from __future__ import annotations

import re

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.words import from_words

WORDS = 24
_SCANNED = re.compile(r"KIF-SHARE:1:([^:]+):([0-9]{1,2}):([0-9A-F]{64})")


def to_scan(key: KeyRef, number: int, share: Secret) -> str:
    """Return the text of the QR code: which share of which set it is, and its 32 bytes."""
    return f"KIF-SHARE:1:{key}:{number}:{share.reveal().hex().upper()}"


def read_written(text: str, key: KeyRef, number: int) -> Secret:
    """Read what was typed or scanned from a sheet. Raises ``BadInput`` (QUORUM).

    Words don't say which share they are; its check value tells.
    """
    if not text.strip().upper().startswith("KIF-SHARE:"):
        return from_words(text, WORDS)
    found = _SCANNED.fullmatch(text.strip())
    if found is None:
        raise BadInput(Control.QUORUM, "The QR code was not read whole. Scan it again.")
    if (found[1], found[2]) != (str(key), str(number)):
        raise BadInput(
            Control.QUORUM,
            f"This is share {found[2]} of {found[1]}; share {number} of {key} is needed.",
        )
    return Secret(bytes.fromhex(found[3]))
