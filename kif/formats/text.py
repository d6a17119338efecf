"""Text from outside, in forms that no card number fits.

A PAN has 12 to 19 digits (ISO/IEC 7812-1). A name or reference has at most 11 digits in it one
after another, whatever separates them; free text has such digits taken out. So nothing has to guess
whether a number is a PAN, and nothing is refused because a serial number looks like one.
"""

import re
from functools import lru_cache

_BETWEEN = r"[\s._/:,-]*"
_MANY_DIGITS = re.compile(rf"[0-9](?:{_BETWEEN}[0-9]){{11,}}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9._-])?")
REFERENCE = 64
"""Characters that an issuer's reference has at most."""
SENTENCE = 400
"""Characters that a sentence on the record has at most."""


@lru_cache(4096)
def is_name(text: str) -> bool:
    """Return whether text is a name: 1 to 64 letters, digits, spaces and ``. _ @ -``."""
    return _NAME.fullmatch(text) is not None and _MANY_DIGITS.search(text) is None


def is_reference(text: str) -> bool:
    """Return whether text can be an issuer's own name for a file; numbers of any length are."""
    return text.isprintable() and 0 < len(text) <= REFERENCE


def is_sentence(text: str) -> bool:
    """Return whether text may stand on the record as it is."""
    printable = text.isprintable() and 0 < len(text) <= SENTENCE
    return printable and _MANY_DIGITS.search(text) is None


def for_the_record(text: str) -> str:
    """Return text as a sentence: printable, of limited length, long numbers taken out."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    shown = _MANY_DIGITS.sub("[digits]", shown).strip()
    return (shown if len(shown) <= SENTENCE else shown[: SENTENCE - 1] + "…") or "(nothing)"
